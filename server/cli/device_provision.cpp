// mpyd device provision: the file that makes a motherboard a device, or a whole fleet of them.
#include <unistd.h>

#include "mpyd/v1/identity.pb.h"
#include "protocol/crypto.hpp"
#include "server/cli/commands.hpp"
#include "server/cli/host_port.hpp"
#include "server/cli/json_fields.hpp"
#include "server/cli/token_request.hpp"
#include "server/cli/trust_view.hpp"
#include "server/crypto/random.hpp"
#include "server/util/encoding.hpp"
#include "server/util/file.hpp"

namespace mpyd::server::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kIdentityBytesMax = 65536;
constexpr std::size_t kDeviceNameMax = 32;
constexpr std::size_t kPolicyEntriesMax = 16;  // a motherboard reads the whole file at once

Outcome<ExchangeKeyPair> existing_key(const std::string& file) {
  MPYD_TRY_ASSIGN(ByteVector bytes, read_file(file, kIdentityBytesMax));
  v1::Identity identity;
  const bool parsed = identity.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  crypto::wipe(bytes);
  if (!parsed || identity.device_secret_key().size() != SecretKey::kSize)
    return failure(Errc::conflict, file + " exists already and is not the identity of one device");
  ExchangeKeyPair key;
  std::string& secret = *identity.mutable_device_secret_key();
  copy_bytes(as_bytes(secret), key.secret->mutable_bytes());
  crypto::wipe(std::as_writable_bytes(std::span(secret)));
  key.public_key = crypto::x25519_public(*key.secret);
  return key;
}

// Policy in force from the first start on, before the device ever reached a server.
Outcome<void> add_policy(const DeviceProvisionOptions& options, const TrustView& trust,
                         v1::Identity& identity) {
  if (options.with_policy.empty()) return {};
  if (options.with_policy.size() > kPolicyEntriesMax)
    return failure(Errc::limit, "an identity carries the policy of at most " +
                                    std::to_string(kPolicyEntriesMax) + " hardware IDs");
  identity.set_head(std::string(as_text(trust.signed_head)));
  for (const std::string& text : options.with_policy) {
    MPYD_TRY_ASSIGN(const HardwareId hardware_id, parse_hardware_id_option(text));
    if (trust.entries.find(hardware_id) == nullptr)
      return failure(Errc::not_found, "no policy entry names " + text,
                     "delegate it first: mpyd trust delegate");
    MPYD_TRY_ASSIGN(const ByteVector proof, trust.entries.proof(hardware_id));
    if (!identity.add_entries()->ParseFromArray(proof.data(), static_cast<int>(proof.size())))
      return failure(Errc::internal, "the proof of " + text);
  }
  return {};
}

// All but the secrets.
Outcome<v1::Identity> make_identity(const DeviceProvisionOptions& options, const TrustView& trust,
                                    const ByteVector& pinned) {
  MPYD_TRY_ASSIGN(const HostPort server, parse_host_port(options.device_server));
  v1::Identity identity;
  identity.set_format(kFormat);
  // The newest root: the device has none to walk then, and the policy stands under it.
  const ByteVector& root = trust.roots.size() > 1 ? trust.documents.roots.back() : pinned;
  identity.set_root(std::string(as_text(root)));
  identity.set_server_host(server.host);
  identity.set_server_port(server.port);
  identity.set_after_expiry(options.after_expiry == "keep" ? 1 : 0);
  MPYD_TRY(add_policy(options, trust, identity));
  return identity;
}

// Wipes the secrets in `identity`.
Outcome<void> write_identity(const std::string& path, v1::Identity& identity) {
  ByteVector bytes(identity.ByteSizeLong());
  identity.SerializeToArray(bytes.data(), static_cast<int>(bytes.size()));
  for (std::string* secret :
       {identity.mutable_device_secret_key(), identity.mutable_enroll_token()})
    crypto::wipe(std::as_writable_bytes(std::span(*secret)));
  auto written = create_file(path, bytes, 0600);
  crypto::wipe(bytes);
  MPYD_TRY(std::move(written));
  return {};
}

