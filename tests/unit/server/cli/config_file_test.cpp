#include "server/cli/config_file.hpp"

#include <sys/stat.h>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "server/cli/nearest.hpp"
#include "server/cli/profile_edit.hpp"
#include "tests/support/catch.hpp"

namespace mpyd::server::cli {
namespace {

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/mpyd-config-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ec;
    std::filesystem::remove_all(path_, ec);
  }
  std::string write(std::string_view text, mode_t mode) const {
    const std::string file = path_ + "/client.toml";
    std::ofstream(file) << text;
    ::chmod(file.c_str(), mode);
    return file;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

TEST_CASE("a file that others may write is refused") {
  const Folder folder;
  for (const mode_t mode : {mode_t{0602}, mode_t{0620}, mode_t{0666}}) {
    const auto refused = load_config(folder.write("default = 'a'", mode));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().error.code == Errc::forbidden);
    CHECK(refused.error().hint.find("chmod") != std::string::npos);
  }
  const auto loaded = load_config(folder.write("default = 'a'", 0644));
  REQUIRE(loaded);
  REQUIRE(loaded->has_value());
  CHECK((*loaded)->root.find("default")->texts == std::vector<std::string>{"a"});
}

TEST_CASE("no file is no error, and a file too large is one") {
  const Folder folder;
  const auto none = load_config(folder.path() + "/client.toml");
  REQUIRE(none);
  CHECK_FALSE(none->has_value());
  const auto large = load_config(folder.write(std::string(65 << 10, '#'), 0600));
  REQUIRE_FALSE(large);
  CHECK(large.error().error.code == Errc::limit);
}

TEST_CASE("what is no TOML, or of a kind no option has, is an error with its line") {
  struct Row {
    const char* toml;
    const char* start;
  };
  for (const Row row : {Row{"a = 1\nb = ?\n", "f:2: "}, Row{"\n\na = 1979-05-27", "f:3: "},
                        Row{"a = [1, 'b']", "f:1: "}, Row{"a = 1\na = 2", "f:2: "}}) {
    CAPTURE(row.toml);
    const auto parsed = parse_config(row.toml, "f");
    REQUIRE_FALSE(parsed);
    CAPTURE(parsed.error().error.message);
    CHECK(parsed.error().error.code == Errc::invalid_argument);
    CHECK(parsed.error().error.message.starts_with(row.start));
  }
  CHECK_FALSE(parse_config("[a.b.c.d.e.f.g.h]\ni = 1", "f"));
}

TEST_CASE("the nearest name is the one with the fewest changes") {
  const std::vector<std::string> names = {"listen", "admin-listen", "data", "tls-cert"};
  CHECK(nearest_name("lissten", names) == "listen");
  CHECK(nearest_name("admin_listen", names) == "admin-listen");
  CHECK(nearest_name("date", names) == "data");
  CHECK(nearest_name("x", {}).empty());
}

std::string changed(std::string_view text, const std::string& profile,
                    const std::vector<ProfileChange>& changes) {
  const auto out = change_profile(text, "client.toml", profile, changes);
  REQUIRE(out);
  return *out;
}

TEST_CASE("the first profile becomes the default, later ones do not") {
  const std::string first = changed("", "work", {{"server", "https://a.example"}});
  CHECK(first == "default = \"work\"\n\n[profile.work]\nserver = \"https://a.example\"\n");
  const std::string second = changed(first, "home", {{"server", "http://127.0.0.1:8781"}});
  CHECK(second == first + "\n[profile.home]\nserver = \"http://127.0.0.1:8781\"\n");
}

TEST_CASE("a change leaves what its owner wrote") {
  const std::string before =
      "# mine\ndefault = 'work'\n[profile.home]\nserver = 'x'  # here\n\n[profile.work]\n"
      "# the office\nkey = [\n  'a',\n]\nserver = 'old'\n[profile.work.trust]\nkey = 'b'\n";
  const std::string after =
      changed(before, "work", {{"server", "new"}, {"token-file", "work.token"}});
  CHECK(after ==
        "# mine\ndefault = 'work'\n[profile.home]\nserver = 'x'  # here\n\n[profile.work]\n"
        "token-file = \"work.token\"\n# the office\nkey = [\n  'a',\n]\nserver = \"new\"\n"
        "[profile.work.trust]\nkey = 'b'\n");
  CHECK(changed(after, "work", {{"token-file", std::nullopt}}) ==
        changed(before, "work", {{"server", "new"}}));
}

TEST_CASE("a profile that is written in another way is left to its owner") {
  const std::string inlined = "profile = { work = { server = 'x' } }\n";
  const auto refused = change_profile(inlined, "client.toml", "work", {{"server", "y"}});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().error.code == Errc::conflict);
}

}  // namespace
}  // namespace mpyd::server::cli
