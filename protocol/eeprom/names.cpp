#include "protocol/eeprom/names.hpp"

namespace mpyd::eeprom {

std::string_view without_spaces_at_end(std::string_view text) {
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::string_view unpadded(Bytes field) {
  std::size_t size = 0;
  while (size < field.size() && field[size] != std::byte{0} && field[size] != std::byte{0xff})
    ++size;
  return without_spaces_at_end(as_text(field.first(size)));
}

InlineText<4> hex4(std::uint32_t value) {
  constexpr std::string_view kHex = "0123456789abcdef";
  InlineText<4> out;
  for (int shift = 12; shift >= 0; shift -= 4) out.append(kHex[value >> shift & 15]);
  return out;
}

Result<void> set_hardware_id(BoardIdentity& out, std::string_view scheme, std::string_view vendor,
                             std::string_view product) {
  MPYD_TRY_ASSIGN(out.hardware_id, HardwareId::make(scheme, vendor, product));
  return {};
}

bool append_utf8(FieldText& out, std::uint32_t code) {
  std::array<char, 4> bytes{};
  std::size_t size = 0;
  const auto put = [&](std::uint32_t byte) { bytes[size++] = static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | code >> 6);
  } else if (code < 0x10000) {
    put(0xe0 | code >> 12);
    put(0x80 | (code >> 6 & 63));
  } else {
    put(0xf0 | code >> 18);
    put(0x80 | (code >> 12 & 63));
    put(0x80 | (code >> 6 & 63));
  }
  if (code >= 0x80) put(0x80 | (code & 63));
  return out.append(std::string_view(bytes.data(), size));
}

}  // namespace mpyd::eeprom
