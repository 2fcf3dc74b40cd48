// Where packages may be written to a board's EEPROM in the field: an area behind all identity
// pages, on page boundaries, announced by a record of kind 4 beside the identity.
// schema/eeprom/store.md has the bytes and the order of writes.
//
//   area := half half | whole         whole where the content is too long for a half
//   half, whole := head, content      head: record kind 5 on pages of its own, written last
//   content := package record, key block record (none for a public package)
#pragma once

#include <array>

#include "protocol/eeprom/identify.hpp"

namespace mpyd::eeprom {

// Of the record of kind 4, header included.
inline constexpr std::size_t kStoreAreaRecordBytes = 20;
// Of the record of kind 5, header included.
inline constexpr std::size_t kBankHeadBytes = 20;
inline constexpr std::uint32_t kStorePageMin = 8;
inline constexpr std::uint32_t kStorePageMax = 256;

// Errors: malformed (not on page boundaries, a page that is no power of two in 8..256, an area that
// cannot hold a head and a page, or that no EEPROM is large enough for), unsupported (a newer
// format), truncated, trailing. `content` is what follows the record's header. That the area lies
// in the part and behind the identity is its reader's duty: lies_within().
Result<StoreArea> parse_store_area(Bytes content);
// `out` holds kStoreAreaRecordBytes; written with its record header.
void format_store_area(const StoreArea& area, MutableBytes out);
// An area of at least `bytes` on the first page boundary from `behind` on. Errors: as
// parse_store_area().
Result<StoreArea> place_store_area(std::uint32_t behind, std::uint32_t bytes,
                                   std::uint32_t page_bytes);
// Is there an area, and nothing of it outside?
constexpr bool lies_within(const StoreArea& area, std::uint32_t begin, std::uint32_t end) {
  const Extent& place = area.place;
  return place.length != 0 && place.offset >= begin && place.offset <= end &&
         place.length <= end - place.offset;
}

struct Bank {
  Extent place;                // of the bank, its head included
  std::uint32_t sequence = 0;  // rises with each package stored, see is_newer(); 0: holds none
  Extent content;              // of what the head says lies there

  friend bool operator==(const Bank&, const Bank&) = default;
};
// Numbers that have gone all the way round go on at 1.
constexpr bool is_newer(std::uint32_t sequence, std::uint32_t than) {
  return static_cast<std::int32_t>(sequence - than) > 0;
}

// The banks that hold something, the newest first. At most two; sequence 0: none.
struct Banks {
  std::array<Bank, 2> bank;
};
// Reads the heads only: of what they head nothing is known. Errors: those of `source`.
Result<Banks> read_banks(Source& source, const StoreArea& area);

// Where content of `bytes` goes, and what its head says. Where it fits into a half, a half that
// does not hold the newest package, so that a power cut leaves that one; otherwise the whole area.
// Errors: limit (it does not fit).
Result<Bank> choose_bank(const Banks& banks, const StoreArea& area, std::uint32_t bytes);
// Content of this size is the largest that fits, and the largest of which two fit. Bytes.
struct StoreRoom {
  std::uint32_t one = 0;
  std::uint32_t each_of_two = 0;  // 0: two never fit
};
StoreRoom room_of(const StoreArea& area);
// `out` holds kBankHeadBytes.
void format_bank_head(const Bank& bank, MutableBytes out);

// Where package and key block lie in a bank's content. Errors: malformed (other than that),
// truncated, those of `source`. The package proves itself; this looks at record headers only.
struct StoredPackage {
  Extent package;    // including its record header
  Extent key_block;  // the same; length 0: none
};
Result<StoredPackage> find_stored(Source& source, const Bank& bank);

}  // namespace mpyd::eeprom
