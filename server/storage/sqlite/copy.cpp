#include <sqlite3.h>
#include <filesystem>

#include "server/storage/sqlite/connection.hpp"

namespace mpyd::server::sqlite {
namespace {

constexpr int kPagesAtOnce = 256;  // 1 MiB: often enough for whoever watches

struct CloseDatabase {
  void operator()(sqlite3* database) const { sqlite3_close(database); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;

Error copy_error(const std::string& path, int result) {
  return Error(Errc::io, "cannot copy the database to " + path + ": " + sqlite3_errstr(result));
}

// SQLite refuses a link anywhere in a path, and a folder may well be one.
std::string without_links_before(const std::string& path) {
  std::error_code ec;
  const std::filesystem::path given(path);
  const auto folder = std::filesystem::canonical(given.parent_path(), ec);
  return ec ? path : (folder / given.filename()).string();
}

// Not through Connection::open: its journal would leave files beside the copy. Nor through a link:
// in a folder of the daemon's user it would have root write elsewhere.
Result<Database> open_target(const std::string& path) {
  sqlite3* opened = nullptr;
  const int result = sqlite3_open_v2(
      without_links_before(path).c_str(), &opened,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_NOFOLLOW,
      nullptr);
  Database database(opened);
  if (result != SQLITE_OK) return fail(copy_error(path, result));
  return database;
}

Result<void> copy_pages(sqlite3* from, sqlite3* to, const std::string& path,
                        const CopyProgress& progress) {
  sqlite3_backup* const copying = sqlite3_backup_init(to, "main", from, "main");
  if (copying == nullptr) return fail(copy_error(path, sqlite3_extended_errcode(to)));
  int result = SQLITE_OK;
  while (result == SQLITE_OK) {
    result = sqlite3_backup_step(copying, kPagesAtOnce);
    const int pages = sqlite3_backup_pagecount(copying);
    if (progress && pages > 0)
      progress(static_cast<std::uint64_t>(pages - sqlite3_backup_remaining(copying)),
               static_cast<std::uint64_t>(pages));
  }
  sqlite3_backup_finish(copying);
  // WAL, which came along, would have whoever only reads the copy leave files beside it.
  if (result == SQLITE_DONE)
    result = sqlite3_exec(to, "PRAGMA journal_mode = DELETE", nullptr, nullptr, nullptr);
  if (result != SQLITE_OK) return fail(copy_error(path, result));
  return {};
}

}  // namespace

Result<void> Connection::copy_to(const std::string& path, const CopyProgress& progress) {
  MPYD_TRY_ASSIGN(const Database target, open_target(path));
  // The snapshot is taken by the first read; held open, writers do not make the copy start again.
  MPYD_TRY(execute("BEGIN; SELECT count(*) FROM sqlite_master"));
  Result<void> copied = copy_pages(database_.get(), target.get(), path, progress);
  (void)execute("ROLLBACK");
  return copied;
}

}  // namespace mpyd::server::sqlite
