#include "server/app/server_key_files.hpp"

#include <unistd.h>

#include "server/app/data_dir.hpp"
#include "server/util/file.hpp"

namespace mpyd::server {

Result<std::optional<ExchangeKeyPair>> DataDirKeyFiles::load_next() const {
  auto key = load_exchange_key(next_server_key_path(data_dir_));
  if (key) return std::optional(*std::move(key));
  if (key.error().code == Errc::not_found) return std::optional<ExchangeKeyPair>();
  return fail(std::move(key).error());
}

Result<void> DataDirKeyFiles::save_next(const ExchangeKeyPair& key) {
  const std::string path = next_server_key_path(data_dir_);
  // What a crash left of an earlier adopt_next() or save_next(): a public half without its secret.
  if (::access(path.c_str(), F_OK) != 0) ::unlink((path + ".pub").c_str());
  return save_key_file(path, key);
}

Result<void> DataDirKeyFiles::adopt_next() {
  const std::string next = next_server_key_path(data_dir_);
  const std::string current = server_key_path(data_dir_);
  MPYD_TRY(rename_file(next, current));
  // For people only; without it the key is as good.
  const auto renamed = rename_file(next + ".pub", current + ".pub");
  if (!renamed && renamed.error().code != Errc::not_found) return fail(renamed.error());
  return {};
}

}  // namespace mpyd::server
