// mpyd doctor: files: who may read them, where they lie.
#include <sys/stat.h>
#include <algorithm>
#include <filesystem>

#include "protocol/crypto.hpp"
#include "server/app/data_dir.hpp"
#include "server/app/examine.hpp"
#include "server/app/server_key_files.hpp"
#include "server/app/upgrade.hpp"
#include "server/cli/doctor_checks.hpp"
#include "server/util/file.hpp"

namespace mpyd::server::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kSecretBytesMax = 1024;
constexpr std::size_t kFilesMax = 20'000;  // a doctor who never comes back helps nobody
constexpr std::string_view kDatabaseMagic{"SQLite format 3\0", 16};

mode_t mode_of(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? status.st_mode : 0;
}

std::string octal(mode_t mode) {
  char text[8];
  std::snprintf(text, sizeof text, "%04o", static_cast<unsigned>(mode & 07777U));
  return text;
}

// Regular files below a folder, links left alone.
std::vector<std::string> files_in(const std::string& folder, int depth) {
  std::vector<std::string> out;
  std::error_code ec;
  fs::recursive_directory_iterator it(folder, fs::directory_options::skip_permission_denied, ec);
  for (; !ec && it != fs::recursive_directory_iterator() && out.size() < kFilesMax;
       it.increment(ec)) {
    if (it.depth() >= depth) it.disable_recursion_pending();
    std::error_code ignored;
    if (it->symlink_status(ignored).type() == fs::file_type::regular)
      out.push_back(it->path().string());
  }
  return out;
}

bool is_token_file(const std::string& path, std::string_view text) {
  return text.starts_with("mpyd_") && (path.ends_with(".token") || text.size() < 64);
}

bool is_database(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) return false;
  char start[16] = {};
  const std::size_t got = std::fread(start, 1, sizeof start, file);
  std::fclose(file);
  return std::string_view(start, got) == kDatabaseMagic;
}

std::string described(const SecretFile& secret) {
  return secret.is_token ? "a token" : "a " + std::string(role_name(secret.role)) + " key";
}

}  // namespace

std::vector<SecretFile> find_secrets(const std::string& folder, int depth) {
  std::vector<SecretFile> out;
  for (const std::string& path : files_in(folder, depth)) {
    std::error_code ec;
    if (fs::file_size(path, ec) > kSecretBytesMax || ec) continue;
    auto file = read_file(path, kSecretBytesMax);
    if (!file) continue;
    SecretFile secret{.path = path};
    if (const auto key = parse_key_info(*file)) {
      secret.role = key->role;
      secret.public_key = SigningKey{key->public_key};
      out.push_back(secret);
    } else if (is_token_file(path, as_text(*file))) {
      secret.is_token = true;
      out.push_back(secret);
    }
    crypto::wipe(*file);
  }
  return out;
}

// What a write that a crash cut short left, and what may be a key that nothing names any more.
void check_leftovers(const std::string& folder, const std::vector<SecretFile>& secrets,
                     Examination& out) {
  for (const std::string& path : files_in(folder, 1)) {
    const std::string name = fs::path(path).filename().string();
    const std::string base = name.substr(0, name.rfind('.'));
    if (!is_unfinished_name(name, base)) continue;
    const bool is_key = std::ranges::any_of(
        secrets, [&](const SecretFile& secret) { return secret.path == path && !secret.is_token; });
    if (!is_key && !base.starts_with("server.key")) continue;
    out.warn("unfinished-file", path + " looks like what an interrupted write left",
             "it may hold a secret key that nothing uses and nobody guards",
             "if it is no copy of yours: shred -u " + path +
                 " (in a data directory the next start of the server removes those it made)");
  }
}

void check_modes(const std::string& folder, Examination& out) {
  const mode_t mode = mode_of(folder);
  if ((mode & 077U) != 0)
    out.fail("folder-open-to-others", folder + " is open to others (mode " + octal(mode) + ")",
             "other users of this machine see what lies in it", "chmod 700 " + folder);
  const auto secrets = find_secrets(folder, 1);
  for (const SecretFile& secret : secrets)
    if (const mode_t bits = mode_of(secret.path); (bits & 077U) != 0)
      out.fail("readable-by-others",
               secret.path + ", " + described(secret) + ", is readable by others (mode " +
                   octal(bits) + ")",
               "whoever read it has it; if that may have happened, replace it",
               "chmod 600 " + secret.path);
  check_leftovers(folder, secrets, out);
  for (const std::string& path : files_in(folder, 1)) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) continue;
    if (static_cast<std::uint64_t>(status.st_mtime) > out.now_unix_s + 300)
      out.warn("file-from-the-future", path + " was written in the future",
               "this machine's clock was ahead, or is behind: expiry is judged wrongly",
               "set the clock (timedatectl set-ntp true), then: touch " + path);
  }
  out.looked_at.push_back(folder + ": its mode, and " + std::to_string(secrets.size()) +
                          " key and token files");
}

