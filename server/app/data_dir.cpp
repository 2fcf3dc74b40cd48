#include "server/app/data_dir.hpp"

#include <unistd.h>

namespace mpyd::server {

std::string database_path(const std::string& data_dir) { return data_dir + "/mpyd.db"; }
std::string server_key_path(const std::string& data_dir) { return data_dir + "/server.key"; }
std::string next_server_key_path(const std::string& data_dir) {
  return server_key_path(data_dir) + ".next";
}
std::string serve_info_path(const std::string& data_dir) { return data_dir + "/serve.json"; }
std::string last_backup_path(const std::string& data_dir) { return data_dir + "/last-backup"; }
std::string lock_path(const std::string& data_dir) { return data_dir + "/lock"; }

std::optional<FileOwner> owner_of_new_files(const std::string& data_dir) {
  if (::geteuid() != 0) return std::nullopt;
  const auto owner = owner_of(data_dir);
  return owner ? std::optional(*owner) : std::nullopt;
}

Result<FileLock> lock_data(const std::string& data_dir) {
  if (::access(database_path(data_dir).c_str(), F_OK) != 0)
    return fail(Errc::not_found, data_dir +
                                     " is not a data directory; make one: mpyd init --data " +
                                     data_dir + " --keys DIR2, or unpack a backup: mpyd restore");
  MPYD_TRY(check_directory(data_dir, 0700));
  auto lock = FileLock::acquire(lock_path(data_dir));
  if (!lock && lock.error().code == Errc::conflict)
    return fail(Errc::conflict, "another mpyd runs on " + data_dir + "; " +
                                    serve_info_path(data_dir) +
                                    " says where; end it first, or name another --data");
  return lock;
}

}  // namespace mpyd::server
