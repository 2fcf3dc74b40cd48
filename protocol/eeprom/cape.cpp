#include "protocol/eeprom/cape.hpp"

#include <array>

#include "protocol/eeprom/names.hpp"

namespace mpyd::eeprom {
namespace {

// AA 55 33 EE | format revision (2) | board name (32) | version (4) | manufacturer (16) | part
// number (16) | pins u16 | serial (12) | pin usage (148) | VDD_3V3B, VDD_5V, SYS_5V, DC supplied,
// mA u16 each. Big-endian.
constexpr std::uint32_t kVersionAt = 38;
constexpr std::uint32_t kManufacturerAt = 42;
constexpr std::uint32_t kPartNumberAt = 58;
constexpr std::uint32_t kPinsAt = 74;
constexpr std::uint32_t kSerialAt = 76;
constexpr std::uint32_t kIdentityBytes = 88;
constexpr std::uint32_t kCurrentsAt = 236;
constexpr std::uint32_t kNameBytes = 16;
constexpr std::uint32_t kSerialBytes = 12;
constexpr std::uint32_t kNotProgrammed = 0xffff;

std::uint32_t load_be16(Bytes bytes, std::size_t at) {
  return load_u8(bytes, at) << 8 | load_u8(bytes, at + 1);
}

// As the boot loader of those boards reads it: what was not programmed is '0'.
std::uint32_t version_of(Bytes identity) {
  std::uint32_t version = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    const std::uint32_t byte = load_u8(identity, kVersionAt + i);
    version = version << 8 | (byte == 0 || byte == 0xff ? '0' : byte);
  }
  return version;
}

// What it takes of the three rails that the motherboard feeds.
Result<std::uint32_t> current_of(Source& source) {
  std::array<std::byte, 6> currents{};
  MPYD_TRY(source.read(kCurrentsAt, currents));
  std::uint32_t sum = 0;
  for (std::size_t at = 0; at < currents.size(); at += 2) {
    const std::uint32_t ma = load_be16(currents, at);
    if (ma != kNotProgrammed) sum += ma;
  }
  return sum;
}

}  // namespace

bool looks_like_cape(Bytes start) { return as_text(start.first(4)) == "\xaa\x55\x33\xee"; }

Result<void> read_cape(Source& source, BoardIdentity& out) {
  std::array<std::byte, kIdentityBytes> identity{};
  const Bytes bytes = identity;
  MPYD_TRY(source.read(0, identity));
  if (bytes[4] != std::byte{'A'}) return fail(Errc::malformed);
  if (bytes[5] != std::byte{'0'} && bytes[5] != std::byte{'1'}) return fail(Errc::unsupported);
  // There is no checksum, and writing may have ended behind the names; a cape has some pins.
  if (load_be16(bytes, kPinsAt) == kNotProgrammed) return fail(Errc::malformed);
  std::string_view part_number = unpadded(bytes.subspan(kPartNumberAt, kNameBytes));
  // Some makers pad with dots, which the boot loader strips as well.
  while (!part_number.empty() && part_number.back() == '.') part_number.remove_suffix(1);
  MPYD_TRY(set_hardware_id(out, "cape", unpadded(bytes.subspan(kManufacturerAt, kNameBytes)),
                           part_number));
  out.revision = version_of(bytes);
  for (const std::byte b : as_bytes(unpadded(bytes.subspan(kSerialAt, kSerialBytes))))
    out.serial.push_back(b);
  MPYD_TRY_ASSIGN(out.current_ma, current_of(source));
  out.fingerprint =
      out.serial.empty() ? Extent{kPartNumberAt, kNameBytes} : Extent{kSerialAt, kSerialBytes};
  return {};
}

}  // namespace mpyd::eeprom
