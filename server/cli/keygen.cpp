// mpyd keygen: one key file and its public half.
#include "server/cli/commands.hpp"
#include "server/cli/passphrase.hpp"
#include "server/util/encoding.hpp"

namespace mpyd::server::cli {

Outcome<void> run_keygen(const KeygenOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const KeyRole role, parse_role(options.role));
  if (role == KeyRole::fleet)
    return failure(Errc::invalid_argument, "the server makes fleet keys",
                   "mpyd trust fleet-key --out fleet.pub writes the public one");
  MPYD_TRY_ASSIGN(const LockedBytes passphrase, new_passphrase(options.passphrase_file));
  std::string public_key;
  if (role == KeyRole::server) {
    const ExchangeKeyPair key = make_exchange_key();
    MPYD_TRY(save_key_file(options.out_file, key, passphrase.span()));
    public_key = to_hex(key.public_key.bytes());
  } else {
    const SigningKeyPair key = make_signing_key(role);
    MPYD_TRY(save_key_file(options.out_file, key, passphrase.span()));
    public_key = to_hex(key.public_key.bytes());
  }
  out.say("wrote " + options.out_file + " (secret, keep it) and " + options.out_file +
          ".pub (give it away)");
  out.result({{"role", options.role},
              {"public_key", public_key},
              {"file", options.out_file},
              {"public_file", options.out_file + ".pub"}},
             public_key);
  return {};
}

}  // namespace mpyd::server::cli
