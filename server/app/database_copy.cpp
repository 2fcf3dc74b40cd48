#include "server/app/database_copy.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>
#include <array>
#include <filesystem>
#include <utility>

#include "server/app/data_dir.hpp"
#include "server/app/server_key_files.hpp"
#include "server/util/file.hpp"

namespace mpyd::server {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kName = "mpyd.db.backup";  // .XXXXXX
// What SQLite may put beside it.
constexpr std::array<std::string_view, 3> kSides = {"-journal", "-wal", "-shm"};

// The copy last: while it is there, who comes after a crash knows what belongs to it.
void remove_all(const std::string& path) {
  for (const std::string_view side : kSides) ::unlink((path + std::string(side)).c_str());
  ::unlink(path.c_str());
}

// Closing any descriptor of a file drops SQLite's locks on it, so that it stays open to the end.
bool is_locked(int fd, const std::string& path) {
  return ::flock(fd, LOCK_EX | LOCK_NB) == 0 && is_still_named(fd, path);
}

// A daemon of another user must be able to remove what root left.
void give_to_owner(int fd, const std::string& data_dir) {
  const auto owner = owner_of_new_files(data_dir);
  if (owner) (void)!::fchown(fd, owner->user, owner->group);
}

void remove_if_left(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return;
  if (is_locked(fd, path)) remove_all(path);
  ::close(fd);
}

}  // namespace

Result<DatabaseCopy> DatabaseCopy::create(const std::string& data_dir) {
  constexpr int kTriesMax = 3;
  for (int tries = 0; tries < kTriesMax; ++tries) {
    std::string path = data_dir + "/" + std::string(kName) + ".XXXXXX";
    const int fd = ::mkostemp(path.data(), O_CLOEXEC);  // 0600
    if (fd < 0) return fail(errno_error("cannot create", path));
    DatabaseCopy copy(std::move(path), fd);
    give_to_owner(fd, data_dir);
    // Not if remove_left_copies() saw it before it was locked.
    if (is_locked(fd, copy.path_)) return copy;
  }
  return fail(Errc::io, "cannot lock a copy of the database in " + data_dir);
}

DatabaseCopy::DatabaseCopy(DatabaseCopy&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}

DatabaseCopy::~DatabaseCopy() {
  if (fd_ < 0) return;
  remove_all(path_);
  ::close(fd_);
}

void remove_left_copies(const std::string& data_dir) {
  std::vector<std::string> copies;
  std::vector<std::string> sides;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(data_dir, ec)) {
    const std::string name = entry.path().filename().string();
    if (is_unfinished_name(name, kName)) copies.push_back(entry.path().string());
    for (const std::string_view side : kSides)
      if (name.ends_with(side) &&
          is_unfinished_name(std::string_view(name).substr(0, name.size() - side.size()), kName))
        sides.push_back(entry.path().string());
  }
  for (const std::string& path : copies) remove_if_left(path);
  // Of a copy that is gone; SQLite makes them after it.
  for (const std::string& path : sides)
    if (::access(path.substr(0, path.rfind('-')).c_str(), F_OK) != 0) ::unlink(path.c_str());
}

}  // namespace mpyd::server
