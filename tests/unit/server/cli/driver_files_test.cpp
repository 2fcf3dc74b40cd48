#include "server/cli/driver_files.hpp"

#include <fstream>

#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/mpy.hpp"
#include "tests/support/temporary_directory.hpp"

namespace mpyd::server::cli {
namespace {

DriverOptions options_for(const std::string& revisions) {
  DriverOptions options;
  options.hardware_id = "hat:Meadow:0042";
  options.name = "thermo";
  options.version = "1.0.0";
  options.revisions = revisions;
  return options;
}

TEST_CASE("revisions are one, a range, or open upwards") {
  struct Row {
    std::string text;
    std::uint32_t min;
    std::uint32_t max;
  };
  for (const Row& row : {Row{"", 0, 0xffffffff}, Row{"3", 3, 3}, Row{"3-7", 3, 7},
                         Row{"3-", 3, 0xffffffff}, Row{"0-0", 0, 0}}) {
    CAPTURE(row.text);
    const auto manifest = shared_manifest(options_for(row.text));
    REQUIRE(manifest);
    CHECK(manifest->revision_min == row.min);
    CHECK(manifest->revision_max == row.max);
  }
  for (const char* text : {"-", "a", "7-3", "3-x", "3-7-9", "3 -7", "4294967296", "-3"}) {
    CAPTURE(text);
    const auto manifest = shared_manifest(options_for(text));
    REQUIRE(!manifest);
    CHECK(manifest.error().error.code == Errc::invalid_argument);
  }
}

TEST_CASE("what a package must have is asked for by the name of its option") {
  DriverOptions options = options_for("");
  options.name.clear();
  CHECK(shared_manifest(options).error().error.message.find("--name") != std::string::npos);
  options = options_for("");
  options.hardware_id = "not an id";
  CHECK(shared_manifest(options).error().error.message.find("--hardware-id") != std::string::npos);
  options = options_for("");
  options.required_modules.assign(kRequiresMax + 1, "machine");
  CHECK(shared_manifest(options).error().error.code == Errc::limit);
}

TEST_CASE("a file's ABI comes from its header, its defaults, and what stands behind its name") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("a.mpy");
  // Version 6, armv7emsp (7), sub-version 3, 31-bit small integers.
  test::NativeMpy mpy;
  mpy.header = test::from_hex("4d061f1f");
  std::ofstream(path, std::ios::binary) << as_text(mpy.bytes());
  const auto abi_of = [&](const std::string& suffix) {
    auto files = read_driver_files({path + suffix});
    REQUIRE(files);
    return std::string(format_abi(files->mpys.front().abi).view());
  };
  CHECK(abi_of("") == "6.3-armv7emsp");
  CHECK(abi_of(":float=soft") == "6.3-armv7emsp-softfp");
  CHECK(abi_of(":repr=C,float=none") == "6.3-armv7emsp-nofp-reprC");
  for (const char* suffix : {":float=", ":repr=E", ":repr=AB", ":speed=1", ":float=soft,x=y"}) {
    CAPTURE(suffix);
    CHECK(read_driver_files({path + suffix}).error().error.code == Errc::invalid_argument);
  }
  CHECK(read_driver_files({path, path}).error().error.code == Errc::conflict);
  CHECK(read_driver_files({path, path + ":float=soft"}));
  CHECK(read_driver_files({directory.file("none.mpy")}).error().error.code == Errc::not_found);
}

}  // namespace
}  // namespace mpyd::server::cli
