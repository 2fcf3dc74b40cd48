#include "server/util/file.hpp"

#include <sys/stat.h>
#include <unistd.h>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/support/catch.hpp"
#include "tests/support/temporary_directory.hpp"

namespace mpyd::server {
namespace {

std::string text_of(const Result<ByteVector>& file) {
  REQUIRE(file);
  return std::string(as_text(*file));
}

Errc error_of(const Result<ByteVector>& file) {
  REQUIRE(!file);
  return file.error().code;
}

TEST_CASE("a file is read up to its bound, and nothing of one beyond it") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("file");
  std::ofstream(path) << "1234";
  CHECK(text_of(read_file(path, 4)) == "1234");
  CHECK(error_of(read_file(path, 3)) == Errc::limit);
  CHECK(error_of(read_file(directory.file("none"), 4)) == Errc::not_found);
  // As large as it is, it takes no time.
  std::filesystem::resize_file(path, std::uintmax_t{1} << 40);
  CHECK(error_of(read_file(path, std::size_t{1} << 30)) == Errc::limit);
}

TEST_CASE("what is not a regular file is refused without waiting for it") {
  const test::TemporaryDirectory directory;
  const std::string pipe = directory.file("pipe");
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(error_of(read_file(pipe, 4)) == Errc::io);
  CHECK(error_of(read_file("/dev/zero", 4)) == Errc::io);
  CHECK(error_of(read_file(directory.path(), 4)) == Errc::io);
  std::filesystem::create_symlink(pipe, directory.file("link"));
  CHECK(error_of(read_file(directory.file("link"), 4)) == Errc::io);
}

TEST_CASE("a secret may come through a pipe, and is bounded too") {
  const test::TemporaryDirectory directory;
  const std::string pipe = directory.file("pipe");
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  std::thread writer([&] { std::ofstream(pipe) << "secret"; });
  CHECK(text_of(read_file_or_pipe(pipe, 6)) == "secret");
  writer.join();
  CHECK(error_of(read_file_or_pipe("/dev/zero", 1000)) == Errc::limit);
}

// Somebody else's from then on. Only root gives files away: for others there is nothing to test.
bool give_away(const std::string& path) {
  constexpr uid_t kNobodyWeKnow = 61234;
  if (::lchown(path.c_str(), kNobodyWeKnow, kNobodyWeKnow) == 0) return true;
  WARN("not run: only root may give " + path + " to another user");
  return false;
}

TEST_CASE("a secret that another user owns is none, but for a folder's own where that is asked") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("token");
  REQUIRE(write_file(path, as_bytes("secret"), 0600));
  CHECK(text_of(read_file_or_pipe(path, 6)) == "secret");
  if (!give_away(path)) return;
  const auto refused = read_file_or_pipe(path, 6);
  CHECK(error_of(refused) == Errc::forbidden);
  CHECK(refused.error().message.find("uid 61234") != std::string::npos);
  CHECK(error_of(read_file_or_pipe(path, 6, SecretOwner::folder_too)) == Errc::forbidden);
  REQUIRE(give_away(directory.path()));
  CHECK(text_of(read_file_or_pipe(path, 6, SecretOwner::folder_too)) == "secret");
  CHECK(error_of(read_file_or_pipe(path, 6)) == Errc::forbidden);
}

TEST_CASE("what is made anew lies in a directory of one's own") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("data");
  REQUIRE(make_directory(path, 0700));
  CHECK(make_directory(path, 0700));
  if (!give_away(path)) return;
  const auto refused = make_directory(path, 0700);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::forbidden);
  CHECK(refused.error().message.find("belongs to uid 61234") != std::string::npos);
  // Of a service's user, whom root may look after.
  CHECK(check_directory(path, 0700));
}

}  // namespace
}  // namespace mpyd::server
