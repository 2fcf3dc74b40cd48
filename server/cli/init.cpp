// mpyd init: a new server, and the offline keys that rule it, each in a directory of its own.
#include <unistd.h>
#include <boost/json/array.hpp>
#include <filesystem>

#include "server/app/init.hpp"
#include "server/cli/commands.hpp"
#include "server/cli/passphrase.hpp"
#include "server/services/documents.hpp"
#include "server/util/file.hpp"

namespace mpyd::server::cli {
namespace {

// The absolute path without links; the end of it may still have to be made.
Result<std::string> resolved(const std::string& path) {
  std::error_code ec;
  const std::filesystem::path absolute = std::filesystem::absolute(path, ec);
  const std::filesystem::path real = std::filesystem::weakly_canonical(absolute, ec);
  if (absolute.empty() || ec) return fail(Errc::io, "cannot look at " + path + ": " + ec.message());
  std::string out = real.string();
  while (out.size() > 1 && out.back() == '/') out.pop_back();
  return out;
}

// The keys must not travel with the server's data: in its backups, to its host.
Outcome<void> refuse_nested(const std::string& data_dir, const std::string& keys_dir) {
  MPYD_TRY_ASSIGN(const std::string data, resolved(data_dir));
  MPYD_TRY_ASSIGN(const std::string keys, resolved(keys_dir));
  if (keys == data || keys.starts_with(data == "/" ? data : data + "/"))
    return failure(Errc::invalid_argument,
                   "the keys directory " + keys_dir + " lies inside the data directory " + data_dir,
                   "keep the offline keys elsewhere, best on another medium: --keys DIR2");
  return {};
}

Outcome<void> refuse_existing(const std::vector<std::string>& files) {
  for (const std::string& file : files)
    if (::access(file.c_str(), F_OK) == 0)
      return failure(Errc::conflict, file + " exists already",
                     "nothing was changed; name another --keys directory for a new server");
  return {};
}

// Removes the files it was told of, unless kept, and their directory, if nothing else is in it: a
// failed init leaves no keys of a server that does not exist.
class NewFiles {
 public:
  NewFiles() = default;
  NewFiles(const NewFiles&) = delete;
  NewFiles& operator=(const NewFiles&) = delete;
  ~NewFiles() {
    for (const std::string& file : files_) ::unlink(file.c_str());
    if (!directory_.empty()) ::rmdir(directory_.c_str());
  }
  void add(const std::string& file) { files_.push_back(file); }
  void add_directory(const std::string& directory) { directory_ = directory; }
  void keep() {
    files_.clear();
    directory_.clear();
  }

