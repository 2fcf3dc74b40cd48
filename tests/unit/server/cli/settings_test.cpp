// Flag > environment > file > default, and what is refused in a file.
#include "server/cli/settings.hpp"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <functional>
#include <optional>

#include "tests/support/catch.hpp"

namespace mpyd::server::cli {
namespace {

constexpr const char* kVariables[] = {"MPYD_LISTEN", "MPYD_SERVER", "MPYD_TOKEN_FILE",
                                      "MPYD_TOKEN"};

// A program of two commands, as cli.cpp declares them.
struct Program {
  CLI::App app{"test", "mpyd"};
  CLI::App* serve = nullptr;
  CLI::App* sign = nullptr;
  std::string listen = "127.0.0.1:1";
  unsigned threads = 2;
  bool is_loud = false;
  std::string data;
  std::string server = "http://127.0.0.1:8781";
  std::string token_file;
  std::vector<std::string> keys;

  Program() {
    for (const char* name : kVariables) ::unsetenv(name);
    app.option_defaults()->configurable(false);
    serve = app.add_subcommand("serve");
    serve->option_defaults()->configurable();
    serve->add_option("--listen", listen)->envname("MPYD_LISTEN")->capture_default_str();
    serve->add_option("--slow-threads", threads)->check(CLI::Range(1, 64))->capture_default_str();
    serve->add_flag("--loud", is_loud);
    serve->add_option("--data", data)->type_name("DIR")->required();
    sign = app.add_subcommand("trust")->add_subcommand("sign");
    sign->add_option("--server", server)
        ->envname("MPYD_SERVER")
        ->configurable()
        ->capture_default_str();
    sign->add_option("--token-file", token_file)
        ->envname("MPYD_TOKEN_FILE")
        ->configurable()
        ->type_name("FILE");
    sign->add_option("--key", keys)->configurable()->type_name("FILE")->allow_extra_args(false);
    sign->add_flag("--yes");
  }

