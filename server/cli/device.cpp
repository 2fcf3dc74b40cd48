// mpyd device: enrolled motherboards, and the identity files that make one.
#include <unistd.h>
#include <charconv>

#include "mpyd/v1/identity.pb.h"
#include "protocol/crypto.hpp"
#include "server/cli/commands.hpp"
#include "server/cli/json_fields.hpp"
#include "server/cli/trust_view.hpp"
#include "server/util/encoding.hpp"
#include "server/util/file.hpp"

namespace mpyd::server::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kIdentityBytesMax = 8192;
constexpr std::size_t kServerHostMax = 64;  // schema/mpyd/v1/identity.options
constexpr std::size_t kDeviceNameMax = 32;

struct HostPort {
  std::string host;
  std::uint16_t port = 0;
};

// HOST:PORT or [IPv6]:PORT.
Outcome<HostPort> parse_host_port(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  HostPort out;
  if (colon != std::string::npos) {
    out.host = text.substr(0, colon);
    const char* end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data() + colon + 1, end, out.port);
    if (error != std::errc() || at != end) out.port = 0;
  }
  if (out.host.size() > 2 && out.host.front() == '[' && out.host.back() == ']')
    out.host = out.host.substr(1, out.host.size() - 2);
  if (out.host.empty() || out.host.size() > kServerHostMax || out.port == 0 ||
      out.host.find('/') != std::string::npos)
    return failure(Errc::invalid_argument, "not a device server: " + text,
                   "write HOST:PORT as the device reaches it, without http://");
  return out;
}

Outcome<ExchangeKeyPair> existing_key(const std::string& file) {
  MPYD_TRY_ASSIGN(ByteVector bytes, read_file(file, kIdentityBytesMax));
  v1::Identity identity;
  const bool parsed = identity.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  crypto::wipe(bytes);
  if (!parsed || identity.device_secret_key().size() != SecretKey::kSize)
    return failure(Errc::conflict, file + " exists already and is no identity file");
  ExchangeKeyPair key;
  std::string& secret = *identity.mutable_device_secret_key();
  copy_bytes(as_bytes(secret), key.secret->mutable_bytes());
  crypto::wipe(std::as_writable_bytes(std::span(secret)));
  key.public_key = crypto::x25519_public(*key.secret);
  return key;
}

Outcome<void> write_identity(const DeviceProvisionOptions& options, const ExchangeKeyPair& key,
                             const HostPort& server, const ByteVector& root) {
  v1::Identity identity;
  identity.set_format(kFormat);
  const std::string_view secret = as_text(key.secret->bytes());
  identity.set_device_secret_key(secret.data(), secret.size());
  identity.set_root(std::string(as_text(root)));
  identity.set_server_host(server.host);
  identity.set_server_port(server.port);
  identity.set_name(options.name);
  ByteVector bytes(identity.ByteSizeLong());
  identity.SerializeToArray(bytes.data(), static_cast<int>(bytes.size()));
  crypto::wipe(std::as_writable_bytes(std::span(*identity.mutable_device_secret_key())));
  auto written = create_file(options.out_file, bytes, 0600);
  crypto::wipe(bytes);
  MPYD_TRY(std::move(written));
  return {};
}

}  // namespace

Outcome<void> run_device_provision(const DeviceProvisionOptions& options, const Output& out) {
  if (options.name.empty() || options.name.size() > kDeviceNameMax)
    return failure(Errc::invalid_argument, "a device's name has 1 to 32 bytes");
  MPYD_TRY_ASSIGN(const HostPort server, parse_host_port(options.device_server));
  MPYD_TRY_ASSIGN(const ByteVector pinned, load_root(options.root_file));
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options.server));
  MPYD_TRY_ASSIGN(const TrustView trust, fetch_trust(client, pinned));
  MPYD_TRY(require_certified_server(client, trust.root));

  // The file comes first: if enrolling fails, the same command goes on with the same key.
  const bool exists = ::access(options.out_file.c_str(), F_OK) == 0;
  ExchangeKeyPair key;
  if (exists) {
    MPYD_TRY_ASSIGN(key, existing_key(options.out_file));
    out.say(options.out_file + " exists already: enrolling the key in it, the file stays as it is");
  } else {
    key = make_exchange_key();
    MPYD_TRY(write_identity(options, key, server, pinned));
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

Outcome<void> run_device_list(const ServerOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options));
  MPYD_TRY_ASSIGN(const json::object answer, client.get("/v1/admin/devices"));
  MPYD_TRY_ASSIGN(const auto devices, object_list(answer, "devices"));
  std::vector<std::vector<std::string>> rows = {{"ID", "NAME", "ABI", "LAST SEEN", "REVOKED"}};
  for (const json::object& device : devices)
    rows.push_back({shown(device, "id"), shown(device, "name"), shown(device, "abi"),
                    shown_time(device, "last_seen_unix_s"), shown(device, "revoked")});
  out.result(answer, format_table(rows));
  return {};
}

Outcome<void> run_device_show(const DeviceOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options.server));
  MPYD_TRY_ASSIGN(const json::object answer,
                  client.get("/v1/admin/devices/" + path_segment(options.id)));
  std::string text;
  for (const auto& field : answer)
    if (!field.value().is_array())
      text += std::string(field.key()) + "  " + shown(answer, field.key()) + "\n";
  MPYD_TRY_ASSIGN(const auto boards, object_list(answer, "boards"));
  std::vector<std::vector<std::string>> rows = {
      {"SLOT", "HARDWARE ID", "REVISION", "STATE", "ERROR", "PACKAGE"}};
  for (const json::object& board : boards)
    rows.push_back({shown(board, "slot"), shown(board, "hardware_id"), shown(board, "revision"),
                    shown(board, "state"), shown(board, "error"), shown(board, "loaded_digest")});
  out.result(answer, boards.empty() ? text : text + "\n" + format_table(rows));
  return {};
}

Outcome<void> run_device_revoke(const DeviceOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options.server));
  MPYD_TRY_ASSIGN(json::object answer,
                  client.post("/v1/admin/devices/" + path_segment(options.id) + "/revoke", {}));
  answer["id"] = options.id;
  out.result(answer, "revoked " + options.id);
  return {};
}

}  // namespace mpyd::server::cli
