// New roots, and the change of the server's key that a root may bring.
//
// The next key is made here first, beside the current one, and used only once a root names it. Then
// one transaction brings the root and re-wraps every key block; after its commit the next key's
// file takes the place of the current one, which is kept while a key block that did not open is
// still sealed to it. A crash between the two is mended at start, where the
// newest root tells which file is right.
#pragma once

#include <mutex>
#include <vector>

#include "server/services/key_rewrap.hpp"
#include "server/services/server_keys.hpp"
#include "server/services/trust_service.hpp"

namespace mpyd::server {

// Where the server's keys lie; server/app keeps them in files.
class ServerKeyFiles {
 public:
  virtual ~ServerKeyFiles() = default;
  virtual Result<std::optional<ExchangeKeyPair>> load_next() const = 0;
  // Errors: conflict (there is one).
  virtual Result<void> save_next(const ExchangeKeyPair& key) = 0;
  // The next key takes the current one's place, which is kept aside if something is still sealed to
  // it. Errors: not_found.
  virtual Result<void> adopt_next(bool keeps_current) = 0;
};

struct NextServerKey {
  ExchangeKey public_key;
  bool existed = false;          // it was made earlier, and no root names it yet
  std::uint64_t key_blocks = 0;  // that a change would re-wrap
};

struct RotationReport {
  trust::Root root;
  bool existed = false;  // the root was in force already
  bool new_server_key = false;
  Rewrapped rewrapped;
};

class RotationService {
 public:
  // Whatever else is sealed to the server's key, sealed anew inside the same transaction.
  using Reseal = std::function<Result<void>(Transaction&, const ExchangeKeyPair& from,
                                            const ExchangeKeyPair& to)>;
  struct Parts {
    Store& store;
    TrustService& trust;
    ServerKeys& keys;
    ServerKeyFiles& files;
    const Clock& clock;
  };
  RotationService(const Parts& parts, std::vector<Reseal> reseal, RewrapProgress progress)
      : parts_(parts), reseal_(std::move(reseal)), progress_(std::move(progress)) {}

  // After TrustService::load(): makes the key that the newest root names current.
  // Errors: invalid_argument (the root names a key that is not here), io.
  Result<void> recover();

  // The key for the next root to name: made if there is none, always the same until it is used.
  Result<NextServerKey> next_server_key(const std::string& actor);

  // Puts root N+1 in force, with the server key it names. Errors: those of TrustService::add_root;
  // invalid_argument (it names a key that is neither current nor next).
  Result<RotationReport> accept_root(Bytes signed_root, const std::string& actor);

 private:
  Result<void> change_key(Transaction& tx, const trust::Root& next, RotationReport& report);

  Parts parts_;
  std::vector<Reseal> reseal_;
  RewrapProgress progress_;
  std::mutex mutex_;  // one rotation at a time
};

}  // namespace mpyd::server
