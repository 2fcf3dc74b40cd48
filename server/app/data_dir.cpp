#include "server/app/data_dir.hpp"

namespace mpyd::server {

std::string database_path(const std::string& data_dir) { return data_dir + "/mpyd.db"; }
std::string server_key_path(const std::string& data_dir) { return data_dir + "/server.key"; }
std::string next_server_key_path(const std::string& data_dir) {
  return server_key_path(data_dir) + ".next";
}
std::string serve_info_path(const std::string& data_dir) { return data_dir + "/serve.json"; }
std::string last_backup_path(const std::string& data_dir) { return data_dir + "/last-backup"; }
std::string lock_path(const std::string& data_dir) { return data_dir + "/lock"; }

}  // namespace mpyd::server
