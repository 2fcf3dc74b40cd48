#include "server/cli/driver_folder.hpp"

#include <sys/stat.h>
#include <filesystem>
#include <fstream>

#include "server/cli/driver_files.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/server/drivers.hpp"
#include "tests/support/temporary_directory.hpp"

namespace mpyd::server::cli {
namespace {

// A driver's folder with variants in it.
struct Folder {
  test::TemporaryDirectory directory;

  std::string path(const std::string& name = "") const { return directory.file(name); }
  void put(const std::string& name, const test::Buffer& bytes) const {
    std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
    std::ofstream(path(name), std::ios::binary) << as_text(bytes);
  }
  void put_variants(const std::string& under = "") const {
    put(under + "x64/relay.mpy", test::mpy_for("6.3-x64"));
    put(under + "armv7m/relay.mpy", test::mpy_for("6.3-armv7m"));
    put(under + "any/relay.mpy", test::mpy_for("6-any"));
  }
};

std::vector<std::string> abis_of(const std::vector<std::string>& arguments) {
  const auto files = read_driver_files(arguments);
  REQUIRE(files);
  std::vector<std::string> out;
  for (const MpyFile& file : files->mpys) out.emplace_back(format_abi(file.abi).view());
  return out;
}

Errc error_of(const std::vector<std::string>& arguments) {
  const auto files = read_driver_files(arguments);
  REQUIRE(!files);
  return files.error().error.code;
}

using Texts = std::vector<std::string>;

TEST_CASE("a folder stands for its variants, in the order of architectures") {
  const Folder folder;
  SECTION("by itself") { folder.put_variants(); }
  SECTION("the folder of the sources, whose variants lie in native/") {
    folder.put("relay.py", {});
    folder.put("docs/relay.mpy", {});
    folder.put_variants("native/");
  }
  SECTION("beside files and hidden folders that are no variants") {
    folder.put_variants();
    folder.put("README", {});
    folder.put("x64/relay.mpy.new", {});
    folder.put(".cache/relay.mpy", {});
  }
  CHECK(abis_of({folder.path()}) == Texts{"6-any", "6.3-x64", "6.3-armv7m"});
}

TEST_CASE("a file named beside its folder is taken as it is named there") {
  const Folder folder;
  folder.put_variants();
  const std::string named = folder.path("armv7m/../armv7m/relay.mpy");
  CHECK(abis_of({folder.path(), named + ":float=soft"}) ==
        Texts{"6-any", "6.3-x64", "6.3-armv7m-softfp"});
  CHECK(abis_of({named + ":repr=C", folder.path()}) ==
        Texts{"6-any", "6.3-x64", "6.3-armv7m-reprC"});
  CHECK(abis_of({folder.path(), named}).size() == 3);
  CHECK(error_of({folder.path() + ":float=soft"}) == Errc::invalid_argument);
  CHECK(error_of({folder.path(), folder.path()}) == Errc::conflict);
}

TEST_CASE("what looks like a variant and is none is an error, for it would be missed") {
  const Folder folder;
  folder.put_variants();
  SECTION("a folder called like no architecture") {
    folder.put("armv7mm/relay.mpy", test::mpy_for("6.3-armv7m"));
    CHECK(error_of({folder.path()}) == Errc::invalid_argument);
  }
  SECTION("a folder without a .mpy") {
    std::filesystem::create_directory(folder.path("armv6m"));
    CHECK(error_of({folder.path()}) == Errc::not_found);
  }
  SECTION("two .mpy in a folder") {
    folder.put("x64/other.mpy", test::mpy_for("6.3-x64"));
    CHECK(error_of({folder.path()}) == Errc::invalid_argument);
  }
  SECTION("two drivers") {
    folder.put("armv6m/thermo.mpy", test::mpy_for("6.3-armv6m"));
    CHECK(error_of({folder.path()}) == Errc::invalid_argument);
  }
  SECTION("code of another architecture than its folder's") {
    folder.put("armv6m/relay.mpy", test::mpy_for("6-any"));
    CHECK(error_of({folder.path()}) == Errc::wrong_abi);
  }
  SECTION("a broken file") {
    folder.put("armv6m/relay.mpy", test::from_hex("4d06131f"));
    CHECK_FALSE(read_driver_files({folder.path()}));
  }
}

TEST_CASE("a folder without variants says where they come from") {
  const Folder folder;
  folder.put("docs/notes", {});
  const auto files = read_driver_files({folder.path()});
  REQUIRE(!files);
  CHECK(files.error().error.code == Errc::not_found);
  CHECK(files.error().hint.find("deploy/driver build") != std::string::npos);
}

TEST_CASE("a pipe in the place of a file is refused, not waited for") {
  const Folder folder;
  folder.put_variants();
  const std::string pipe = folder.path("pipe.mpy");
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(error_of({pipe}) == Errc::io);
  std::filesystem::create_directory(folder.path("armv6m"));
  std::filesystem::rename(pipe, folder.path("armv6m/relay.mpy"));
  CHECK(error_of({folder.path()}) == Errc::io);
}

}  // namespace
}  // namespace mpyd::server::cli
