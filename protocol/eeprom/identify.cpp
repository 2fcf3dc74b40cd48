#include "protocol/eeprom/identify.hpp"

#include <array>

#include "protocol/eeprom/hat.hpp"

namespace mpyd::eeprom {
namespace {

// The table of codecs. `matches` sees the first kStartBytes.
struct Codec {
  bool (*matches)(Bytes start);
  Result<BoardIdentity> (*read)(Source& source);
  Result<bool> (*next_package)(Source& source, BoardIdentity& board);
};
constexpr Codec kCodecs[] = {
    {looks_like_hat, read_hat, next_hat_package},
};

constexpr std::size_t kStartBytes = 32;

bool is_uniform(Bytes bytes, std::byte value) {
  for (std::byte b : bytes)
    if (b != value) return false;
  return true;
}

// Errors: truncated, blank, bad_magic, those of `source`.
Result<const Codec*> find_codec(Source& source) {
  std::array<std::byte, kStartBytes> start{};
  const std::size_t size = source.size() < kStartBytes ? source.size() : kStartBytes;
  const MutableBytes read = MutableBytes(start).first(size);
  MPYD_TRY(source.read(0, read));
  if (size < kStartBytes) return fail(Errc::truncated);
  for (const Codec& codec : kCodecs)
    if (codec.matches(read)) return &codec;
  if (is_uniform(read, std::byte{0xff}) || is_uniform(read, std::byte{0x00}))
    return fail(Errc::blank);
  return fail(Errc::bad_magic);
}

}  // namespace

Result<BoardIdentity> identify(Source& source) {
  MPYD_TRY_ASSIGN(const Codec* const codec, find_codec(source));
  return codec->read(source);
}

Result<bool> next_package(Source& source, BoardIdentity& board) {
  MPYD_TRY_ASSIGN(const Codec* const codec, find_codec(source));
  return codec->next_package(source, board);
}

Result<void> ImageSource::read(std::uint32_t offset, MutableBytes out) {
  if (offset > image_.size() || out.size() > image_.size() - offset) return fail(Errc::truncated);
  copy_bytes(image_.subspan(offset, out.size()), out);
  return {};
}

}  // namespace mpyd::eeprom
