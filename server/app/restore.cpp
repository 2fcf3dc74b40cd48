#include <unistd.h>
#include <algorithm>
#include <boost/json.hpp>
#include <filesystem>

#include "server/app/audit_file.hpp"
#include "server/app/backup.hpp"
#include "server/app/data_dir.hpp"
#include "server/app/examine.hpp"
#include "server/crypto/key_file.hpp"
#include "server/services/token_service.hpp"
#include "server/storage/sqlite/sqlite_store.hpp"
#include "server/util/clock.hpp"

namespace mpyd::server {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPieceBytes = 65536;
constexpr std::string_view kDatabaseName = "mpyd.db";

std::string unchecked_path(const std::string& data_dir) {
  return database_path(data_dir) + ".unchecked";
}

// But for the lock, if this process has it.
Result<void> check_empty(const std::string& data_dir, bool is_locked) {
  std::error_code ec;
  if (!fs::exists(data_dir, ec)) return {};
  const bool is_empty = std::all_of(
      fs::directory_iterator(data_dir, ec), fs::directory_iterator(), [&](const auto& entry) {
        return is_locked && entry.path().filename() == fs::path(lock_path(data_dir)).filename();
      });
  if (ec) return fail(Errc::io, "cannot look into " + data_dir + ": " + ec.message());
  if (is_empty) return {};
  return fail(Errc::conflict,
              data_dir +
                  " is not empty; nothing was changed. A backup becomes a directory of its "
                  "own: name another, or move what is there away");
}

// Takes out again what it was told of, unless it is kept: a directory that had nothing in it has
// nothing in it after a failure. What others put there meanwhile stays.
class Unfinished {
 public:
  Unfinished(std::string data_dir, bool was_there)
      : data_dir_(std::move(data_dir)), was_there_(was_there) {}
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;
  ~Unfinished() {
    if (data_dir_.empty()) return;
    for (const std::string& path : made_) ::unlink(path.c_str());
    if (!was_there_) ::rmdir(data_dir_.c_str());
  }
  void add(const std::string& path) { made_.push_back(path); }
  void keep() { data_dir_.clear(); }

 private:
  std::string data_dir_;
  bool was_there_;
  std::vector<std::string> made_;
};

Result<void> take_key(BackupReader& from, const BackupReader::Entry& entry,
                      const std::string& data_dir, Unfinished& made) {
  LockedBytes bytes(entry.size);
  MPYD_TRY(from.read(bytes.span()));
  MPYD_TRY(with_context(parse_server_key(bytes.span()), entry.name));
  const std::string path = data_dir + "/" + entry.name;
  MPYD_TRY(create_file(path, bytes.span(), 0600));
  made.add(path);
  return {};
}

Result<void> take_database(BackupReader& from, const BackupReader::Entry& entry,
                           const std::string& path, const BackupProgress& progress,
                           Unfinished& made) {
  MPYD_TRY_ASSIGN(NewFile file, NewFile::create(path, 0600));
  ByteVector piece(kPieceBytes);
  for (std::uint64_t left = entry.size; left > 0;) {
    const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(left, piece.size()));
    const MutableBytes bytes = MutableBytes(piece).first(part);
    MPYD_TRY(from.read(bytes));
    MPYD_TRY(file.write(bytes));
    left -= part;
    progress(BackupStep::read, from.done(), from.size());
  }
  MPYD_TRY(file.commit());
  for (const char* const suffix : {"", "-journal", "-wal", "-shm"}) made.add(path + suffix);
  return {};
}

struct Taken {
  bool key = false;  // server.key
  std::uint64_t database_bytes = 0;
};

// All entries into the directory, the database under a name that no server looks for.
Result<Taken> take_all(BackupReader& from, const std::string& data_dir,
                       const BackupProgress& progress, Unfinished& made) {
  Taken out;
  std::string before;
  while (true) {
    MPYD_TRY_ASSIGN(const auto entry, from.next());
    if (!entry) break;
    const bool is_database = entry->name == kDatabaseName;
    if (before == kDatabaseName || (!is_database && entry->name <= before))
      return fail(Errc::malformed, "its files are not in order");
    before = entry->name;
    if (is_database) {
      MPYD_TRY(take_database(from, *entry, unchecked_path(data_dir), progress, made));
      out.database_bytes = entry->size;
    } else {
      MPYD_TRY(take_key(from, *entry, data_dir, made));
      out.key = out.key || data_dir + "/" + entry->name == server_key_path(data_dir);
    }
  }
  if (before != kDatabaseName) return fail(Errc::malformed, "it holds no database");
  return out;
}

