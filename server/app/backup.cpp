#include "server/app/backup.hpp"

#include <unistd.h>
#include <algorithm>
#include <filesystem>

#include "server/app/data_dir.hpp"
#include "server/app/database_copy.hpp"
#include "server/app/examine.hpp"
#include "server/crypto/key_file.hpp"
#include "server/storage/sqlite/connection.hpp"
#include "server/storage/sqlite/migrate.hpp"
#include "server/storage/sqlite/stores.hpp"
#include "server/util/clock.hpp"

namespace mpyd::server {
namespace {

namespace fs = std::filesystem;
using sqlite::Connection;

constexpr std::size_t kPieceBytes = 65536;
constexpr std::string_view kDatabaseName = "mpyd.db";

struct KeyFile {
  std::string name;
  LockedBytes bytes;
  ExchangeKey public_key;
};

Result<KeyFile> read_key(const fs::path& path, uid_t owner) {
  KeyFile out{.name = path.filename().string(), .bytes = LockedBytes(kBackupKeyBytesMax)};
  MPYD_TRY_ASSIGN(FileReader file, FileReader::open_of(path.string(), owner));
  MPYD_TRY_ASSIGN(const std::size_t got, file.read(out.bytes.span()));
  out.bytes.shrink(got);
  MPYD_TRY_ASSIGN(out.public_key, with_context(parse_server_key(out.bytes.span()), path.string()));
  return out;
}

// The server's keys, as they are now; sorted, so that server.key comes first. The daemon's user may
// be an attacker, and is not to get root's files into the backup.
Result<std::vector<KeyFile>> read_keys(const std::string& data_dir) {
  MPYD_TRY_ASSIGN(const FileOwner owner, owner_of(data_dir));
  std::vector<fs::path> paths;
  std::error_code ec;
  for (const auto& entry : fs::directory_iterator(data_dir, ec)) {
    const std::string name = entry.path().filename().string();
    if (name != kDatabaseName && is_backup_name(name)) paths.push_back(entry.path());
  }
  if (ec) return fail(Errc::io, "cannot look into " + data_dir + ": " + ec.message());
  std::ranges::sort(paths);
  std::vector<KeyFile> out;
  for (const fs::path& path : paths) {
    MPYD_TRY_ASSIGN(KeyFile key, read_key(path, owner.user));
    out.push_back(std::move(key));
  }
  return out;
}

// The keys are read before the database: what its newest root names is server.key or
// server.key.next then, unless a whole rotation came between.
struct Moment {
  std::vector<KeyFile> keys;
  DatabaseCopy copy;
};
Result<Moment> take(const BackupRequest& request, const BackupProgress& progress) {
  constexpr int kTriesMax = 3;
  for (int tries = 0; tries < kTriesMax; ++tries) {
    MPYD_TRY_ASSIGN(std::vector<KeyFile> keys, read_keys(request.data_dir));
    MPYD_TRY_ASSIGN(DatabaseCopy copy, DatabaseCopy::create(request.data_dir));
    {
      MPYD_TRY_ASSIGN(const auto source, Connection::open(database_path(request.data_dir),
                                                          sqlite::OpenMode::read_only));
      MPYD_TRY(sqlite::schema_version(*source));
      MPYD_TRY(source->copy_to(copy.path(), [&](std::uint64_t done, std::uint64_t total) {
        progress(BackupStep::copy, done, total);
      }));
    }
    progress(BackupStep::check, 0, 0);
    MPYD_TRY(check_database(copy.path()));
    MPYD_TRY_ASSIGN(const ExchangeKey named, named_server_key(copy.path()));
    if (!request.with_keys) return Moment{{}, std::move(copy)};
    if (std::ranges::find(keys, named, &KeyFile::public_key) != keys.end())
      return Moment{std::move(keys), std::move(copy)};
  }
  return fail(Errc::conflict, "no key in " + request.data_dir +
                                  " is the one that the newest root in its database names: mpyd "
                                  "doctor --data " +
                                  request.data_dir + " says what is wrong");
}

Result<void> write_file_into(BackupWriter& out, const std::string& path, std::uint64_t& size,
                             const BackupProgress& progress) {
  MPYD_TRY_ASSIGN(FileReader file, FileReader::open(path));
  size = file.size();
  MPYD_TRY(out.begin(kDatabaseName, size));
  ByteVector piece(kPieceBytes);
  for (std::uint64_t done = 0; done < size;) {
    MPYD_TRY_ASSIGN(const std::size_t got, file.read(piece));
    if (got == 0) return fail(Errc::io, path + " became shorter while it was read");
    MPYD_TRY(out.write(Bytes(piece).first(got)));
    done += got;
    progress(BackupStep::write, done, size);
  }
  return {};
}

Result<AuditLog::End> audit_end(const std::string& database) {
  MPYD_TRY_ASSIGN(const auto connection, Connection::open(database, sqlite::OpenMode::read_only));
  MPYD_TRY_ASSIGN(const int schema, sqlite::schema_version(*connection));
  if (schema < sqlite::newest_schema()) return AuditLog::End{};
  return sqlite::SqliteAuditLog(*connection).end();
}

// For whoever watches that there are backups; without it a backup is as good. The daemon has to
// read it, also when root made the backup.
void note_backup(const std::string& data_dir, std::uint64_t now_unix_s) {
  (void)!write_file(last_backup_path(data_dir), as_bytes(std::to_string(now_unix_s)), 0600,
                    owner_of_new_files(data_dir));
}

}  // namespace

Result<BackupReport> make_backup(const BackupRequest& request, const BackupProgress& progress) {
  if (request.with_keys && request.passphrase.empty())
    return fail(Errc::invalid_argument, "a backup with the server's key in clear gives it away");
  if (::access(database_path(request.data_dir).c_str(), F_OK) != 0)
    return fail(Errc::not_found, request.data_dir + " is not a data directory");
  if (::access(request.out_file.c_str(), F_OK) == 0)
    return fail(Errc::conflict, request.out_file + " is there already; nothing was written");
  const std::uint64_t now = SystemClock().now_unix_s();
  remove_left_copies(request.data_dir);
  MPYD_TRY_ASSIGN(const Moment moment, take(request, progress));
  BackupReport report{.time_unix_s = now};
  MPYD_TRY_ASSIGN(const AuditLog::End end, audit_end(moment.copy.path()));
  report.audit_head = end.head;

  MPYD_TRY_ASSIGN(BackupWriter out,
                  BackupWriter::create(request.out_file, request.passphrase, now));
  for (const KeyFile& key : moment.keys) {
    MPYD_TRY(out.begin(key.name, key.bytes.size()));
    MPYD_TRY(out.write(key.bytes.span()));
    report.files.push_back(key.name);
  }
  MPYD_TRY(write_file_into(out, moment.copy.path(), report.database_bytes, progress));
  report.files.emplace_back(kDatabaseName);
  MPYD_TRY(out.commit());
  note_backup(request.data_dir, now);
  return report;
}

}  // namespace mpyd::server
