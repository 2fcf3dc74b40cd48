// mpyd trust rotate server, root, targets: the next root.
#include <algorithm>

#include "server/cli/json_fields.hpp"
#include "server/cli/root_signing.hpp"
#include "server/util/encoding.hpp"

namespace mpyd::server::cli {
namespace {

namespace json = boost::json;

// Errors: conflict (the key is there), not_found (a key to remove is not), limit, invalid_argument.
Outcome<void> change_role(trust::RoleKeys& role, const RotateRoleOptions& options, KeyRole kind) {
  for (const std::string& text : options.remove) {
    MPYD_TRY_ASSIGN(const SigningKey key, read_public_key(text, kind));
    decltype(role.keys) kept;
    for (const SigningKey& each : role.keys)
      if (!(each == key)) kept.push_back(each);
    if (kept.size() == role.keys.size())
      return failure(Errc::not_found,
                     text + " is no " + std::string(role_name(kind)) + " key of the root in force",
                     "mpyd trust show lists them");
    role.keys = kept;
  }
  for (const std::string& text : options.add) {
    MPYD_TRY_ASSIGN(const SigningKey key, read_public_key(text, kind));
    if (std::find(role.keys.begin(), role.keys.end(), key) != role.keys.end())
      return failure(Errc::conflict,
                     text + " is a " + std::string(role_name(kind)) + " key already");
    if (!role.keys.push_back(key))
      return failure(Errc::limit, "a role has at most " + std::to_string(kRoleKeysMax) + " keys");
  }
  if (options.threshold) role.threshold = *options.threshold;
  if (role.threshold == 0 || role.threshold > role.keys.size())
    return failure(Errc::invalid_argument,
                   std::to_string(role.threshold) + " signatures by " +
                       std::to_string(role.keys.size()) + " keys cannot be had",
                   "--threshold K says how many keys must sign");
  return {};
}

Outcome<ExchangeKey> next_server_key(const RotateServerOptions& options, const RootBase& base,
                                     const Output& out) {
  if (!options.server_key.empty()) {
    MPYD_TRY_ASSIGN(const SigningKey key, read_public_key(options.server_key, KeyRole::server));
    return ExchangeKey{key.data};
  }
  if (!base.client)
    return failure(Errc::invalid_argument, "off line, nobody can ask the server for its next key",
                   "make the draft where the server is: mpyd trust rotate server --out FILE; or "
                   "name the key: --server-key HEX");
  MPYD_TRY_ASSIGN(const json::object said, base.client->post("/v1/admin/server-key", {}));
  MPYD_TRY_ASSIGN(const std::string hex, text_field(said, "public_key"));
  MPYD_TRY_ASSIGN(const ExchangeKey key, fixed_from_hex<ExchangeKey>(hex));
  out.say("the server's next key is " + hex + "; it will seal the keys of " +
          shown(said, "key_blocks") + " packages anew, which its log counts");
  return key;
}

}  // namespace

Outcome<void> run_trust_rotate_server(const RotateServerOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const RootBase base, open_root_base(options.signing));
  trust::Root next = base.trust.root;
  MPYD_TRY_ASSIGN(next.server_key, next_server_key(options, base, out));
  if (next.server_key == base.trust.root.server_key)
    return failure(Errc::conflict, "the root in force names this server key already");
  const std::string hex = to_hex(next.server_key.bytes());
  return apply_root(options.signing, base, next, {{"server_key", hex}},
                    "server key   " + hex +
                        "\nWho packs off line needs the new root: mpyd trust export --newest-root "
                        "FILE\nNo older backup holds the new key: mpyd backup\n",
                    out);
}

Outcome<void> run_trust_rotate_root(const RotateRoleOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const RootBase base, open_root_base(options.signing));
  trust::Root next = base.trust.root;
  if (options.add.empty() && options.remove.empty() && !options.threshold &&
      !options.signing.expires_days)
    return failure(Errc::invalid_argument, "nothing would change",
                   "--add, --remove, --threshold, or --expires-days for a root that runs longer");
  MPYD_TRY(change_role(next.root, options, KeyRole::root));
  if (next.root.threshold > 1 && next.root.threshold == next.root.keys.size())
    out.say("WARNING: all " + std::to_string(next.root.threshold) +
            " root keys must sign every new root: once one of them is lost, nothing can ever be "
            "changed again. Have at least one key more than --threshold");
  return apply_root(options.signing, base, next, {}, "", out);
}

// Without --add and --remove the keys stay, and only the epoch is new.
Outcome<void> run_trust_rotate_targets(const RotateRoleOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const RootBase base, open_root_base(options.signing));
  trust::Root next = base.trust.root;
  MPYD_TRY(change_role(next.targets, options, KeyRole::targets));
  if (next.targets_epoch == 0xffff'ffff)
    return failure(Errc::limit, "the epoch is the highest there is");
  ++next.targets_epoch;
  return apply_root(options.signing, base, next, {},
                    "Policy starts anew: mpyd trust restore --base OLDKEY.head --key NEW.key, from "
                    "what you trust, or --from-server, from what was in force\n",
                    out);
}

}  // namespace mpyd::server::cli
