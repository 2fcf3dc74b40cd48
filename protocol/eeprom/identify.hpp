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

struct BoardIdentity {
  HardwareId hardware_id;
  std::uint32_t revision = 0;
  Serial serial;
  Extent package;        // including its record header; the first, if there are several
  Extent key_block;      // of that package, including its record header
  Extent configuration;  // the bytes themselves, without a record header
};

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
