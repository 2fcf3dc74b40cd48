// mpyd trust show: roles, head and policy entries, verified from the pinned root.
#include <boost/json/array.hpp>

#include "server/cli/commands.hpp"
#include "server/cli/head_signing.hpp"
#include "server/cli/policy_text.hpp"
#include "server/cli/trust_view.hpp"
#include "server/services/policy_json.hpp"
#include "server/util/encoding.hpp"

namespace mpyd::server::cli {
namespace {

namespace json = boost::json;

json::object role_json(const trust::RoleKeys& role) {
  json::array keys;
  for (const SigningKey& key : role.keys) keys.emplace_back(to_hex(key.bytes()));
  return {{"threshold", role.threshold}, {"keys", std::move(keys)}};
}

std::string role_text(std::string_view name, const trust::RoleKeys& role) {
  std::string out = std::string(name) + " (" + std::to_string(role.threshold) + " of " +
                    std::to_string(role.keys.size()) + ")\n";
  for (const SigningKey& key : role.keys) out += "  " + to_hex(key.bytes()) + "\n";
  return out;
}

json::array revoked_json(const RevokedKeys& keys) {
  json::array out;
  for (const SigningKey& key : keys) out.emplace_back(to_hex(key.bytes()));
  return out;
}

json::object view_json(const TrustView& view) {
  json::object out{{"root_version", view.root.version},
                   {"root_fingerprint", view.root_fingerprint},
                   {"root", role_json(view.root.root)},
                   {"targets", role_json(view.root.targets)},
                   {"server_key", to_hex(view.root.server_key.bytes())},
                   {"epoch", view.root.targets_epoch},
                   {"head", nullptr}};
  if (view.head)
    out["head"] = {{"version", view.head->version},
                   {"expires_unix_s", view.head->expires_unix_s},
                   {"revoked_keys", revoked_json(view.head->revoked_keys)}};
  json::array entries;
  for (std::size_t i = 0; i < view.entries.size(); ++i)
    entries.emplace_back(policy_json(view.entries.entry(i)));
  out["entries"] = std::move(entries);
  return out;
}

std::string view_text(const TrustView& view) {
  std::string out = "root version " + std::to_string(view.root.version) + ", fingerprint " +
                    view.root_fingerprint + "\n" + role_text("root keys", view.root.root) +
                    role_text("targets keys", view.root.targets) + "server key\n  " +
                    to_hex(view.root.server_key.bytes()) + "\n";
  if (!view.head) return out + "no targets head yet: nothing is delegated\n";
  out += "targets head version " + std::to_string(view.head->version) + " of epoch " +
         std::to_string(view.head->epoch) + ", expires " + format_time(view.head->expires_unix_s) +
         "\n";
  for (const SigningKey& key : view.head->revoked_keys)
    out += "  revoked publisher " + to_hex(key.bytes()) + "\n";
  for (std::size_t i = 0; i < view.entries.size(); ++i) out += entry_text(view.entries.entry(i));
  return out;
}

}  // namespace

Outcome<void> run_trust_show(const TrustShowOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const ByteVector pinned, load_root(options.root_file));
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options.server));
  MPYD_TRY_ASSIGN(const TrustView view, fetch_trust(client, pinned));
  out.result(view_json(view), view_text(view));
  return {};
}

}  // namespace mpyd::server::cli
