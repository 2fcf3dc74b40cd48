#include "server/cli/usage.hpp"

#include <algorithm>

#include "server/cli/nearest.hpp"
#include "tests/support/catch.hpp"

namespace mpyd::server::cli {
namespace {

// mpyd [--json] device list|show ID, release list|yank --hardware-id H --limit N, login
class Commands {
 public:
  Commands() {
    app_.require_subcommand(1);
    app_.add_flag("--json");
    CLI::App* const device = group("device");
    device->add_subcommand("list")->fallthrough();
    CLI::App* const show = device->add_subcommand("show");
    show->add_option("id", id_)->required();
    CLI::App* const release = group("release");
    CLI::App* const list = release->add_subcommand("list");
    list->fallthrough();
    list->add_option("--hardware-id,--hardware", hardware_id_);
    list->add_option("--limit", limit_)->check(CLI::Range(1, 10));
    CLI::App* const publish = app_.add_subcommand("publish");
    publish->add_option("--root", id_)->required();
    release->add_subcommand("yank");
  }

  Failure failure_of(std::vector<std::string> words) {
    const std::vector<std::string> asked = words;
    std::ranges::reverse(words);
    try {
      app_.parse(words);
    } catch (const CLI::ParseError& error) {
      return usage_failure(app_, asked, error);
    }
    FAIL("it parses");
    return Errc::internal;
  }

 private:
  CLI::App* group(const char* name) {
    CLI::App* const app = app_.add_subcommand(name);
    app->fallthrough();
    app->require_subcommand(1);
    return app;
  }

  CLI::App app_;
  std::string id_;
  std::string hardware_id_;
  int limit_ = 0;
};

TEST_CASE("a wrong word is named, with the one that was probably meant") {
  struct Row {
    std::vector<std::string> words;
    std::string message;
    std::string hint;
  };
  for (const Row& row : {
           Row{{"releases", "list"},
               "there is no command 'releases' in mpyd",
               "did you mean mpyd release?"},
           Row{{"release", "lst"},
               "there is no command 'lst' in mpyd release",
               "did you mean mpyd release list?"},
           Row{{"rel"}, "there is no command 'rel' in mpyd", "did you mean mpyd release?"},
           Row{{"yank"}, "there is no command 'yank' in mpyd", "did you mean mpyd release yank?"},
           Row{{"frobnicate"},
               "there is no command 'frobnicate' in mpyd",
               "mpyd --help lists those that there are"},
           Row{{"release", "help"},
               "there is no command 'help' in mpyd release",
               "it is an option: mpyd release --help"},
           Row{{"release", "list", "--hardwareid", "x"},
               "mpyd release list has no option --hardwareid",
               "did you mean --hardware-id? mpyd release list --help lists all"},
           Row{{"release", "list", "--colour=red"},
               "mpyd release list has no option --colour",
               "mpyd release list --help lists all"},
           Row{{"release", "list", "--jsn"},
               "mpyd release list has no option --jsn",
               "did you mean --json? mpyd release list --help lists all"},
           Row{{"device", "list", "b-1"},
               "mpyd device list takes no argument 'b-1'",
               "mpyd device list --help shows what it takes"},
           Row{{},
               "mpyd needs a command: device, release, publish",
               "mpyd --help says what each does"},
           Row{{"device"},
               "mpyd device needs a command: list, show",
               "mpyd device --help says what each does"},
       }) {
    CAPTURE(row.message);
    const Failure failed = Commands().failure_of(row.words);
    CHECK(failed.error.code == Errc::invalid_argument);
    CHECK(failed.error.message == row.message);
    CHECK(failed.hint == row.hint);
  }
}

TEST_CASE("what is wrong with a value is said as the parser says it, with the command's name") {
  const Failure failed = Commands().failure_of({"release", "list", "--limit", "99"});
  CHECK(failed.error.message.starts_with("mpyd release list: --limit"));
  CHECK(failed.hint == "mpyd release list --help shows how");
  // A value is no command, whatever it looks like.
  CHECK(Commands()
            .failure_of({"release", "list", "--hardware-id", "yank", "--limit", "99"})
            .error.message.starts_with("mpyd release list: --limit"));
}

TEST_CASE("who lacks the root is told where it is") {
  const Failure failed = Commands().failure_of({"publish"});
  CHECK(failed.error.message == "mpyd publish: --root is required");
  CHECK(failed.hint.find("root.mpyd") != std::string::npos);
}

TEST_CASE("a name is similar if a third of it differs at most, or if it goes on") {
  const std::vector<std::string> names = {"release", "revoke", "list"};
  CHECK(similar_name("releases", names) == "release");
  CHECK(similar_name("lst", names) == "list");
  CHECK(similar_name("revo", names) == "revoke");
  CHECK(similar_name("xyz", names).empty());
  CHECK(similar_name("r", names).empty());
  CHECK(similar_name(std::string(100'000, 'x'), names).empty());
  CHECK(similar_name("x", {}).empty());
}

}  // namespace
}  // namespace mpyd::server::cli
