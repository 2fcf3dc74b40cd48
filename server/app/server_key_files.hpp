// The server's keys as files of its data directory: server.key, and server.key.next until a root
// names it. Both 0600, each with its .pub.
#pragma once

#include "server/services/rotation_service.hpp"

namespace mpyd::server {

class DataDirKeyFiles final : public ServerKeyFiles {
 public:
  explicit DataDirKeyFiles(std::string data_dir) : data_dir_(std::move(data_dir)) {}
  Result<std::optional<ExchangeKeyPair>> load_next() const override;
  Result<void> save_next(const ExchangeKeyPair& key) override;
  Result<void> adopt_next() override;

 private:
  std::string data_dir_;
};

}  // namespace mpyd::server