Result<void> bring_key(const RestoreRequest& request, bool has_key, Unfinished& made) {
  if (has_key && !request.server_key_file.empty())
    return fail(Errc::invalid_argument,
                "the backup holds the server's key; leave out --server-key");
  if (has_key) return {};
  if (request.server_key_file.empty())
    return fail(Errc::invalid_argument,
                "the backup was made without the server's key; name the file that holds it: "
                "--server-key FILE");
  MPYD_TRY_ASSIGN(const ExchangeKeyPair key, load_exchange_key(request.server_key_file));
  const std::string path = server_key_path(request.data_dir);
  MPYD_TRY(save_key_file(path, key));
  made.add(path);
  made.add(path + ".pub");
  return {};
}

// By the names that whoever restores knows.
Result<void> examine(const std::string& database, const RestoreRequest& request) {
  auto examined = examine_backup(database, server_key_path(request.data_dir));
  if (examined || examined.error().code != Errc::invalid_argument) return examined;
  const std::string key =
      request.server_key_file.empty() ? "the server.key in it" : request.server_key_file;
  return fail(Errc::invalid_argument,
              key + " is not the key that the newest root in " + request.file + " names");
}

// The first row of the new life says where the log stood, and what it goes on from.
Result<void> note_restore(Store& store, const RestoreRequest& request,
                          const RestoreReport& report) {
  const boost::json::object detail{{"backup_unix_s", report.time_unix_s},
                                   {"backup_head", format_audit_head(report.audit_head)}};
  return store.write([&](Transaction& tx) {
    return tx.audit().append({SystemClock().now_unix_s(), "restore", std::string(kAuditRestore),
                              fs::path(request.file).filename().string(),
                              boost::json::serialize(detail)});
  });
}

Result<void> check_and_note(const std::string& database, const RestoreRequest& request,
                            RestoreReport& report, const BackupProgress& progress) {
  progress(BackupStep::check, 0, 0);
  MPYD_TRY(check_database(database));
  MPYD_TRY_ASSIGN(const auto store, sqlite::SqliteStore::open(database));
  MPYD_TRY(examine(database, request));
  MPYD_TRY_ASSIGN(const AuditVerdict verdict, verify_audit(database, std::nullopt, {}));
  report.audit_head = verdict.head;
  report.audit_break = verdict.found;
  MPYD_TRY(store->read([&](const Snapshot& snapshot) -> Result<void> {
    MPYD_TRY_ASSIGN(report.releases, snapshot.releases().count());
    MPYD_TRY_ASSIGN(report.devices, snapshot.devices().count());
    MPYD_TRY_ASSIGN(report.admin_tokens,
                    ruling_tokens(snapshot.tokens(), SystemClock().now_unix_s()));
    return {};
  }));
  return note_restore(*store, request, report);
}

}  // namespace

Result<RestoreReport> restore_backup(const RestoreRequest& request,
                                     const BackupProgress& progress) {
  MPYD_TRY(check_empty(request.data_dir, false));
  MPYD_TRY_ASSIGN(BackupReader backup, BackupReader::open(request.file, request.passphrase));
  if (request.must_be_sealed && !backup.is_sealed())
    return fail(Errc::untrusted,
                request.file +
                    " is not encrypted, and so nobody with your passphrase made it as it is: get "
                    "the file from where you keep backups; without --passphrase-file it is taken "
                    "as it is");
  const bool was_there = ::access(request.data_dir.c_str(), F_OK) == 0;
  MPYD_TRY(make_directory(request.data_dir, 0700));
  const std::string lock_file = lock_path(request.data_dir);
  const bool was_locked = ::access(lock_file.c_str(), F_OK) == 0;
  MPYD_TRY_ASSIGN(const FileLock lock, FileLock::acquire(lock_file));
  Unfinished unfinished(request.data_dir, was_there);
  if (!was_locked) unfinished.add(lock_file);
  // Who asked for the passphrase may have waited for long: others made something of the directory.
  // From here on they do not.
  MPYD_TRY(check_empty(request.data_dir, true));
  MPYD_TRY_ASSIGN(
      const Taken taken,
      with_context(take_all(backup, request.data_dir, progress, unfinished), request.file));
  MPYD_TRY(bring_key(request, taken.key, unfinished));
  RestoreReport report{.time_unix_s = backup.time_unix_s(),
                       .database_bytes = taken.database_bytes,
                       .is_sealed = backup.is_sealed()};
  const std::string unchecked = unchecked_path(request.data_dir);
  MPYD_TRY(check_and_note(unchecked, request, report, progress));
  MPYD_TRY(rename_file(unchecked, database_path(request.data_dir)));
  unfinished.keep();
  return report;
}

}  // namespace mpyd::server
