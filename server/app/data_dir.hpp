// A data directory: the names in it, and whose it is at the moment.
#pragma once

#include <optional>
#include <string>

#include "server/util/file.hpp"

namespace mpyd::server {

std::string database_path(const std::string& data_dir);
std::string server_key_path(const std::string& data_dir);
// The server's next key, until a root names it.
std::string next_server_key_path(const std::string& data_dir);
std::string serve_info_path(const std::string& data_dir);
// When the last backup was made; mpyd backup writes it, /metrics tells it.
std::string last_backup_path(const std::string& data_dir);
std::string lock_path(const std::string& data_dir);
// Whose new files in it must be, for the daemon to read them: root gives what it makes there to the
// directory's owner.
std::optional<FileOwner> owner_of_new_files(const std::string& data_dir);

// For who changes what is in it. Errors: not_found (no data directory), forbidden (open to others),
// conflict (another mpyd runs on it), io.
Result<FileLock> lock_data(const std::string& data_dir);

}  // namespace mpyd::server
