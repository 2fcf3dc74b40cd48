// What `mpyd doctor` looks at. Each check adds findings and says what it looked at; none changes
// anything.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/trust/documents.hpp"
#include "server/cli/admin_client.hpp"
#include "server/crypto/key_file.hpp"

namespace mpyd::server::cli {

enum class Severity : std::uint8_t { warning, error };

struct Finding {
  Severity severity = Severity::warning;
  std::string code;  // stable, for programs: "readable-by-others"
  std::string what;
  std::string why;   // it matters
  std::string mend;  // the command that does it
};

struct Examination {
  std::vector<Finding> findings;
  std::vector<std::string> looked_at;
  std::uint64_t now_unix_s = 0;

  void warn(std::string code, std::string what, std::string why, std::string mend) {
    findings.push_back(
        {Severity::warning, std::move(code), std::move(what), std::move(why), std::move(mend)});
  }
  void fail(std::string code, std::string what, std::string why, std::string mend) {
    findings.push_back(
        {Severity::error, std::move(code), std::move(what), std::move(why), std::move(mend)});
  }
};

// A file that is a secret by its content or name.
struct SecretFile {
  std::string path;
  bool is_token = false;
  KeyRole role = KeyRole::publisher;  // of a key
  SigningKey public_key;
};

// Secrets below `folder`, at most `depth` folders deep; links are not followed. What cannot be read
// is left out.
std::vector<SecretFile> find_secrets(const std::string& folder, int depth);

// Group- and world-readable secrets, and folders that others may enter.
void check_modes(const std::string& folder, Examination& out);
// Offline keys where a burglar of the server finds them.
void check_offline_keys(const std::string& data_dir, Examination& out);
// Database, server key, unfinished rotation, clock; returns the root in force and the head, as far
// as the database has them.
struct Documents {
  std::vector<ByteVector> roots;
  ByteVector head;  // empty: none
};
Documents check_data(const std::string& data_dir, Examination& out);
// Copies of the database that lie without the key that opens what is in them.
void check_backups(const std::vector<std::string>& folders, const std::string& data_dir,
                   Examination& out);
// Expiry of root and head, and whether `keys_dir` (may be empty) holds keys that can sign.
void check_documents(const Documents& documents, const std::string& keys_dir, Examination& out);
// Its trust documents, from the pinned root, and its clock. Errors: those of fetch_trust.
Outcome<Documents> check_server(const ServerOptions& server, const std::string& root_file,
                                Examination& out);

}  // namespace mpyd::server::cli
