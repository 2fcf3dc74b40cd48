#include "protocol/eeprom/hat_writer.hpp"

#include "protocol/checksum.hpp"
#include "protocol/eeprom/hat.hpp"
#include "protocol/eeprom/hat_layout.hpp"
#include "protocol/eeprom/record.hpp"
#include "protocol/eeprom/store_area.hpp"
#include "protocol/limits.hpp"

namespace mpyd::eeprom {
namespace {

// Appends atoms behind the header, which is written last.
class AtomWriter {
 public:
  explicit AtomWriter(MutableBytes out) : out_(out) {}

  // Room for the data of an atom of `data_bytes`; end() closes it. Errors: limit.
  Result<MutableBytes> begin(std::uint32_t type, std::size_t data_bytes) {
    const std::size_t whole = kAtomHeaderBytes + data_bytes + kCrcBytes;
    if (out_.size() < size_ || whole > out_.size() - size_ || size_ + whole > kEepromBytesMax)
      return fail(Errc::limit);
    if (count_ == kAtomsMax) return fail(Errc::limit);
    atom_ = out_.subspan(size_, whole);
    store_le16(atom_, 0, type);
    store_le16(atom_, 2, count_);
    store_le32(atom_, 4, static_cast<std::uint32_t>(data_bytes + kCrcBytes));
    return atom_.subspan(kAtomHeaderBytes, data_bytes);
  }

  // Returns the whole atom, for close() if its data changes.
  MutableBytes end() {
    close(atom_);
    size_ += atom_.size();
    ++count_;
    return atom_;
  }

  // The checksum covers the atom's header and data.
  static void close(MutableBytes atom) {
    const std::size_t crc_at = atom.size() - kCrcBytes;
    store_le16(atom, crc_at, crc16_arc(0, atom.first(crc_at)));
  }

  Result<void> add(std::uint32_t type, Bytes data) {
    MPYD_TRY_ASSIGN(const MutableBytes room, begin(type, data.size()));
    copy_bytes(data, room);
    end();
    return {};
  }

  std::size_t finish(HatFormat format) {
    copy_bytes(as_bytes("R-Pi"), out_);
    store_u8(out_, 4, static_cast<std::uint32_t>(format));
    store_u8(out_, 5, 0);
    store_le16(out_, 6, count_);
    store_le32(out_, 8, static_cast<std::uint32_t>(size_));
    return size_;
  }

 private:
  MutableBytes out_;
  MutableBytes atom_;
  std::size_t size_ = kHatHeaderBytes;
  std::uint32_t count_ = 0;
};

Result<void> write_vendor(const HatContent& content, AtomWriter& atoms) {
  if (content.vendor.empty()) return fail(Errc::malformed);
  if (content.vendor.size() > 255 || content.product.size() > 255) return fail(Errc::limit);
  MPYD_TRY_ASSIGN(
      const MutableBytes data,
      atoms.begin(kVendorAtom, kVendorFixedBytes + content.vendor.size() + content.product.size()));
  // The format stores a UUID with its least significant byte first.
  for (std::size_t i = 0; i < content.uuid.size(); ++i)
    data[i] = content.uuid[content.uuid.size() - 1 - i];
  store_le16(data, 16, content.product_id);
  store_le16(data, 18, content.product_version);
  store_u8(data, 20, static_cast<std::uint32_t>(content.vendor.size()));
  store_u8(data, 21, static_cast<std::uint32_t>(content.product.size()));
  copy_bytes(as_bytes(content.vendor), data.subspan(kVendorFixedBytes));
  copy_bytes(as_bytes(content.product), data.subspan(kVendorFixedBytes + content.vendor.size()));
  atoms.end();
  return {};
}

Result<void> write_configuration(Bytes configuration, AtomWriter& atoms) {
  if (configuration.size() > kConfigMax) return fail(Errc::limit);
  MPYD_TRY_ASSIGN(const MutableBytes data,
                  atoms.begin(kCustomAtom, kRecordHeaderBytes + configuration.size()));
  format_record_header(
      {RecordKind::configuration, static_cast<std::uint32_t>(configuration.size())}, data);
  copy_bytes(configuration, data.subspan(kRecordHeaderBytes));
  atoms.end();
  return {};
}

Result<void> write_foreign(const HatContent& content, AtomWriter& atoms) {
  bool has_gpio_map = content.format != HatFormat::hat;
  for (const HatAtom& atom : content.atoms) has_gpio_map |= atom.type == kGpioMapAtom;
  if (!has_gpio_map) {
    const std::array<std::byte, kGpioMapBytes> no_pin{};
    MPYD_TRY(atoms.add(kGpioMapAtom, no_pin));
  }
  for (const HatAtom& atom : content.atoms) {
    const bool is_valid = atom.type != 0 && atom.type != 0xffff && atom.type != kVendorAtom &&
                          atom.type != kPowerAtom &&
                          (atom.type != kGpioMapAtom || atom.data.size() == kGpioMapBytes) &&
                          (atom.type != kCustomAtom || !parse_record_header(atom.data));
    if (!is_valid) return fail(Errc::malformed);
    MPYD_TRY(atoms.add(atom.type, atom.data));
  }
  return {};
}

Result<void> write_power(const HatContent& content, AtomWriter& atoms) {
  if (content.current_ma == 0) return {};
  if (content.format == HatFormat::hat) return fail(Errc::malformed);
  MPYD_TRY_ASSIGN(const MutableBytes data, atoms.begin(kPowerAtom, kPowerBytes));
  store_le32(data, 0, content.current_ma);
  atoms.end();
  return {};
}

// The size of the record does not depend on the area's place, so this is filled in last.
Result<MutableBytes> begin_store_area(const HatContent& content, AtomWriter& atoms) {
  if (content.reserve.bytes == 0) return MutableBytes();
  MPYD_TRY(atoms.begin(kCustomAtom, kStoreAreaRecordBytes));
  return atoms.end();
}
Result<void> end_store_area(const Reserve& reserve, std::size_t used, MutableBytes atom) {
  if (atom.empty()) return {};
  MPYD_TRY_ASSIGN(const StoreArea area, place_store_area(static_cast<std::uint32_t>(used),
                                                         reserve.bytes, reserve.page_bytes));
  format_store_area(area, atom.subspan(kAtomHeaderBytes));
  AtomWriter::close(atom);
  return {};
}

}  // namespace

Result<std::size_t> write_hat(const HatContent& content, MutableBytes out) {
  AtomWriter atoms(out);
  MPYD_TRY(write_vendor(content, atoms));
  MPYD_TRY(write_foreign(content, atoms));
  MPYD_TRY(write_power(content, atoms));
  if (!content.configuration.empty()) MPYD_TRY(write_configuration(content.configuration, atoms));
  MPYD_TRY_ASSIGN(const MutableBytes area, begin_store_area(content, atoms));
  for (const BoardPackage& one : content.packages) {
    MPYD_TRY(atoms.add(kCustomAtom, one.package));
    if (!one.key_block.empty()) MPYD_TRY(atoms.add(kCustomAtom, one.key_block));
  }
  const std::size_t used = atoms.finish(content.format);
  MPYD_TRY(end_store_area(content.reserve, used, area));
  return used;
}

}  // namespace mpyd::eeprom
