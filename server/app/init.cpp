#include "server/app/init.hpp"

#include <unistd.h>
#include <boost/json.hpp>

#include "protocol/trust/verify.hpp"
#include "server/app/data_dir.hpp"
#include "server/services/documents.hpp"
#include "server/services/token_service.hpp"
#include "server/storage/sqlite/sqlite_store.hpp"
#include "server/util/clock.hpp"
#include "server/util/file.hpp"

namespace mpyd::server {
namespace {

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

Result<void> check_empty(const std::string& data_dir) {
  if (exists(database_path(data_dir)))
    return fail(Errc::conflict, data_dir + " holds a server already; nothing was changed");
  if (exists(server_key_path(data_dir)))
    return fail(Errc::conflict, server_key_path(data_dir) +
                                    " is there without a database: an earlier init did not finish; "
                                    "move the file away and start again");
  return {};
}

Result<void> check_root(const InitRequest& request) {
  std::vector<std::byte> scratch(trust::kScratchBytes);
  MPYD_TRY_ASSIGN(const trust::Root root,
                  lift(trust::verify_first_root(request.signed_root, scratch), "root document"));
  if (root.version != 1)
    return fail(Errc::invalid_argument, "a server starts with root version 1, this is version " +
                                            std::to_string(root.version));
  if (root.server_key != request.server_key.public_key)
    return fail(Errc::invalid_argument, "the root names another server key");
  return {};
}

// Everything a new database holds; returns the admin token.
Result<std::string> fill(const std::string& path, Bytes signed_root) {
  const SystemClock clock;
  MPYD_TRY_ASSIGN(const auto store, sqlite::SqliteStore::create(path));
  const auto written = store->write([&](Transaction& tx) -> Result<void> {
    MPYD_TRY(tx.trust().add_root(1, signed_root));
    return tx.audit().append({clock.now_unix_s(), "init", "init", "root version 1"});
  });
  MPYD_TRY(written);
  TokenService tokens(*store, clock);
  MPYD_TRY_ASSIGN(auto created, tokens.create({.name = "admin", .scopes = Scopes::admin}, "init"));
  return std::move(created.text);
}

}  // namespace

Result<InitReport> init_data(const InitRequest& request) {
  const std::string database = database_path(request.data_dir);
  const std::string unfinished = database + ".new";
  MPYD_TRY(check_root(request));
  MPYD_TRY_ASSIGN(const std::string fingerprint, root_fingerprint(request.signed_root));
  MPYD_TRY(make_directory(request.data_dir, 0700));
  MPYD_TRY_ASSIGN(const FileLock lock, FileLock::acquire(lock_path(request.data_dir)));
  MPYD_TRY(check_empty(request.data_dir));
  MPYD_TRY(save_key_file(server_key_path(request.data_dir), request.server_key));
  ::unlink(unfinished.c_str());
  MPYD_TRY_ASSIGN(std::string token, fill(unfinished, request.signed_root));
  MPYD_TRY(rename_file(unfinished, database));
  return InitReport{.database = database,
                    .server_key_file = server_key_path(request.data_dir),
                    .root_fingerprint = fingerprint,
                    .admin_token = std::move(token)};
}

}  // namespace mpyd::server
