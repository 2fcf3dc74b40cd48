// The server's keys as files of its data directory: server.key, and server.key.next until a root
// names it; server.key.old (server.key.old.2 ...) while packages are sealed to a replaced one. All
// 0600, each of the first two with its .pub.
#pragma once

#include "server/services/rotation_service.hpp"

namespace mpyd::server {

// What writes of this daemon left that a crash cut short: names that create_file and write_file
// make beside files of the data directory, and nobody else. Only under the data directory's lock.
void remove_unfinished_files(const std::string& data_dir);

// Is this how an unfinished write of the file `base` is called?
bool is_unfinished_name(std::string_view name, std::string_view base);

class DataDirKeyFiles final : public ServerKeyFiles {
 public:
  explicit DataDirKeyFiles(std::string data_dir) : data_dir_(std::move(data_dir)) {}
  Result<std::optional<ExchangeKeyPair>> load_next() const override;
  Result<void> save_next(const ExchangeKeyPair& key) override;
  Result<void> adopt_next(bool keeps_current) override;

 private:
  std::string data_dir_;
};

}  // namespace mpyd::server