  void parse(const std::string& line) {
    SettingsHeldBack held(app);
    app.parse(line);
  }
  Outcome<Settled> settle_server(const std::string& line, const std::string& toml) {
    parse(line);
    const auto file = parse_config(toml, "server.toml");
    REQUIRE(file);
    MPYD_TRY(check_server_config(*serve, *file));
    return settle(app, {.file = &*file, .tables = {&file->root}});
  }
  Outcome<Settled> settle_client(const std::string& line, const std::string& toml) {
    parse(line);
    const auto file = parse_config(toml, "/etc/ann/client.toml");
    REQUIRE(file);
    MPYD_TRY(check_client_config(app, *file));
    return settle(app, profile_layer(*file, "work", parsed_chain(app)));
  }
};

std::string origin_of(const Outcome<Settled>& settled, const std::string& name) {
  REQUIRE(settled);
  for (const Setting& setting : settled->settings)
    if (setting.name == name) return setting.origin;
  return "no such setting";
}

std::string message_of(const Outcome<Settled>& settled) {
  REQUIRE_FALSE(settled);
  CHECK(settled.error().error.code == Errc::invalid_argument);
  return settled.error().error.message;
}

TEST_CASE("a flag wins over the environment, that over the file, that over the default") {
  const std::string file = "# ours\nlisten = '127.0.0.1:4'\n";
  SECTION("default") {
    Program program;
    CHECK(origin_of(program.settle_server("serve", ""), "listen") == "default");
    CHECK(program.listen == "127.0.0.1:1");
  }
  SECTION("file") {
    Program program;
    CHECK(origin_of(program.settle_server("serve", file), "listen") == "server.toml:2");
    CHECK(program.listen == "127.0.0.1:4");
  }
  SECTION("environment") {
    Program program;
    ::setenv("MPYD_LISTEN", "127.0.0.1:3", 1);
    CHECK(origin_of(program.settle_server("serve", file), "listen") == "MPYD_LISTEN");
    CHECK(program.listen == "127.0.0.1:3");
  }
  SECTION("flag, also where the environment says the same") {
    Program program;
    ::setenv("MPYD_LISTEN", "127.0.0.1:2", 1);
    CHECK(origin_of(program.settle_server("serve --listen 127.0.0.1:2", file), "listen") == "flag");
    CHECK(program.listen == "127.0.0.1:2");
  }
}

TEST_CASE("what a command needs may come from a file, or is asked for") {
  Program given;
  REQUIRE(given.settle_server("serve", "data = '/var/lib/mpyd'\nloud = true\nslow-threads = 3"));
  CHECK(check_required_settings(given.app));
  CHECK(given.data == "/var/lib/mpyd");
  CHECK(given.is_loud);
  CHECK(given.threads == 3);

  Program lacking;
  REQUIRE(lacking.settle_server("serve", ""));
  const auto refused = check_required_settings(lacking.app);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().error.message == "mpyd serve: --data is required");
}

TEST_CASE("help shows variables and what is required as soon as nothing is held back") {
  Program program;
  {
    SettingsHeldBack held(program.app);
    CHECK(program.serve->get_option("--listen")->get_envname().empty());
    CHECK_FALSE(program.serve->get_option("--data")->get_required());
  }
  CHECK(program.serve->get_option("--listen")->get_envname() == "MPYD_LISTEN");
  CHECK(program.serve->get_option("--data")->get_required());
}

TEST_CASE("a key that is none, of the wrong type or out of bounds is an error with its line") {
  struct Row {
    const char* toml;
    const char* message;
  };
  for (const Row row : {
           Row{"\nlisen = '127.0.0.1:4'",
               "server.toml:2: there is no key 'lisen'; the nearest is 'listen'"},
           Row{"listen = 8780", "server.toml:1: listen must be a text in quotes"},
           Row{"slow-threads = 'many'", "server.toml:1: slow-threads must be a number"},
           Row{"loud = 'yes'", "server.toml:1: loud must be true or false"},
           Row{"listen = ['127.0.0.1:4']", "server.toml:1: listen must be a text in quotes"},
           Row{"slow-threads = 65", "server.toml:1: slow-threads: Value 65 not in range 1 to 64"},
       }) {
    Program program;
    CAPTURE(row.toml);
    CHECK(message_of(program.settle_server("serve", row.toml)) == row.message);
  }
}

TEST_CASE("a server's file has no tables") {
  Program program;
  CHECK(message_of(program.settle_server("serve", "\n[http]\nlisten = 'x'"))
            .starts_with("server.toml:2: "));
}

TEST_CASE("a bad variable is named") {
  Program program;
  ::setenv("MPYD_SLOW_THREADS", "0", 1);
  program.serve->get_option("--slow-threads")->envname("MPYD_SLOW_THREADS");
  CHECK(message_of(program.settle_server("serve", "")).starts_with("MPYD_SLOW_THREADS: "));
  ::unsetenv("MPYD_SLOW_THREADS");
}

TEST_CASE("a profile's tables are for their commands, the most specific first") {
  Program program;
  const auto settled = program.settle_client("trust sign", R"(
[profile.work]
server = "https://drivers.example"
key = "publisher.key"
[profile.work.trust]
key = ["~/targets-1.key", "/media/usb/targets-2.key"]
[profile.home]
server = "http://127.0.0.1:8781"
)");
  CHECK(origin_of(settled, "key") == "/etc/ann/client.toml:6");
  CHECK(program.server == "https://drivers.example");
  REQUIRE(program.keys.size() == 2);
  CHECK(program.keys[0] == std::string(std::getenv("HOME")) + "/targets-1.key");
  CHECK(program.keys[1] == "/media/usb/targets-2.key");
}

TEST_CASE("a path in a file is meant from where the file lies") {
  Program program;
  REQUIRE(program.settle_client("trust sign", "[profile.work]\nkey = 'keys/targets.key'"));
  CHECK(program.keys == std::vector<std::string>{"/etc/ann/keys/targets.key"});
}

TEST_CASE("a profile holds no other keys, tables or secrets") {
  struct Row {
    const char* toml;
    const char* start;
  };
  for (const Row row : {
           Row{"[profile.work]\nserve = 'x'",
               "/etc/ann/client.toml:2: there is no key 'serve'; the nearest is 'server'"},
           Row{"[profile.work]\nyes = true", "/etc/ann/client.toml:2: there is no key 'yes'"},
           Row{"[profile.work]\nlisten = 'x'", "/etc/ann/client.toml:2: there is no key 'listen'"},
           Row{"[profile.home]\ntoken = 'mpyd_x'",
               "/etc/ann/client.toml:2: a secret has no place here: token"},
           Row{"[profile.work.publish]\nkey = 'x'",
               "/etc/ann/client.toml:1: there is no command with settings 'publish'"},
           Row{"[profiles.work]\nkey = 'x'", "/etc/ann/client.toml:1: there is no table"},
           Row{"server = 'x'", "/etc/ann/client.toml:1: there is no key outside"},
       }) {
    Program program;
    CAPTURE(row.toml);
    const std::string message = message_of(program.settle_client("trust sign", row.toml));
    CAPTURE(message);
    CHECK(message.starts_with(row.start));
    CHECK(message.find("mpyd_x") == std::string::npos);
  }
}

TEST_CASE("a profile's token goes to the profile's server only") {
  const std::string file =
      "[profile.work]\nserver = 'https://drivers.example'\ntoken-file = 'work.token'\n";
  Program program;
  REQUIRE(program.settle_client("trust sign", file));
  CHECK(program.token_file == "/etc/ann/work.token");

  Program other;
  const auto settled = other.settle_client("trust sign --server https://evil.example", file);
  CHECK(origin_of(settled, "token-file") == "not set");
  CHECK(other.token_file.empty());
  CHECK(settled->notes.size() == 1);

  Program named;
  REQUIRE(named.settle_client("trust sign --server https://evil.example --token-file other.token",
                              file));
  CHECK(named.token_file == "other.token");
}

TEST_CASE("a token in the environment wins over a profile's file") {
  Program program;
  ::setenv("MPYD_TOKEN", "mpyd_x", 1);
  const auto settled = program.settle_client("trust sign", "[profile.work]\ntoken-file = 'a'");
  CHECK(program.token_file.empty());
  CHECK(settings_text(settled->settings).find("mpyd_x") == std::string::npos);
  ::unsetenv("MPYD_TOKEN");
}

TEST_CASE("shown settings are a configuration file again") {
  Program program;
  const auto settled = program.settle_server("serve --loud", "data = '/a \"b\"'");
  REQUIRE(settled);
  const std::string text = settings_text(settled->settings);
  CAPTURE(text);
  const auto again = parse_config(text, "printed");
  REQUIRE(again);
  CHECK(again->root.find("data")->texts == std::vector<std::string>{"/a \"b\""});
  CHECK(again->root.find("loud")->texts == std::vector<std::string>{"true"});
  CHECK(again->root.find("slow-threads")->texts == std::vector<std::string>{"2"});
}

}  // namespace
}  // namespace mpyd::server::cli