 private:
  std::vector<std::string> files_;
  std::string directory_;
};

// Of `key`, written with its .pub beside it.
Outcome<void> write_key(const std::string& file, const SigningKeyPair& key, Bytes passphrase,
                        NewFiles& made) {
  MPYD_TRY(save_key_file(file, key, passphrase));
  made.add(file);
  made.add(file + ".pub");
  return {};
}

struct OfflineKeys {
  std::vector<SigningKeyPair> roots;
  std::vector<std::string> root_files;
  std::uint32_t root_threshold = 1;
  SigningKeyPair targets;
  std::string targets_file;
};

// root.key, or root-1.key, root-2.key ... if there are several.
Outcome<OfflineKeys> make_keys(const InitOptions& options) {
  OfflineKeys out;
  out.root_threshold =
      options.root_threshold != 0 ? options.root_threshold : options.root_keys / 2 + 1;
  if (out.root_threshold > options.root_keys)
    return failure(Errc::invalid_argument,
                   std::to_string(out.root_threshold) + " of " + std::to_string(options.root_keys) +
                       " root keys cannot be had",
                   "--root-threshold is at most --root-keys");
  for (unsigned i = 1; i <= options.root_keys; ++i) {
    out.roots.push_back(make_signing_key(KeyRole::root));
    out.root_files.push_back(options.keys_dir + "/root" +
                             (options.root_keys == 1 ? "" : "-" + std::to_string(i)) + ".key");
  }
  out.targets = make_signing_key(KeyRole::targets);
  out.targets_file = options.keys_dir + "/targets.key";
  return out;
}

Outcome<ByteVector> first_root(const OfflineKeys& keys, const ExchangeKeyPair& server_key) {
  trust::Root root;
  root.version = 1;
  std::vector<const SigningKeyPair*> signers;
  for (const SigningKeyPair& key : keys.roots) {
    root.root.keys.push_back(key.public_key);
    signers.push_back(&key);
  }
  root.root.threshold = keys.root_threshold;
  root.targets.keys.push_back(keys.targets.public_key);
  root.targets.threshold = 1;
  root.server_key = server_key.public_key;
  root.targets_epoch = 1;
  MPYD_TRY_ASSIGN(ByteVector signed_root, sign_root(root, signers));
  return signed_root;
}

}  // namespace

Outcome<void> run_init(const InitOptions& options, const Output& out) {
  MPYD_TRY(refuse_nested(options.data_dir, options.keys_dir));
  MPYD_TRY_ASSIGN(const OfflineKeys keys, make_keys(options));
  const std::string root_file = options.keys_dir + "/root.mpyd";
  const std::string token_file = options.keys_dir + "/admin.token";
  const std::string publisher_key_file = options.keys_dir + "/publisher.key";
  MPYD_TRY(refuse_existing({keys.targets_file, root_file, token_file}));
  MPYD_TRY(refuse_existing(keys.root_files));
  if (options.with_publisher) MPYD_TRY(refuse_existing({publisher_key_file}));
  MPYD_TRY_ASSIGN(const LockedBytes passphrase, new_passphrase(options.passphrase_file));
  NewFiles made;
  const bool is_new = ::access(options.keys_dir.c_str(), F_OK) != 0;
  MPYD_TRY(make_directory(options.keys_dir, 0700));
  if (is_new) made.add_directory(options.keys_dir);

  const ExchangeKeyPair server_key = make_exchange_key();
  MPYD_TRY_ASSIGN(const ByteVector signed_root, first_root(keys, server_key));

  // The server's data comes after the keys: a server whose root key was lost would be useless.
  for (std::size_t i = 0; i < keys.roots.size(); ++i)
    MPYD_TRY(write_key(keys.root_files[i], keys.roots[i], passphrase.span(), made));
  MPYD_TRY(write_key(keys.targets_file, keys.targets, passphrase.span(), made));
  if (options.with_publisher)
    MPYD_TRY(write_key(publisher_key_file, make_signing_key(KeyRole::publisher), passphrase.span(),
                       made));
  MPYD_TRY(create_file(root_file, signed_root, 0644));
  made.add(root_file);
  MPYD_TRY_ASSIGN(const InitReport report, init_data({.data_dir = options.data_dir,
                                                      .signed_root = signed_root,
                                                      .server_key = server_key}));
  made.keep();
  MPYD_TRY(create_file(token_file, as_bytes(report.admin_token + "\n"), 0600));

  boost::json::array file_list;
  std::string root_lines;
  for (const std::string& file : keys.root_files) {
    file_list.emplace_back(file);
    root_lines += "\nroot key          " + file + "   (offline: move it to a safe place)";
  }
  if (keys.roots.size() > 1)
    root_lines += "\n                  " + std::to_string(keys.root_threshold) + " of these " +
                  std::to_string(keys.roots.size()) + " must sign: keep each in another place";
  boost::json::object answer{{"data", options.data_dir},
                             {"database", report.database},
                             {"server_key_file", report.server_key_file},
                             {"root_key_file", keys.root_files.front()},
                             {"root_key_files", file_list},
                             {"root_threshold", keys.root_threshold},
                             {"targets_key_file", keys.targets_file},
                             {"root_file", root_file},
                             {"admin_token_file", token_file},
                             {"root_fingerprint", report.root_fingerprint}};
  std::string text = "database          " + report.database + "\nserver key        " +
                     report.server_key_file + root_lines + "\ntargets key       " +
                     keys.targets_file + "   (offline)";
  if (options.with_publisher) {
    answer["publisher_key_file"] = publisher_key_file;
    text += "\npublisher key     " + publisher_key_file + "   (for boards of your own)";
  }
  text += "\nroot document     " + root_file + "   (public: devices and publishers pin it)" +
          "\nadmin token       " + token_file + "   (secret)" + "\nroot fingerprint  " +
          report.root_fingerprint + "\n";
  out.result(answer, text);
  out.say("next: mpyd serve --data " + options.data_dir + ", and what is offline to a safe place");
  return {};
}

}  // namespace mpyd::server::cli
