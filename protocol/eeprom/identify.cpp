#include "protocol/eeprom/identify.hpp"

#include <array>

#include "protocol/eeprom/cape.hpp"
#include "protocol/eeprom/fru.hpp"
#include "protocol/eeprom/hat.hpp"
#include "protocol/eeprom/hexpansion.hpp"
#include "protocol/eeprom/life.hpp"
#include "protocol/eeprom/store_area.hpp"

namespace mpyd::eeprom {
namespace {

// What every layout can be told by; the shortest image that any of them has is longer.
constexpr std::size_t kStartBytes = 8;
// So many of ff or of 00 make a blank part: fewer may begin something nobody here knows.
constexpr std::size_t kBlankBytes = 32;

// The table of codecs. `matches` sees kStartBytes. Without next_package a layout has no room for
// records of ours.
struct Codec {
  std::string_view name;
  bool (*matches)(Bytes start);
  Result<void> (*read)(Source& source, BoardIdentity& out);
  Result<bool> (*next_package)(Source& source, const Extent& after, BoardIdentity& board);
};
// In the order of Layout. The weakest magic comes last.
constexpr Codec kCodecs[] = {
    {"hat", looks_like_hat, read_hat, next_hat_package},
    {"hexpansion", looks_like_hexpansion, read_hexpansion, next_hexpansion_package},
    {"cape", looks_like_cape, read_cape, nullptr},
    {"life", looks_like_life, read_life, nullptr},
    {"life-json", looks_like_life_json, read_life_json, nullptr},
    {"fru", looks_like_fru, read_fru, nullptr},
};
constexpr const Codec& codec_of(Layout layout) { return kCodecs[static_cast<std::size_t>(layout)]; }

// Why no codec knows an image: blank, bad_magic, or an error of `source`.
Errc trouble_with(Source& source) {
  std::array<std::byte, kBlankBytes> start{};
  const std::size_t size = source.size() < kBlankBytes ? source.size() : kBlankBytes;
  const MutableBytes read = MutableBytes(start).first(size);
  if (const auto done = source.read(0, read); !done) return done.error();
  for (const std::byte b : read)
    if (b != read[0] || (b != std::byte{0} && b != std::byte{0xff})) return Errc::bad_magic;
  return Errc::blank;
}

// Anything else is said of bytes that were read.
bool is_of_source(Errc error) {
  return error != Errc::truncated && error != Errc::bad_magic && error != Errc::malformed &&
         error != Errc::unsupported;
}

bool lies_in(const Extent& inner, const Extent& outer) {
  return inner.offset >= outer.offset && inner.offset - outer.offset < outer.length;
}

// The package of the newest bank that is older than `before` (0: than none) and looks like one.
// False, and `board` as it was: there is none. What is damaged in an area is passed over. Errors:
// those of `source`.
Result<bool> take_stored(Source& source, const Bank* before, const Banks& banks,
                         BoardIdentity& board) {
  for (const Bank& bank : banks.bank) {
    if (bank.sequence == 0) continue;
    if (before != nullptr && !is_newer(before->sequence, bank.sequence)) continue;
    const auto stored = find_stored(source, bank);
    if (!stored && is_of_source(stored.error())) return fail(stored.error());
    if (!stored) continue;
    board.package = stored->package;
    board.key_block = stored->key_block;
    return true;
  }
  return false;
}

}  // namespace

std::string_view name(Layout layout) { return codec_of(layout).name; }

Result<BoardIdentity> identify(Source& source) {
  std::array<std::byte, kStartBytes> start{};
  if (source.size() < kStartBytes) return fail(Errc::truncated);
  MPYD_TRY(source.read(0, start));
  std::size_t layout = 0;
  while (layout < std::size(kCodecs) && !kCodecs[layout].matches(start)) ++layout;
  if (layout == std::size(kCodecs)) return fail(trouble_with(source));
  Result<BoardIdentity> board;
  board->layout = static_cast<Layout>(layout);
  MPYD_TRY(kCodecs[layout].read(source, *board));
  if (board->store_area.place.length != 0) {
    MPYD_TRY_ASSIGN(const Banks banks, read_banks(source, board->store_area));
    MPYD_TRY(take_stored(source, nullptr, banks, *board));
  }
  return board;
}

Result<bool> next_package(Source& source, BoardIdentity& board) {
  if (board.package.length == 0) return false;
  const Codec& codec = codec_of(board.layout);
  Extent after = board.package;
  if (lies_in(board.package, board.store_area.place)) {
    MPYD_TRY_ASSIGN(const Banks banks, read_banks(source, board.store_area));
    for (const Bank& bank : banks.bank) {
      if (!lies_in(board.package, bank.place)) continue;
      MPYD_TRY_ASSIGN(const bool found, take_stored(source, &bank, banks, board));
      if (found) return true;
      break;
    }
    after = {};
  }
  if (codec.next_package == nullptr) return false;
  const Extent package = board.package;
  const Extent key_block = board.key_block;
  const auto found = codec.next_package(source, after, board);
  // Always onwards: an EEPROM may show other bytes each time, and must not be weighed for ever.
  if (!found || !*found || board.package.offset > after.offset) return found;
  board.package = package;
  board.key_block = key_block;
  return false;
}

Result<void> ImageSource::read(std::uint32_t offset, MutableBytes out) {
  if (offset > image_.size() || out.size() > image_.size() - offset) return fail(Errc::truncated);
  copy_bytes(image_.subspan(offset, out.size()), out);
  return {};
}

}  // namespace mpyd::eeprom
