#include "server/cli/outcome.hpp"

namespace mpyd::server::cli {

int exit_code(Errc code) {
  switch (code) {
    case Errc::invalid_argument:
      return kExitUsage;
    case Errc::unauthorised:
    case Errc::forbidden:
      return 3;
    case Errc::not_found:
    case Errc::no_driver:
    case Errc::unknown_device:
      return 4;
    case Errc::conflict:
    case Errc::changed:
    case Errc::key_reused:
    case Errc::in_progress:
      return 5;
    case Errc::unreachable:
    case Errc::timeout:
      return 7;
    default:
      break;
  }
  // The bytes, authenticity and trust: 1 to 59 (protocol/errc.hpp).
  return static_cast<int>(code) < 60 ? 6 : 1;
}

std::string default_hint(Errc code) {
  switch (code) {
    case Errc::unreachable:
    case Errc::timeout:
      return "is the server running and --server (MPYD_SERVER) its admin address?";
    case Errc::unauthorised:
      return "name a file that holds a valid token: --token-file FILE, or set MPYD_TOKEN";
    case Errc::decryption:
      return "check the passphrase (--passphrase-file), or the key this was sealed to";
    default:
      return {};
  }
}

Outcome<HardwareId> parse_hardware_id_option(const std::string& text) {
  const auto id = HardwareId::parse(text);
  if (id) return *id;
  const Errc code = id.error() == Errc::malformed ? Errc::invalid_argument : id.error();
  return failure(code, "--hardware-id " + text + " is not of the form scheme:vendor:product",
                 "bytes outside A-Z a-z 0-9 . _ ~ - are percent-encoded, as in "
                 "hat:Meadow%20Instruments:0042");
}

Errc errc_named(std::string_view text) {
  for (std::uint16_t number = 1; number < static_cast<std::uint16_t>(Errc::internal); ++number)
    if (const auto code = static_cast<Errc>(number); name(code) == text) return code;
  return Errc::internal;
}

}  // namespace mpyd::server::cli
