// Makes a data directory. Offline keys never come here: the caller keeps them elsewhere.
#pragma once

#include <string>

#include "server/crypto/key_file.hpp"
#include "server/util/bytes.hpp"
#include "server/util/error.hpp"

namespace mpyd::server {

struct InitRequest {
  std::string data_dir;               // made with mode 0700; may exist if it holds no server
  Bytes signed_root;                  // SignedDocument of root version 1, naming server_key
  const ExchangeKeyPair& server_key;  // written to DIR/server.key, mode 0600
};

struct InitReport {
  std::string database;  // paths
  std::string server_key_file;
  std::string root_fingerprint;  // hex SHA-256 of the root's body
  std::string admin_token;       // secret: the caller writes it to a file of mode 0600
};

// Complete or not at all: the database appears last.
// Errors: conflict (DIR holds a server already), those of verify_first_root, bad_signature,
// invalid_argument (the root names another server key), forbidden (DIR is open to others), io.
Result<InitReport> init_data(const InitRequest& request);

}  // namespace mpyd::server
