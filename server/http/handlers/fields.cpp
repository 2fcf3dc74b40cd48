#include "server/http/handlers/fields.hpp"

#include <charconv>
#include <limits>

namespace mpyd::server::http::handlers {
namespace {

template <class T>
Result<T> named(mpyd::Result<T> value, std::string_view field, std::string_view text) {
  if (value) return *value;
  return fail(Errc::invalid_argument,
              "'" + std::string(text.substr(0, 128)) + "' is no " + std::string(field));
}

}  // namespace

Result<HardwareId> read_hardware_id(std::string_view text) {
  return named(HardwareId::parse(text), "hardware ID (scheme:vendor:product)", text);
}
Result<DriverName> read_driver_name(std::string_view text) {
  return named(parse_driver_name(text), "driver name", text);
}
Result<VersionText> read_version(std::string_view text) {
  return named(parse_version(text), "semantic version (X.Y.Z)", text);
}
Result<Abi> read_abi(std::string_view text) {
  return named(parse_abi(text), "ABI such as 6.3-armv7emsp or 6-any", text);
}
Result<Abi> read_device_abi(std::string_view text) {
  return named(parse_device_abi(text), "ABI such as 6.3-armv7emsp or 6-any", text);
}

Result<Encryption> read_encryption(std::string_view text) {
  if (text == "none") return Encryption::none;
  if (text == "secretstream") return Encryption::secretstream;
  return fail(Errc::invalid_argument, "encryption is 'none' or 'secretstream'");
}

Result<std::uint64_t> read_number(std::string_view field, std::string_view text,
                                  std::uint64_t max) {
  std::uint64_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc{} || end != text.data() + text.size() || value > max)
    return fail(Errc::invalid_argument,
                std::string(field) + " must be a whole number from 0 to " + std::to_string(max));
  return value;
}

Result<std::optional<bool>> read_flag(const Request& request, std::string_view name) {
  const auto text = request.asked(name);
  if (!text) return std::nullopt;
  if (*text != "0" && *text != "1")
    return fail(Errc::invalid_argument, std::string(name) + " is 0 or 1");
  return *text == "1";
}

Result<std::optional<std::uint64_t>> read_time(const Request& request, std::string_view name) {
  const auto text = request.asked(name);
  if (!text) return std::nullopt;
  const auto time = read_number(name, *text, std::numeric_limits<std::int64_t>::max());
  if (!time)
    return fail(Errc::invalid_argument,
                std::string(name) + " must be a time in seconds since 1970-01-01 UTC");
  return *time;
}

std::optional<std::string> read_text(const Request& request, std::string_view name) {
  const auto text = request.asked(name);
  return text ? std::optional<std::string>(*text) : std::nullopt;
}

std::string_view encryption_name(Encryption encryption) {
  return encryption == Encryption::none ? "none" : "secretstream";
}

}  // namespace mpyd::server::http::handlers
