#include "protocol/eeprom/hat.hpp"

#include <array>

#include "protocol/eeprom/hat_layout.hpp"
#include "protocol/eeprom/names.hpp"
#include "protocol/eeprom/store_area.hpp"
#include "protocol/limits.hpp"

namespace mpyd::eeprom {
namespace {

struct Header {
  std::uint32_t atoms = 0;
  std::uint32_t end = 0;  // of the image
};

struct Atom {
  std::uint32_t type = 0;
  std::uint32_t data_offset = 0;
  std::uint32_t data_bytes = 0;
};

// An atom as its header says; its data is not looked at.
Result<Atom> read_atom_header(Source& source, std::uint32_t offset, std::uint32_t end) {
  std::array<std::byte, kAtomHeaderBytes> header{};
  if (end - offset < kAtomHeaderBytes + kCrcBytes) return fail(Errc::truncated);
  MPYD_TRY(source.read(offset, header));
  const std::uint32_t length = load_le32(header, 4);
  if (length < kCrcBytes) return fail(Errc::malformed);
  if (length > end - offset - kAtomHeaderBytes) return fail(Errc::truncated);
  return Atom{.type = load_le16(header, 0),
              .data_offset = offset + kAtomHeaderBytes,
              .data_bytes = length - kCrcBytes};
}

// A package proves itself far better than a CRC does; leaving its out saves reading the whole
// EEPROM, a fifth of a second for 8 KiB, before a board has a name. Only where no configuration
// fits: one flipped bit in its kind would otherwise make a calibration disappear unnoticed.
bool is_long_package(Source& source, const Atom& atom) {
  if (atom.type != kCustomAtom || atom.data_bytes <= kCheckedRecordMax) return false;
  std::array<std::byte, kRecordHeaderBytes> start{};
  if (!source.read(atom.data_offset, start)) return false;
  const auto record = parse_record_header(start);
  return record && record->kind == RecordKind::package &&
         record->length == atom.data_bytes - kRecordHeaderBytes;
}

Result<void> check_atom(Source& source, CrcChecker& crc, const Atom& atom) {
  if (is_long_package(source, atom)) return {};
  const std::uint32_t covered = kAtomHeaderBytes + atom.data_bytes;
  const bool may_matter = atom.type == kVendorAtom || atom.data_bytes <= kCheckedRecordMax;
  if (!may_matter && !crc.has_room_for(covered)) return {};  // a large device tree, say
  return crc.check(atom.data_offset - kAtomHeaderBytes, covered);
}

Result<Header> read_header(Source& source) {
  std::array<std::byte, kHatHeaderBytes> bytes{};
  MPYD_TRY(source.read(0, bytes));
  const Header header{.atoms = load_le16(bytes, 6), .end = load_le32(bytes, 8)};
  if (header.atoms > kAtomsMax || header.end > kEepromBytesMax) return fail(Errc::limit);
  if (header.end > source.size()) return fail(Errc::truncated);
  return header;
}

std::uint32_t end_of(const Atom& atom) { return atom.data_offset + atom.data_bytes + kCrcBytes; }

Result<void> read_vendor(Source& source, const Atom& atom, BoardIdentity& out) {
  std::array<std::byte, kVendorFixedBytes + 255> data{};
  if (atom.data_bytes < kVendorFixedBytes) return fail(Errc::truncated);
  const MutableBytes fixed = MutableBytes(data).first(kVendorFixedBytes);
  MPYD_TRY(source.read(atom.data_offset, fixed));
  const std::uint32_t vendor_bytes = load_u8(fixed, 20);
  const std::uint32_t product_bytes = load_u8(fixed, 21);
  if (atom.data_bytes < kVendorFixedBytes + vendor_bytes + product_bytes)
    return fail(Errc::truncated);
  const MutableBytes vendor = MutableBytes(data).subspan(kVendorFixedBytes, vendor_bytes);
  MPYD_TRY(source.read(atom.data_offset + kVendorFixedBytes, vendor));

  MPYD_TRY(set_hardware_id(out, "hat", as_text(vendor), hex4(load_le16(fixed, 16)).view()));
  out.revision = load_le16(fixed, 18);
  // The format stores a UUID's least significant byte first; a zero UUID is no serial.
  bool has_serial = false;
  for (std::uint32_t i = 0; i < kUuidBytes; ++i) has_serial |= fixed[i] != std::byte{0};
  out.serial.clear();
  for (std::uint32_t i = kUuidBytes; has_serial && i-- > 0;) out.serial.push_back(fixed[i]);
  // Ids, version and names tell boards apart where no UUID does.
  const std::uint32_t from = has_serial ? 0 : kUuidBytes;
  const std::uint32_t there = kVendorFixedBytes + vendor_bytes + product_bytes - from;
  out.fingerprint = {atom.data_offset + from,
                     there < kFingerprintBytesMax ? there : kFingerprintBytesMax};
  return {};
}

Result<void> read_power(Source& source, const Atom& atom, BoardIdentity& out) {
  std::array<std::byte, kPowerBytes> bytes{};
  if (atom.data_bytes < bytes.size()) return fail(Errc::malformed);
  MPYD_TRY(source.read(atom.data_offset, bytes));
  out.current_ma = load_le32(bytes, 0);
  return {};
}

// A custom atom may hold one of our records; anything else is somebody else's and ignored.
Result<void> take_atom(Source& source, const Atom& atom, BoardIdentity& out) {
  if (atom.type != kCustomAtom) return {};
  return take_record(source, {atom.data_offset, atom.data_bytes}, kCrcBytes + kAtomHeaderBytes,
                     out);
}

// 0 and 0xffff are no types: what pads an image.
Result<bool> atom_follows(Source& source, std::uint32_t offset, std::uint32_t end) {
  if (offset > end || end - offset < 2) return false;
  std::array<std::byte, 2> type{};
  MPYD_TRY(source.read(offset, type));
  const std::uint32_t value = load_le16(type, 0);
  return value != 0 && value != 0xffff;
}

}  // namespace

bool looks_like_hat(Bytes start) {
  return as_text(start.first(4)) == "R-Pi" && (load_u8(start, 4) == 1 || load_u8(start, 4) == 2);
}

Result<void> read_hat(Source& source, BoardIdentity& out) {
  MPYD_TRY_ASSIGN(const Header header, read_header(source));
  CrcChecker crc(source);
  std::uint32_t offset = kHatHeaderBytes;
  for (std::uint32_t i = 0; i < header.atoms; ++i) {
    if (offset > header.end) return fail(Errc::truncated);
    MPYD_TRY_ASSIGN(const Atom atom, read_atom_header(source, offset, header.end));
    MPYD_TRY(check_atom(source, crc, atom));
    if (atom.type == kVendorAtom && out.hardware_id.empty())
      MPYD_TRY(read_vendor(source, atom, out));
    if (atom.type == kPowerAtom) MPYD_TRY(read_power(source, atom, out));
    MPYD_TRY(take_atom(source, atom, out));
    offset = end_of(atom);
  }
  if (out.hardware_id.empty()) return fail(Errc::malformed);
  // The header has no checksum. A damaged count would silently drop the last atoms, calibration
  // included; so what follows the last counted atom must not be an atom. Padding is allowed.
  MPYD_TRY_ASSIGN(const bool has_more, atom_follows(source, offset, header.end));
  if (has_more) return fail(Errc::malformed);
  if (!lies_within(out.store_area, header.end, source.size())) out.store_area = {};
  return {};
}

// Reads headers only: identify() has checked all atoms. A key block is the atom right behind its
// package or none, so nothing further is looked at: a step of the agent is short.
Result<bool> next_hat_package(Source& source, const Extent& after, BoardIdentity& board) {
  MPYD_TRY_ASSIGN(const Header header, read_header(source));
  if (board.store_area.place.length != 0 && header.end > board.store_area.place.offset)
    return fail(Errc::malformed);
  BoardIdentity next;
  std::uint32_t offset = kHatHeaderBytes;
  if (after.length != 0) {
    const std::uint32_t at = after.offset - kAtomHeaderBytes;
    if (at > header.end) return fail(Errc::truncated);
    MPYD_TRY_ASSIGN(const Atom atom, read_atom_header(source, at, header.end));
    offset = end_of(atom);
  }
  for (std::uint32_t atoms = 0; atoms < kAtomsMax; ++atoms) {
    MPYD_TRY_ASSIGN(const bool has_more, atom_follows(source, offset, header.end));
    if (!has_more) break;
    const bool is_last = next.package.length != 0;
    MPYD_TRY_ASSIGN(const Atom atom, read_atom_header(source, offset, header.end));
    MPYD_TRY(take_atom(source, atom, next));
    if (is_last) break;
    offset = end_of(atom);
  }
  if (next.package.length == 0) return false;
  board.package = next.package;
  board.key_block = next.key_block;
  return true;
}

}  // namespace mpyd::eeprom