void check_offline_keys(const std::string& data_dir, Examination& out) {
  std::error_code ec;
  const fs::path data = fs::weakly_canonical(fs::absolute(data_dir, ec), ec);
  const auto report = [&](const SecretFile& secret, Severity severity, const std::string& where) {
    if (secret.is_token || (secret.role != KeyRole::root && secret.role != KeyRole::targets))
      return;
    out.findings.push_back(
        {severity, "offline-key-beside-server",
         secret.path + ", " + described(secret) + ", lies " + where,
         "whoever breaks into the server signs with it; root replaces a targets key (mpyd trust "
         "rotate targets), but nothing replaces a threshold of root keys",
         "move it to a medium that is not always plugged in: mv " + secret.path +
             "* /media/safe/"});
  };
  for (const SecretFile& secret : find_secrets(data.string(), 3))
    report(secret, Severity::error, "in the data directory");
  const std::string inside = data.string() + "/";
  for (const SecretFile& secret : find_secrets(data.parent_path().string(), 1)) {
    if (secret.path.starts_with(inside)) continue;
    const bool is_beside = fs::path(secret.path).parent_path() == data.parent_path();
    report(secret, is_beside ? Severity::error : Severity::warning,
           is_beside ? "beside the data directory" : "on the server's disk, in a folder beside it");
  }
  out.looked_at.push_back(data.string() + " and " + data.parent_path().string() +
                          ": root and targets keys that should be elsewhere");
}

// A key lies beside a copy of a database: is it the one that opens it?
void check_backup_key(const std::string& database, const std::string& key_file, Examination& out) {
  const auto good = examine_backup(database, key_file);
  if (good) return;
  const std::string why =
      "a restored server starts only with the key that its newest root names, and serves nothing "
      "without it";
  const Error& error = good.error();
  if (error.code == Errc::forbidden)
    out.fail("backup-readable-by-others", error.message, "whoever read it has the server's key",
             "chmod 600 " + key_file);
  else if (error.code == Errc::io || error.code == Errc::timeout)
    out.warn("backup-not-examined", database + ": " + error.message, why,
             "copy it and " + key_file +
                 " to a folder that can be written, and look there: mpyd "
                 "doctor --backups FOLDER");
  else
    out.fail("backup-does-not-start", database + " with " + key_file + ": " + error.message, why,
             "make a new backup of database and key together, from a server that runs");
}

void check_backups(const std::vector<std::string>& folders, const std::string& data_dir,
                   Examination& out) {
  std::size_t count = 0;
  for (const std::string& folder : folders) {
    for (const std::string& path : files_in(folder, 2)) {
      std::error_code ec;
      if (!is_database(path) || fs::equivalent(path, database_path(data_dir), ec)) continue;
      // Beside the live database it is for going back, and opens with the key that lies there.
      if (is_upgrade_copy(fs::path(path).filename().string()) &&
          fs::equivalent(fs::path(path).parent_path(), data_dir, ec))
        continue;
      ++count;
      const fs::path beside = fs::path(path).parent_path() / "server.key";
      // Inside the data directory the live key is no backup.
      const bool is_live = fs::equivalent(beside, server_key_path(data_dir), ec);
      if (fs::exists(beside, ec) && !is_live) {
        check_backup_key(path, beside.string(), out);
        continue;
      }
      out.fail("backup-without-key",
               path + " is a copy of a database without a server.key beside it",
               "the keys of its packages are sealed to the server's key: without it a restored "
               "server serves nothing",
               "keep them together, in a folder of mode 700: cp -p " + server_key_path(data_dir) +
                   " " + fs::path(path).parent_path().string() + "/");
    }
  }
  std::string places;
  for (const std::string& folder : folders) places += (places.empty() ? "" : ", ") + folder;
  out.looked_at.push_back(places + ": " + std::to_string(count) + " copies of databases");
}

}  // namespace mpyd::server::cli
