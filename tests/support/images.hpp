// Images of ID EEPROMs in tests: what is read of them, and records to put on them.
#pragma once

#include <string>

#include "protocol/checksum.hpp"
#include "protocol/eeprom/identify.hpp"
#include "protocol/eeprom/record.hpp"
#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"

namespace mpyd::test {

inline Result<eeprom::BoardIdentity> identify_image(Bytes image) {
  eeprom::ImageSource source(image);
  return eeprom::identify(source);
}

inline Errc error_of(Bytes image) {
  const auto identity = identify_image(image);
  REQUIRE(!identity);
  return identity.error();
}

inline std::string id_of(const eeprom::BoardIdentity& board) {
  return std::string(board.hardware_id.view());
}

inline Buffer serial_of(const eeprom::BoardIdentity& board) {
  return copy(Bytes(board.serial.begin(), board.serial.size()));
}

inline Bytes part_of(Bytes image, const eeprom::Extent& extent) {
  return image.subspan(extent.offset, extent.length);
}

inline Buffer record(RecordKind kind, Bytes data) {
  Buffer out(kRecordHeaderBytes + data.size());
  format_record_header({kind, static_cast<std::uint32_t>(data.size())}, out);
  copy_bytes(data, MutableBytes(out).subspan(kRecordHeaderBytes));
  return out;
}

// As an erased part of `size` bytes reads behind the image.
inline Buffer padded(Bytes image, std::size_t size) {
  Buffer out = copy(image);
  out.resize(size, std::byte{0xff});
  return out;
}

// Counts what is read, and can end as a board that is pulled.
class CountingSource final : public eeprom::Source {
 public:
  explicit CountingSource(Bytes image) : image_(image) {}
  Result<void> read(std::uint32_t offset, MutableBytes out) override {
    if (reads++ == fail_at) return fail(Errc::no_device);
    bytes_read += out.size();
    return image_.read(offset, out);
  }
  std::uint32_t size() const override { return image_.size(); }

  std::size_t bytes_read = 0;
  std::size_t reads = 0;
  std::size_t fail_at = SIZE_MAX;

 private:
  eeprom::ImageSource image_;
};

}  // namespace mpyd::test
