#include "server/services/health_service.hpp"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <charconv>
#include <filesystem>

#include "server/util/file.hpp"

namespace mpyd::server {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kWritePause_s = 10;
constexpr std::size_t kTimeBytesMax = 32;
constexpr const char* kProbe = "write_probe_unix_s";

std::uint64_t size_of(const std::string& path) {
  std::error_code ec;
  const std::uintmax_t size = fs::file_size(path, ec);
  return ec ? 0 : size;
}

bool has_room(const std::string& folder) {
  struct statvfs status {};
  if (::statvfs(folder.c_str(), &status) != 0) return true;  // `directory` tells of it
  return std::uint64_t{status.f_bavail} * status.f_frsize >= kDiskBytesMin;
}

}  // namespace

std::vector<HealthService::Unfit> HealthService::look() const {
  std::vector<Unfit> out;
  if (is_shutting_down_) out.push_back({"shutdown", "the server is shutting down"});
  if (::faccessat(AT_FDCWD, parts_.data_dir.c_str(), R_OK | W_OK | X_OK, AT_EACCESS) != 0)
    out.push_back({"directory", "the data directory cannot be written to"});
  if (!has_room(parts_.data_dir))
    out.push_back({"disk", "less than 64 MiB are left on the disk of the data directory"});
  if (!parts_.store.get([](const Snapshot& s) { return s.settings().find(kProbe); }))
    out.push_back({"database", "the database cannot be read"});
  if (parts_.store.has_failed_to_write())
    out.push_back({"write", "the last change could not be written to the database"});
  if (parts_.server_keys.current()->public_key != parts_.trust.view()->root().server_key)
    out.push_back({"key", "the server's key is not the one that the newest root names"});
  return out;
}

std::vector<HealthService::Unfit> HealthService::look_by_writing() {
  try_write();
  std::vector<Unfit> found = look();
  const std::scoped_lock lock(recalling_);
  found_ = {parts_.clock.now_unix_s(), found};
  return found;
}

std::optional<std::vector<HealthService::Unfit>> HealthService::recall() {
  if (is_shutting_down_) return look();
  const std::uint64_t now = parts_.clock.now_unix_s();
  const std::scoped_lock lock(recalling_);
  if (turn_unix_s_ != now) {
    turn_unix_s_ = now;
    return std::nullopt;
  }
  if (found_.unix_s != now) found_ = {now, look()};
  return found_.unfit;
}

void HealthService::write_again() {
  if (parts_.store.has_failed_to_write()) try_write();
}

// What it writes does not matter: the store remembers whether it could.
void HealthService::try_write() {
  const std::unique_lock lock(writing_, std::try_to_lock);
  const std::uint64_t now = parts_.clock.now_unix_s();
  if (!lock || (now >= written_unix_s_ && now - written_unix_s_ < kWritePause_s)) return;
  written_unix_s_ = now;
  (void)parts_.store.write(
      [&](Transaction& tx) { return tx.settings().put(kProbe, std::to_string(now)); },
      Durability::relaxed);
}

std::uint64_t HealthService::database_bytes() const {
  return size_of(parts_.database) + size_of(parts_.database + "-wal");
}

std::uint64_t HealthService::backup_unix_s() const {
  const auto text = read_file(parts_.last_backup, kTimeBytesMax);
  std::uint64_t out = 0;
  if (text) {
    const std::string_view digits = as_text(*text);
    std::from_chars(digits.data(), digits.data() + digits.size(), out);
  }
  return out;
}

}  // namespace mpyd::server
