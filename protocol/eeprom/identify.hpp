// What an ID EEPROM says: the table of codecs, and what every codec yields.
#pragma once

#include "protocol/bytes.hpp"
#include "protocol/hardware_id.hpp"

namespace mpyd::eeprom {

// Random access to an EEPROM or an image of one.
class Source {
 public:
  // Fills `out` from `offset`. Errors: io, no_device; truncated past the end.
  virtual Result<void> read(std::uint32_t offset, MutableBytes out) = 0;
  virtual std::uint32_t size() const = 0;  // bytes, an upper bound

 protected:
  ~Source() = default;
};

// A part of the EEPROM; length 0: not there.
struct Extent {
  std::uint32_t offset = 0;
  std::uint32_t length = 0;
  friend bool operator==(const Extent&, const Extent&) = default;
};

// Numbers are ours alone: they are neither stored nor sent.
enum class Layout : std::uint8_t { hat, hexpansion, cape, life, life_json, fru };
// The name people know it by, e.g. "HAT+" is "hat", "hexpansion".
std::string_view name(Layout layout);

// Where packages may be written in the field; length 0: nowhere. store_area.hpp
struct StoreArea {
  Extent place;  // on page boundaries
  std::uint16_t page_bytes = 0;
  friend bool operator==(const StoreArea&, const StoreArea&) = default;
};

struct BoardIdentity {
  Layout layout = Layout::hat;
  HardwareId hardware_id;
  std::uint32_t revision = 0;
  Serial serial;
  std::uint32_t current_ma = 0;  // that the board says it takes; 0: it says nothing
  // Of the packages the first: what was stored in the field before what came with the board.
  Extent package;        // including its record header
  Extent key_block;      // of that package, including its record header
  Extent configuration;  // the bytes themselves, without a record header
  StoreArea store_area;
  // A few bytes that tell this board from others of its kind, serial first: what polling looks at.
  Extent fingerprint;
};
inline constexpr std::uint32_t kFingerprintBytesMax = 16;

// Reads as little as the format allows; never writes.
// Errors: blank (all 0xff or all 0x00), bad_magic (no known layout), truncated, bad_checksum,
// malformed, limit, and whatever `source` returns.
Result<BoardIdentity> identify(Source& source);

// Several packages may lie on one EEPROM, for motherboards of several ABIs. Moves board.package
// and board.key_block, as identify() set them, on to the next one; false, and `board` as it was:
// there is none. Errors: as identify().
Result<bool> next_package(Source& source, BoardIdentity& board);

// An image in memory. The bytes must outlive it.
class ImageSource final : public Source {
 public:
  explicit ImageSource(Bytes image) : image_(image) {}
  Result<void> read(std::uint32_t offset, MutableBytes out) override;
  std::uint32_t size() const override { return static_cast<std::uint32_t>(image_.size()); }

 private:
  Bytes image_;
};

}  // namespace mpyd::eeprom
