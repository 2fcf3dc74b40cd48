// Views of bytes and little-endian numbers in them. Nothing here owns memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace mpyd {

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline Bytes as_bytes(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const std::byte*>(data), size};
}
inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
// std::string_view::substr without its exception, which the device's firmware does not have.
constexpr std::string_view part_of(std::string_view text, std::size_t from,
                                   std::size_t count = std::string_view::npos) {
  if (from >= text.size()) return {};
  return {text.data() + from, count < text.size() - from ? count : text.size() - from};
}

inline const std::uint8_t* u8(Bytes bytes) {
  return reinterpret_cast<const std::uint8_t*>(bytes.data());
}
inline std::uint8_t* u8(MutableBytes bytes) {
  return reinterpret_cast<std::uint8_t*>(bytes.data());
}

// The caller has checked that the bytes are there.
constexpr std::uint32_t load_u8(Bytes b, std::size_t at) {
  return std::to_integer<std::uint32_t>(b[at]);
}
constexpr std::uint32_t load_le16(Bytes b, std::size_t at) {
  return load_u8(b, at) | load_u8(b, at + 1) << 8;
}
constexpr std::uint32_t load_le32(Bytes b, std::size_t at) {
  return load_le16(b, at) | load_le16(b, at + 2) << 16;
}
constexpr void store_u8(MutableBytes b, std::size_t at, std::uint32_t v) {
  b[at] = static_cast<std::byte>(v & 0xffU);
}
constexpr void store_le16(MutableBytes b, std::size_t at, std::uint32_t v) {
  store_u8(b, at, v);
  store_u8(b, at + 1, v >> 8);
}
constexpr void store_le32(MutableBytes b, std::size_t at, std::uint32_t v) {
  store_le16(b, at, v);
  store_le16(b, at + 2, v >> 16);
}

// Not for secrets: crypto::equal is the constant-time one.
constexpr bool same_bytes(Bytes a, Bytes b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i] != b[i]) return false;
  return true;
}

constexpr void copy_bytes(Bytes from, MutableBytes to) {
  for (std::size_t i = 0; i < from.size(); ++i) to[i] = from[i];
}

}  // namespace mpyd
