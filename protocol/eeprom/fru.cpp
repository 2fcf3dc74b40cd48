#include "protocol/eeprom/fru.hpp"

#include <array>

#include "protocol/eeprom/names.hpp"

namespace mpyd::eeprom {
namespace {

// Header: version 1 | offsets of the areas internal, chassis, board, product, multi-record, in
// units of 8 bytes, 0: none | 0 | checksum. The bytes of header and areas sum to 0.
constexpr std::uint32_t kHeaderBytes = 8;
constexpr std::uint32_t kUnit = 8;
// Board area: version 1 | length in units | language | minutes since 1996 u24 | fields: maker,
// product, serial number, part number, more | 0xc1 | zeros | checksum.
constexpr std::uint32_t kFieldsAt = 6;
constexpr std::uint32_t kEndOfFields = 0xc1;
constexpr std::uint32_t kEnglish = 25;

Result<void> check_sum(Source& source, std::uint32_t offset, std::uint32_t length) {
  std::array<std::byte, 64> piece{};
  std::uint32_t sum = 0;
  for (std::uint32_t done = 0; done < length;) {
    const std::uint32_t left = length - done;
    const MutableBytes part = MutableBytes(piece).first(left < piece.size() ? left : piece.size());
    MPYD_TRY(source.read(offset + done, part));
    for (const std::byte b : part) sum += std::to_integer<std::uint32_t>(b);
    done += static_cast<std::uint32_t>(part.size());
  }
  return (sum & 0xff) == 0 ? Result<void>{} : fail(Errc::bad_checksum);
}

bool append_bcd(FieldText& out, Bytes data) {
  constexpr std::string_view kDigits = "0123456789 -.";
  for (std::size_t i = 0; i < 2 * data.size(); ++i) {
    const std::uint32_t digit = load_u8(data, i / 2) >> (i % 2 == 0 ? 4 : 0) & 15;
    if (digit >= kDigits.size() || !out.append(kDigits[digit])) return false;
  }
  return true;
}

// Six bits a character, from the low bits of each byte up; 0 is a space.
bool append_six_bit(FieldText& out, Bytes data) {
  for (std::size_t bit = 0; bit + 6 <= 8 * data.size(); bit += 6) {
    std::uint32_t two = load_u8(data, bit / 8);
    if (bit / 8 + 1 < data.size()) two |= load_u8(data, bit / 8 + 1) << 8;
    if (!out.append(static_cast<char>(' ' + (two >> bit % 8 & 63)))) return false;
  }
  return true;
}

// Two bytes a character, of the languages that do not do with one.
bool append_unicode(FieldText& out, Bytes data) {
  for (std::size_t i = 0; i + 2 <= data.size(); i += 2)
    if (!append_utf8(out, load_le16(data, i))) return false;
  return true;
}

// The fields of a board area, one after the other.
class Fields {
 public:
  Fields(Source& source, std::uint32_t offset, std::uint32_t end, bool is_english)
      : source_(source), offset_(offset), end_(end), is_english_(is_english) {}

  // Returns where its bytes lie. Errors: malformed (the fields end before, or characters that do
  // not exist), truncated, limit (too long for a hardware ID), those of the source.
  Result<Extent> next(FieldText& out) {
    std::array<std::byte, 63> data{};
    if (offset_ >= end_) return fail(Errc::truncated);
    MPYD_TRY(source_.read(offset_, MutableBytes(data).first(1)));
    const std::uint32_t type_length = load_u8(data, 0);
    if (type_length == kEndOfFields) return fail(Errc::malformed);
    const Extent place{offset_ + 1, type_length & 63};
    if (place.length > end_ - place.offset) return fail(Errc::truncated);
    const MutableBytes read = MutableBytes(data).first(place.length);
    MPYD_TRY(source_.read(place.offset, read));
    offset_ = place.offset + place.length;
    MPYD_TRY(decode(type_length >> 6, read, out));
    return place;
  }

 private:
  Result<void> decode(std::uint32_t type, Bytes data, FieldText& out) const {
    FieldText text;
    out.clear();
    bool fits = true;
    switch (type) {
      case 1:
        if (!append_bcd(text, data)) return fail(Errc::malformed);
        break;
      case 2:
        fits = append_six_bit(text, data);
        break;
      case 3:
        fits = is_english_ ? text.append(as_text(data)) : append_unicode(text, data);
        break;
      default:  // bytes without a meaning of their own
        return out.append(as_text(data)) ? Result<void>{} : fail(Errc::limit);
    }
    out.append(unpadded(as_bytes(text.view())));
    return fits ? Result<void>{} : fail(Errc::limit);
  }

  Source& source_;
  std::uint32_t offset_;
  std::uint32_t end_;
  bool is_english_;
};

Result<void> read_fields(Fields& fields, BoardIdentity& out) {
  FieldText manufacturer;
  FieldText text;
  MPYD_TRY(fields.next(manufacturer));
  MPYD_TRY(fields.next(text));  // the product's name, for people
  MPYD_TRY_ASSIGN(out.fingerprint, fields.next(text));
  for (const std::byte b : as_bytes(text.view()))
    if (!out.serial.push_back(b)) return fail(Errc::limit);
  MPYD_TRY_ASSIGN(const Extent part_number, fields.next(text));
  MPYD_TRY(set_hardware_id(out, "fru", manufacturer.view(), text.view()));
  if (out.serial.empty()) out.fingerprint = part_number;
  if (out.fingerprint.length > kFingerprintBytesMax) {
    // Numbers count up at their end.
    out.fingerprint.offset += out.fingerprint.length - kFingerprintBytesMax;
    out.fingerprint.length = kFingerprintBytesMax;
  }
  return {};
}

}  // namespace

// Any area, so that one without a board area is told as such; zeros are no header.
bool looks_like_fru(Bytes start) {
  const Bytes areas = start.subspan(1, 5);
  bool has_area = false;
  for (const std::byte offset : areas) has_area |= offset != std::byte{0};
  return has_area && start[0] == std::byte{1} && start[6] == std::byte{0};
}

Result<void> read_fru(Source& source, BoardIdentity& out) {
  std::array<std::byte, kHeaderBytes> header{};
  MPYD_TRY(source.read(0, header));
  MPYD_TRY(check_sum(source, 0, kHeaderBytes));
  const std::uint32_t area = load_u8(header, 3) * kUnit;
  if (area == 0) return fail(Errc::malformed);
  std::array<std::byte, kFieldsAt> head{};
  MPYD_TRY(source.read(area, head));
  if (load_u8(head, 0) != 1) return fail(Errc::unsupported);
  const std::uint32_t length = load_u8(head, 1) * kUnit;
  if (length == 0) return fail(Errc::malformed);
  MPYD_TRY(check_sum(source, area, length));
  const std::uint32_t language = load_u8(head, 2);
  Fields fields(source, area + kFieldsAt, area + length - 1, language == 0 || language == kEnglish);
  return read_fields(fields, out);
}

}  // namespace mpyd::eeprom
