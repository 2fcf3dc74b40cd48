// Writes a part a page at a time: a write cycle begins, is waited for by ACK polling, and what was
// written is read back. Who calls it decides what may be written; nothing here guards an identity.
#pragma once

#include "protocol/eeprom/part.hpp"

namespace mpyd::eeprom {

// Pages of the family: 8 bytes (24C01, 02), 16 (24C04 to 16), 32 (24C32, 64), 64 (24C128, 256), 128
// (24C512), 256 (24CM01). A part takes writes of a smaller page than its own, never of a larger.
inline constexpr std::uint32_t kPageBytesMax = 256;
// Of a part whose size is known, the smallest that any maker gives it.
std::uint32_t page_bytes_of(const Part& part);

class PartWriter {
 public:
  PartWriter(I2cChannel& channel, const Part& part) : channel_(&channel), part_(part) {}

  // Starts the write cycle of `bytes`, at most kPageBytesMax, which may not cross a page of
  // page_bytes; call it only when is_ready(). Errors: truncated (beyond the part), malformed
  // (empty, or crosses a page), undecided (address_bytes is 0), write_protected (the part is there
  // and takes no data), those of the channel.
  Result<void> begin(std::uint32_t offset, Bytes bytes, std::uint32_t page_bytes);
  // True: the part acknowledges again, so the cycle is over. At most some 10 ms by any data sheet;
  // the caller bounds the waiting. Moves the part's address counter. Errors: io, timeout.
  Result<bool> is_ready();
  // Errors: write_protected (it reads as before or as something else), those of the channel.
  Result<void> check(std::uint32_t offset, Bytes bytes);

 private:
  I2cChannel* channel_;
  Part part_;
};

}  // namespace mpyd::eeprom
