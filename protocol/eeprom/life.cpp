#include "protocol/eeprom/life.hpp"

#include <array>

#include "protocol/eeprom/names.hpp"

namespace mpyd::eeprom {
namespace {

// "LIFE" | name length u8 | driver name length u8 | driver data length u8 | number of further
// drivers u8 | name | driver name | driver data | further drivers.
constexpr std::uint32_t kHeaderBytes = 8;

// There is no checksum; what no text holds shows that writing ended in the middle. Some writers
// count the NUL of their language's strings.
Result<std::string_view> text_of(Bytes field) {
  while (!field.empty() && field.back() == std::byte{0}) field = field.first(field.size() - 1);
  const std::string_view text = unpadded(field);
  if (without_spaces_at_end(as_text(field)) != text) return fail(Errc::malformed);
  return text;
}

}  // namespace

// As badges in the field do: probing as if for a larger part may have destroyed byte 0.
bool looks_like_life(Bytes start) { return as_text(start.subspan(1, 3)) == "IFE"; }

Result<void> read_life(Source& source, BoardIdentity& out) {
  std::array<std::byte, kHeaderBytes> header{};
  MPYD_TRY(source.read(0, header));
  const std::uint32_t name_bytes = load_u8(header, 4);
  const std::uint32_t driver_bytes = load_u8(header, 5);
  const std::uint32_t data_bytes = load_u8(header, 6);
  if (kHeaderBytes + name_bytes + driver_bytes + data_bytes > source.size())
    return fail(Errc::truncated);
  if (name_bytes + driver_bytes > kHardwareIdMax) return fail(Errc::limit);
  std::array<std::byte, kHardwareIdMax> names{};
  MPYD_TRY(source.read(kHeaderBytes, MutableBytes(names).first(name_bytes + driver_bytes)));
  MPYD_TRY_ASSIGN(const std::string_view name, text_of(Bytes(names).first(name_bytes)));
  MPYD_TRY_ASSIGN(const std::string_view driver,
                  text_of(Bytes(names).subspan(name_bytes, driver_bytes)));
  MPYD_TRY(set_hardware_id(out, "life", name, driver));
  const std::uint32_t there = name_bytes + driver_bytes;
  out.fingerprint = {kHeaderBytes, there < kFingerprintBytesMax ? there : kFingerprintBytesMax};
  return {};
}

}  // namespace mpyd::eeprom