Outcome<void> provision_one(const DeviceProvisionOptions& options, const AdminClient& client,
                            v1::Identity identity, const Output& out) {
  // The file comes first: if enrolling fails, the same command goes on with the same key.
  const bool exists = ::access(options.out_file.c_str(), F_OK) == 0;
  ExchangeKeyPair key;
  if (exists) {
    MPYD_TRY_ASSIGN(key, existing_key(options.out_file));
    out.say(options.out_file + " exists already: enrolling the key in it, the file stays as it is");
  } else {
    key = make_exchange_key();
    const std::string_view secret = as_text(key.secret->bytes());
    identity.set_device_secret_key(secret.data(), secret.size());
    identity.set_name(options.name);
    MPYD_TRY(write_identity(options.out_file, identity));
  }
  const std::string public_key = to_hex(key.public_key.bytes());
  MPYD_TRY_ASSIGN(json::object answer, client.post("/v1/admin/devices", {{"public_key", public_key},
                                                                         {"name", options.name}}));
  const std::string id = shown(answer, "id");
  answer["public_key"] = public_key;
  answer["file"] = options.out_file;
  if (!exists)
    out.say("wrote " + options.out_file +
            ": a secret; copy it to the device, then keep or wipe it");
  out.result(answer, "device " + id + " (" + shown(answer, "name") + ") is enrolled");
  return {};
}

Outcome<void> provision_fleet(const DeviceProvisionOptions& options, const AdminClient& client,
                              v1::Identity identity, const Output& out) {
  if (::access(options.out_file.c_str(), F_OK) == 0)
    return failure(Errc::conflict, options.out_file + " exists already",
                   "a fleet file holds a token that cannot be had again; name another file");
  TokenCreateOptions wanted{.name = options.name,
                            .scopes = {"enroll"},
                            .expires = options.expires,
                            .uses = options.uses,
                            .approve = options.approve};
  if (wanted.name.empty()) wanted.name = "fleet-" + to_hex(random_value<KeyId>().bytes());
  MPYD_TRY_ASSIGN(json::object answer, request_token(client, wanted));
  MPYD_TRY_ASSIGN(std::string token, text_field(answer, "token"));
  answer.erase("token");
  identity.set_enroll_token(token.data(), token.size());
  crypto::wipe(std::as_writable_bytes(std::span(token)));
  if (auto written = write_identity(options.out_file, identity); !written) {
    // Nobody has the token: it goes as it came.
    (void)client.remove("/v1/admin/tokens/" + path_segment(wanted.name));
    return written;
  }
  answer["file"] = options.out_file;
  out.say("wrote " + options.out_file + ": a secret; copy it to every motherboard of the fleet. " +
          "Each makes its own key at its first start");
  out.result(answer, "the token " + wanted.name + " enrols " + std::to_string(options.uses) +
                         (options.uses == 1 ? " device" : " devices") +
                         (options.approve ? "; each waits for: mpyd device approve" : ""));
  return {};
}

Outcome<void> check_options(const DeviceProvisionOptions& options) {
  if (options.after_expiry != "keep" && options.after_expiry != "refuse")
    return failure(Errc::invalid_argument, "--after-expiry is keep or refuse");
  if (options.fleet) {
    if (options.uses != 0) return {};
    return failure(Errc::invalid_argument, "--uses is needed: how many motherboards?");
  }
  if (options.uses != 0 || options.approve || !options.expires.empty())
    return failure(Errc::invalid_argument, "--uses, --approve and --expires go with --fleet");
  if (options.name.empty() || options.name.size() > kDeviceNameMax)
    return failure(Errc::invalid_argument, "a device's --name has 1 to 32 bytes");
  return {};
}

}  // namespace

Outcome<void> run_device_provision(const DeviceProvisionOptions& options, const Output& out) {
  MPYD_TRY(check_options(options));
  MPYD_TRY(parse_host_port(options.device_server));
  MPYD_TRY_ASSIGN(const ByteVector pinned, load_root(options.root_file));
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options.server));
  if (client.url().ends_with("://" + options.device_server))
    return failure(Errc::invalid_argument,
                   options.device_server + " is the admin listener; no device is answered there",
                   "the one for devices is at port 8780 unless mpyd serve --listen says otherwise");
  MPYD_TRY_ASSIGN(const TrustView trust, fetch_trust(client, pinned));
  MPYD_TRY(require_certified_server(client, trust.root));
  MPYD_TRY_ASSIGN(v1::Identity identity, make_identity(options, trust, pinned));
  return options.fleet ? provision_fleet(options, client, std::move(identity), out)
                       : provision_one(options, client, std::move(identity), out);
}

}  // namespace mpyd::server::cli
