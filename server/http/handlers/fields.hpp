// Fields that several handlers read from JSON and queries.
#pragma once

#include <string_view>

#include "protocol/abi.hpp"
#include "protocol/hardware_id.hpp"
#include "protocol/package/manifest.hpp"
#include "protocol/version.hpp"
#include "server/http/message.hpp"
#include "server/util/error.hpp"

namespace mpyd::server::http::handlers {

// Text -> value. Errors: invalid_argument, naming the field and the text.
Result<HardwareId> read_hardware_id(std::string_view text);
Result<DriverName> read_driver_name(std::string_view text);
Result<VersionText> read_version(std::string_view text);
Result<Abi> read_abi(std::string_view text);         // a module's
Result<Abi> read_device_abi(std::string_view text);  // a motherboard's
Result<Encryption> read_encryption(std::string_view text);
// Decimal digits only, at most `max`.
Result<std::uint64_t> read_number(std::string_view field, std::string_view text, std::uint64_t max);

// A query parameter. Errors: invalid_argument.
Result<std::optional<bool>> read_flag(const Request& request, std::string_view name);  // 0 or 1
Result<std::optional<std::uint64_t>> read_time(const Request& request, std::string_view name);
std::optional<std::string> read_text(const Request& request, std::string_view name);

std::string_view encryption_name(Encryption encryption);

}  // namespace mpyd::server::http::handlers
