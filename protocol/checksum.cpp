#include "protocol/checksum.hpp"

namespace mpyd {

std::uint16_t crc16_arc(std::uint16_t crc, Bytes bytes) {
  for (std::byte b : bytes) {
    crc = static_cast<std::uint16_t>(crc ^ std::to_integer<std::uint16_t>(b));
    for (int bit = 0; bit < 8; ++bit)
      crc = static_cast<std::uint16_t>((crc & 1) != 0 ? (crc >> 1) ^ 0xA001 : crc >> 1);
  }
  return crc;
}

}  // namespace mpyd
