#include "protocol/eeprom/hat.hpp"

#include <array>

#include "protocol/checksum.hpp"
#include "protocol/eeprom/hat_layout.hpp"
#include "protocol/eeprom/record.hpp"
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

// A package proves itself far better than a CRC does; leaving its out saves reading the whole
// EEPROM, a fifth of a second for 8 KiB, before a board has a name. Only where no configuration
// fits: one flipped bit in its kind would otherwise make a calibration disappear unnoticed.
bool proves_itself(Source& source, const Atom& atom) {
  if (atom.type != kCustomAtom || atom.data_bytes <= kRecordHeaderBytes + kConfigMax) return false;
  std::array<std::byte, kRecordHeaderBytes> start{};
  if (!source.read(atom.data_offset, start)) return false;
  const auto record = parse_record_header(start);
  return record && record->kind == RecordKind::package &&
         record->length == atom.data_bytes - kRecordHeaderBytes;
}

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

// An atom whose CRC, over header and data, was checked in small pieces.
Result<Atom> read_atom(Source& source, std::uint32_t offset, std::uint32_t end) {
  MPYD_TRY_ASSIGN(const Atom atom, read_atom_header(source, offset, end));
  if (proves_itself(source, atom)) return atom;
  std::array<std::byte, 64> piece{};
  std::uint16_t crc = 0;
  const std::uint32_t covered = kAtomHeaderBytes + atom.data_bytes;
  for (std::uint32_t done = 0; done < covered;) {
    const std::uint32_t left = covered - done;
    const MutableBytes part = MutableBytes(piece).first(left < piece.size() ? left : piece.size());
    MPYD_TRY(source.read(offset + done, part));
    crc = crc16_arc(crc, part);
    done += static_cast<std::uint32_t>(part.size());
  }
  const MutableBytes stored = MutableBytes(piece).first(kCrcBytes);
  MPYD_TRY(source.read(atom.data_offset + atom.data_bytes, stored));
  if (load_le16(stored, 0) != crc) return fail(Errc::bad_checksum);
  return atom;
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

// A key block belongs to the package whose atom is right before its own.
bool is_behind(const Extent& package, const Extent& record) {
  return package.length != 0 &&
         package.offset + package.length + kCrcBytes + kAtomHeaderBytes == record.offset;
}

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

  constexpr std::string_view kHex = "0123456789abcdef";
  const std::uint32_t product_id = load_le16(fixed, 16);
  const std::array<char, 4> product = {kHex[product_id >> 12 & 15], kHex[product_id >> 8 & 15],
                                       kHex[product_id >> 4 & 15], kHex[product_id & 15]};
  MPYD_TRY_ASSIGN(out.hardware_id,
                  HardwareId::make("hat", as_text(vendor), std::string_view(product.data(), 4)));
  out.revision = load_le16(fixed, 18);
  // The format stores a UUID's least significant byte first; a zero UUID is no serial.
  bool has_serial = false;
  for (std::uint32_t i = 0; i < kUuidBytes; ++i) has_serial |= fixed[i] != std::byte{0};
  out.serial.clear();
  for (std::uint32_t i = kUuidBytes; has_serial && i-- > 0;) out.serial.push_back(fixed[i]);
  return {};
}

// The header has no checksum. A damaged count would silently drop the last atoms, calibration
// included; so what follows the last counted atom must not be an atom. Padding is allowed: 0 and
// 0xffff are no types.
Result<void> check_no_more_atoms(Source& source, std::uint32_t offset, std::uint32_t end) {
  if (offset > end || end - offset < 2) return {};
  std::array<std::byte, 2> type{};
  MPYD_TRY(source.read(offset, type));
  const std::uint32_t value = load_le16(type, 0);
  return value == 0 || value == 0xffff ? Result<void>{} : fail(Errc::malformed);
}

// A custom atom may hold one of our records; anything else is somebody else's and ignored.
Result<void> read_custom(Source& source, const Atom& atom, BoardIdentity& out) {
  if (atom.data_bytes < kRecordHeaderBytes) return {};
  std::array<std::byte, kRecordHeaderBytes> start{};
  MPYD_TRY(source.read(atom.data_offset, start));
  const auto record = parse_record_header(start);
  if (!record) return {};
  if (record->length > atom.data_bytes - kRecordHeaderBytes) return fail(Errc::truncated);
  const Extent whole{atom.data_offset,
                     static_cast<std::uint32_t>(kRecordHeaderBytes) + record->length};
  switch (record->kind) {
    case RecordKind::package:
      if (out.package.length == 0) out.package = whole;
      break;
    case RecordKind::key_block:
      if (is_behind(out.package, whole)) out.key_block = whole;
      break;
    case RecordKind::configuration:
      if (record->length > kConfigMax) return fail(Errc::limit);
      out.configuration = {atom.data_offset + static_cast<std::uint32_t>(kRecordHeaderBytes),
                           record->length};
      break;
  }
  return {};
}

}  // namespace

bool looks_like_hat(Bytes start) {
  return as_text(start.first(4)) == "R-Pi" && (load_u8(start, 4) == 1 || load_u8(start, 4) == 2);
}

Result<BoardIdentity> read_hat(Source& source) {
  MPYD_TRY_ASSIGN(const Header header, read_header(source));
  BoardIdentity out;
  std::uint32_t offset = kHatHeaderBytes;
  for (std::uint32_t i = 0; i < header.atoms; ++i) {
    if (offset > header.end) return fail(Errc::truncated);
    MPYD_TRY_ASSIGN(const Atom atom, read_atom(source, offset, header.end));
    if (atom.type == kVendorAtom && out.hardware_id.empty())
      MPYD_TRY(read_vendor(source, atom, out));
    if (atom.type == kCustomAtom) MPYD_TRY(read_custom(source, atom, out));
    offset = end_of(atom);
  }
  if (out.hardware_id.empty()) return fail(Errc::malformed);
  MPYD_TRY(check_no_more_atoms(source, offset, header.end));
  return out;
}

// Reads headers only: identify() has checked all atoms. A key block is the atom right behind its
// package or none, so nothing further is looked at: a step of the agent is short.
Result<bool> next_hat_package(Source& source, BoardIdentity& board) {
  if (board.package.length == 0) return false;
  MPYD_TRY_ASSIGN(const Header header, read_header(source));
  BoardIdentity next;
  std::uint32_t offset = board.package.offset - kAtomHeaderBytes;
  if (offset > header.end) return fail(Errc::truncated);
  MPYD_TRY_ASSIGN(Atom atom, read_atom_header(source, offset, header.end));
  bool found = false;
  for (std::uint32_t atoms = 0; atoms < kAtomsMax && end_of(atom) < header.end; ++atoms) {
    MPYD_TRY_ASSIGN(atom, read_atom_header(source, end_of(atom), header.end));
    if (atom.type == kCustomAtom) MPYD_TRY(read_custom(source, atom, next));
    if (found) break;
    found = next.package.length != 0;
  }
  if (next.package.length == 0) return false;
  board.package = next.package;
  board.key_block = next.key_block;
  return true;
}

}  // namespace mpyd::eeprom
