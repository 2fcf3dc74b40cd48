// A data directory into a backup file and back: schema/backup.md.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "server/app/backup_file.hpp"
#include "server/domain/audit.hpp"

namespace mpyd::server {

enum class BackupStep : std::uint8_t { copy, check, write, read };
// `done` of `total` of a step; pages when copying, bytes otherwise, 0 of 0 when it is not known.
using BackupProgress =
    std::function<void(BackupStep step, std::uint64_t done, std::uint64_t total)>;

struct BackupRequest {
  std::string data_dir;
  std::string out_file;  // never replaced
  Bytes passphrase;      // empty: in clear, which only a backup without keys may be
  bool with_keys = true;
};
struct BackupReport {
  std::vector<std::string> files;  // what is in it
  std::uint64_t database_bytes = 0;
  std::uint64_t time_unix_s = 0;
  AuditHead audit_head;
};

// The state of one moment, also while a daemon works on it: whatever was acknowledged before is in
// it. It is checked as a start would check it; with keys, those are in it that its newest root
// names. Errors: not_found (no data directory), invalid_argument (keys in clear), malformed (the
// database is damaged), conflict (the file is there, or the server's key changes again and again),
// memory, io, timeout, and those of examine_backup.
Result<BackupReport> make_backup(const BackupRequest& request, const BackupProgress& progress);

struct RestoreRequest {
  std::string file;
  std::string data_dir;  // made with mode 0700, or there and empty
  BackupReader::Passphrase passphrase;
  bool must_be_sealed = false;  // a file in clear is refused: the passphrase vouches for nothing
  std::string server_key_file;  // of a backup without keys, and only then
};
struct RestoreReport {
  std::uint64_t time_unix_s = 0;  // of the backup
  std::uint64_t releases = 0;
  std::uint64_t devices = 0;
  std::uint64_t database_bytes = 0;
  bool is_sealed = false;
  std::vector<std::string> admin_tokens;  // names of those that are valid now
  AuditHead audit_head;                   // of the backup
  std::optional<AuditBreak> audit_break;  // of the backup; the restored log goes on all the same
};

// Reads and checks all of it, brings the database to this binary's schema, and adds a row to its
// audit log; the database appears last, and after a failure nothing is left.
// Errors: conflict (the directory is not empty), untrusted (not sealed), invalid_argument (a key is
// missing, or is one too many, or is not the one that the newest root names), those of
// BackupReader, unsupported (a newer database), malformed, forbidden, io, and those of
// examine_backup.
Result<RestoreReport> restore_backup(const RestoreRequest& request, const BackupProgress& progress);

}  // namespace mpyd::server
