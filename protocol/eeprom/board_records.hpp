// Our records where a layout has room for them, as HAT and hexpansion share them, and the
// CRC-16/ARC that protects them there.
#pragma once

#include "protocol/eeprom/identify.hpp"
#include "protocol/eeprom/record.hpp"

namespace mpyd::eeprom {

inline constexpr std::uint32_t kCrcBytes = 2;
// A longer record holds no configuration, hence nothing that only a CRC protects.
inline constexpr std::uint32_t kCheckedRecordMax = kRecordHeaderBytes + kConfigMax;
// Far more than any board has; each costs a look.
inline constexpr std::uint32_t kRecordsMax = 32;

// Checks the CRCs of one board. identify() is one step of a motherboard's agent, so what is read of
// a board for them is bounded: 4 KiB take a tenth of a second at 400 kHz, and no honest board,
// whose long records and atoms are left unread, has half of that.
class CrcChecker {
 public:
  explicit CrcChecker(Source& source) : source_(source) {}
  bool has_room_for(std::uint32_t covered) const { return covered <= left_; }
  std::uint32_t left() const { return left_; }
  // The CRC of `covered` bytes lies right behind them. Errors: bad_checksum, limit, those of the
  // source.
  Result<void> check(std::uint32_t offset, std::uint32_t covered);

  // Piece by piece: the CRC goes on with these bytes. Errors: limit, those of the source.
  Result<void> add(std::uint32_t offset, std::uint32_t bytes);
  void add(Bytes bytes);
  // Of everything added. Errors: bad_checksum, those of the source.
  Result<void> check_at(std::uint32_t offset);
  // Did bytes that were added from the source hold the start of a record? Of what is stored in an
  // area, none.
  bool saw_record() const { return saw_record_; }

 private:
  void look_for_record(Bytes piece, std::size_t& matched);

  Source& source_;
  std::uint32_t left_ = 4096;
  std::uint16_t crc_ = 0;
  bool saw_record_ = false;
};

// Notes a record of ours in `out`: the first package, the key block that begins `gap` bytes behind
// it, configuration, store area. Anything that is none of ours is left alone. `room` is what the
// record may take. Errors: truncated (longer than its room), limit (configuration), those of the
// source.
Result<void> take_record(Source& source, const Extent& room, std::uint32_t gap, BoardIdentity& out);

}  // namespace mpyd::eeprom
