#include "protocol/version.hpp"

#include <string>
#include <vector>

#include "tests/support/catch.hpp"

using namespace mpyd;

TEST_CASE("versions of semver.org are accepted as they are written") {
  // From the test vectors linked at https://semver.org, as far as they fit into 32 bytes.
  const std::vector<std::string> kValid = {"0.0.4",
                                           "1.2.3",
                                           "10.20.30",
                                           "1.1.2-prerelease+meta",
                                           "1.1.2+meta",
                                           "1.1.2+meta-valid",
                                           "1.0.0-alpha",
                                           "1.0.0-beta",
                                           "1.0.0-alpha.beta",
                                           "1.0.0-alpha.beta.1",
                                           "1.0.0-alpha.1",
                                           "1.0.0-alpha0.valid",
                                           "1.0.0-alpha.0valid",
                                           "1.0.0-rc.1+build.1",
                                           "2.0.0-rc.1+build.123",
                                           "1.2.3-beta",
                                           "10.2.3-DEV-SNAPSHOT",
                                           "1.2.3-SNAPSHOT-123",
                                           "1.0.0",
                                           "2.0.0",
                                           "1.1.7",
                                           "2.0.0+build.1848",
                                           "2.0.1-alpha.1227",
                                           "1.0.0-alpha+beta",
                                           "1.2.3----RC-SNAPSHOT.12.9.1--.12",
                                           "1.2.3----R-S.12.9.1--.12+meta",
                                           "1.0.0-0A.is.legal",
                                           "1.0.0+0.build.1-rc.10000aaa-kk",
                                           "99999999999.99999999.99999",
                                           "1.0.0+001"};
  for (const std::string& text : kValid) {
    INFO(text);
    const auto version = parse_version(text);
    REQUIRE(version);
    CHECK(std::string(version->view()) == text);
  }
}

TEST_CASE("what semver.org calls invalid is refused") {
  const std::vector<std::string> kInvalid = {"",
                                             "1",
                                             "1.2",
                                             "1.2.3-0123",
                                             "1.2.3-0123.0123",
                                             "1.1.2+.123",
                                             "+invalid",
                                             "-invalid",
                                             "-invalid+invalid",
                                             "-invalid.01",
                                             "alpha",
                                             "alpha.beta",
                                             "alpha.beta.1",
                                             "alpha.1",
                                             "alpha+beta",
                                             "alpha_beta",
                                             "alpha.",
                                             "alpha..",
                                             "beta",
                                             "1.0.0-alpha_beta",
                                             "-alpha.",
                                             "1.0.0-alpha..",
                                             "1.0.0-alpha..1",
                                             "1.0.0-alpha...1",
                                             "01.1.1",
                                             "1.01.1",
                                             "1.1.01",
                                             "1.2.3.DEV",
                                             "1.2-SNAPSHOT",
                                             "1.2.31.2.3----RC",
                                             "1.2-RC-SNAPSHOT",
                                             "-1.0.3-gamma+b7718",
                                             "+justmeta",
                                             "9.8.7+meta+meta",
                                             "9.8.7-whatever+meta+meta",
                                             "1.2.3-",
                                             "1.2.3+",
                                             "1.2.3-+b",
                                             "1..3",
                                             ".1.2",
                                             "1.2.",
                                             "1.2.3 ",
                                             " 1.2.3",
                                             "v1.2.3",
                                             "1.2.3-\xc3\xa4",
                                             "1,2,3",
                                             "0x1.0.0"};
  for (const std::string& text : kInvalid) {
    INFO(text);
    const auto version = parse_version(text);
    REQUIRE(!version);
    CHECK(version.error() == Errc::malformed);
  }
}

TEST_CASE("a version has at most 32 bytes") {
  CHECK(parse_version("1.0.0-" + std::string(26, 'a')));
  CHECK(parse_version("1.0.0-" + std::string(27, 'a')).error() == Errc::limit);
  CHECK(parse_version("1.0." + std::string(10000, '1')).error() == Errc::limit);
}
