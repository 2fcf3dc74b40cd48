#include "server/services/server_place.hpp"

#include <algorithm>
#include <charconv>

namespace mpyd::server {
namespace {

constexpr std::string_view kSetting = "device_server";
constexpr std::size_t kHostMax = 64;  // schema/mpyd/v1/device.options

bool is_host(std::string_view text) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == ':' || c == '_';
  };
  return !text.empty() && text.size() <= kHostMax && std::ranges::all_of(text, allowed);
}

// The host may be an IPv6 address: the port follows the last colon.
std::string text_of(const ServerPlace::Address& address) {
  return address.host + ":" + std::to_string(address.port);
}

Result<ServerPlace::Address> parse(std::string_view text) {
  ServerPlace::Address out;
  const std::size_t colon = text.rfind(':');
  if (colon != std::string_view::npos) {
    out.host = text.substr(0, colon);
    const char* const end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data() + colon + 1, end, out.port);
    if (error != std::errc() || at != end) out.port = 0;
  }
  if (!is_host(out.host) || out.port == 0)
    return fail(Errc::malformed, "where devices find the server, in the database");
  return out;
}

}  // namespace

Result<void> ServerPlace::load() {
  MPYD_TRY_ASSIGN(const auto text,
                  store_.get([](const Snapshot& s) { return s.settings().find(kSetting); }));
  std::optional<Address> address;
  if (text) {
    MPYD_TRY_ASSIGN(address, parse(*text));
  }
  const std::scoped_lock lock(mutex_);
  address_ = std::move(address);
  return {};
}

std::optional<ServerPlace::Address> ServerPlace::current() const {
  const std::scoped_lock lock(mutex_);
  return address_;
}

Result<void> ServerPlace::move_to(const Address& address, const std::string& actor) {
  if (!is_host(address.host) || address.port == 0)
    return fail(Errc::invalid_argument,
                "a device server is a host of at most 64 bytes, without http://, and a port");
  const std::string text = text_of(address);
  const std::scoped_lock changing(changing_);
  const Result<void> written = store_.write([&](Transaction& tx) -> Result<void> {
    MPYD_TRY(tx.settings().put(kSetting, text));
    return tx.audit().append({clock_.now_unix_s(), actor, "server-move", text});
  });
  MPYD_TRY(written);
  const std::scoped_lock lock(mutex_);
  address_ = address;
  return {};
}

Result<void> ServerPlace::cancel(const std::string& actor) {
  const std::scoped_lock changing(changing_);
  const auto address = current();
  if (!address) return {};
  const Result<void> written = store_.write([&](Transaction& tx) -> Result<void> {
    MPYD_TRY(tx.settings().remove(kSetting));
    return tx.audit().append({clock_.now_unix_s(), actor, "server-move-cancel", text_of(*address)});
  });
  MPYD_TRY(written);
  const std::scoped_lock lock(mutex_);
  address_.reset();
  return {};
}

}  // namespace mpyd::server
