// What a board's EEPROM says: identity, and where its records lie.
#include <algorithm>

#include "protocol/checksum.hpp"
#include "protocol/eeprom/hat_layout.hpp"
#include "protocol/eeprom/hat_writer.hpp"
#include "protocol/eeprom/hexpansion_layout.hpp"
#include "protocol/eeprom/hexpansion_writer.hpp"
#include "protocol/eeprom/identify.hpp"
#include "protocol/eeprom/life_writer.hpp"
#include "protocol/eeprom/record.hpp"
#include "protocol/eeprom/store_area.hpp"
#include "protocol/package/key_block.hpp"
#include "protocol/package/package.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/support/bytes.hpp"

using namespace mpyd;

namespace {

Bytes inside(Bytes image, eeprom::Extent extent) {
  FUZZ_CHECK(extent.offset <= image.size() && extent.length <= image.size() - extent.offset);
  return image.subspan(extent.offset, extent.length);
}

void check_records(Bytes image, const eeprom::BoardIdentity& board) {
  if (board.package.length != 0) {
    const Bytes package = inside(image, board.package);
    FUZZ_CHECK(parse_record_header(package)->kind == RecordKind::package);
    (void)parse_package_head(package);
  }
  if (board.key_block.length != 0) {
    const Bytes block = inside(image, board.key_block);
    FUZZ_CHECK(parse_record_header(block)->kind == RecordKind::key_block);
    (void)key_block_bytes(block);
  }
}

// Two banks, then what came with the board.
constexpr unsigned kPackagesMax = 2 + eeprom::kRecordsMax;

bool is_stored(const eeprom::BoardIdentity& board) {
  return board.package.offset >= board.store_area.place.offset &&
         board.package.offset - board.store_area.place.offset < board.store_area.place.length;
}

void read_hostile(Bytes image) {
  eeprom::ImageSource source(image);
  auto board = eeprom::identify(source);
  if (!board) return;
  FUZZ_CHECK(HardwareId::parse(board->hardware_id.view()));
  FUZZ_CHECK(inside(image, board->configuration).size() <= kConfigMax);
  FUZZ_CHECK(inside(image, board->fingerprint).size() <= eeprom::kFingerprintBytesMax);
  FUZZ_CHECK(board->fingerprint.length > 0);
  (void)inside(image, board->store_area.place);
  check_records(image, *board);
  for (unsigned packages = 1;; ++packages) {
    FUZZ_CHECK(packages <= kPackagesMax);
    const eeprom::BoardIdentity before = *board;
    if (!eeprom::next_package(source, *board).value_or(false)) return;
    // What is stored comes first; the rest lies in its order.
    FUZZ_CHECK(is_stored(before) ||
               (!is_stored(*board) && board->package.offset > before.package.offset));
    check_records(image, *board);
  }
}

// Makes the checksum of every atom right, so that what lies behind it is reached.
void mend_checksums(test::Buffer& image) {
  std::size_t at = 12;
  while (image.size() - at > eeprom::kAtomHeaderBytes) {
    const std::uint32_t length = load_le32(image, at + 4);
    const std::size_t left = image.size() - at - eeprom::kAtomHeaderBytes;
    if (length < eeprom::kCrcBytes || length > left) return;
    const std::size_t end = at + eeprom::kAtomHeaderBytes + length;
    const Bytes covered = Bytes(image).subspan(at, end - eeprom::kCrcBytes - at);
    store_le16(image, end - eeprom::kCrcBytes, crc16_arc(0, covered));
    at = end;
  }
}

// The same of a hexpansion's header and records.
void mend_hexpansion(test::Buffer& image) {
  std::size_t at = eeprom::kHexpansionHeaderBytes;
  std::uint16_t crc = 0;
  while (image.size() - at >= kRecordHeaderBytes) {
    const std::uint32_t length = load_le32(image, at + 5);
    if (length > image.size() - at - kRecordHeaderBytes) break;
    const MutableBytes record = MutableBytes(image).subspan(at, kRecordHeaderBytes + length);
    const auto header = parse_record_header(record);
    if (header && header->kind == RecordKind::checksum && length == eeprom::kCrcBytes)
      store_le16(record, kRecordHeaderBytes, crc);
    if (header &&
        (header->kind == RecordKind::configuration || header->kind == RecordKind::store_area))
      crc = crc16_arc(crc, record);
    at += record.size();
  }
  image[eeprom::kHexpansionHeaderBytes - 1] = eeprom::hexpansion_checksum(image);
}

std::byte zero_sum(Bytes bytes) {
  unsigned sum = 0;
  for (const std::byte b : bytes) sum += std::to_integer<unsigned>(b);
  return static_cast<std::byte>(0U - sum);
}

// The same of a FRU's header and board area.
void mend_fru(test::Buffer& image) {
  image[7] = zero_sum(Bytes(image).first(7));
  const std::size_t area = load_u8(image, 3) * 8;
  if (area == 0 || area + 2 > image.size()) return;
  const std::size_t length = load_u8(image, area + 1) * 8;
  if (length == 0 || length > image.size() - area) return;
  image[area + length - 1] = zero_sum(Bytes(image).subspan(area, length - 1));
}

void read_mended(Bytes input, std::size_t bytes_min, void (*mend)(test::Buffer&)) {
  test::Buffer image = test::copy(input);
  if (image.size() > bytes_min) mend(image);
  read_hostile(image);
}

void write_and_read_hexpansion(fuzz::Input input) {
  eeprom::HexpansionContent content;
  content.vid = static_cast<std::uint16_t>(input.u16());
  content.pid = static_cast<std::uint16_t>(input.u16());
  content.unique_id = static_cast<std::uint16_t>(input.u16());
  content.friendly_name = as_text(input.take(input.byte() % 11));
  content.page_bytes = 4U << input.byte() % 8;
  content.total_bytes = 64U << input.byte() % 12;
  content.reserve = {.bytes = input.u16(), .page_bytes = content.page_bytes};
  content.configuration = input.rest();
  test::Buffer image(kEepromBytesMax);
  const auto file_system = eeprom::write_hexpansion(content, image);
  if (!file_system) return;
  image.resize(content.total_bytes);
  eeprom::ImageSource source(image);
  const auto board = eeprom::identify(source);
  FUZZ_CHECK(board);
  FUZZ_CHECK(same_bytes(inside(image, board->configuration), content.configuration));
  FUZZ_CHECK(board->serial.empty() == (content.unique_id == 0));
  FUZZ_CHECK(board->store_area.place.length >= content.reserve.bytes);
  FUZZ_CHECK(inside(image, board->store_area.place).size() <= *file_system);
}

void write_and_read_life(fuzz::Input input) {
  eeprom::LifeContent content;
  content.name = as_text(input.take(input.byte()));
  content.driver_name = as_text(input.take(input.byte()));
  content.driver_data = input.rest();
  test::Buffer image(1024);
  const auto size = eeprom::write_life(content, image);
  if (!size) return;
  eeprom::ImageSource source(Bytes(image).first(*size));
  const auto board = eeprom::identify(source);
  FUZZ_CHECK(board);
  const auto id = HardwareId::make("life", content.name, content.driver_name);
  FUZZ_CHECK(id && board->hardware_id == *id);
}

// An area of any shape with anything in it: what is stored there is found again, and its place
// overlaps neither what comes before the area nor, where two fit, what was the newest before.
void store_and_find(fuzz::Input input) {
  const std::uint32_t behind = input.u16() % 4096;
  const auto area = eeprom::place_store_area(behind, input.u16() % 8192, 4U << input.byte() % 8);
  if (!area) return;
  const std::uint32_t bytes = kRecordHeaderBytes + input.u16() % 8192;
  test::Buffer chip(area->place.offset + area->place.length, std::byte{0xff});
  const Bytes noise = input.rest().first(std::min<std::size_t>(input.rest().size(), 4096));
  copy_bytes(noise.first(std::min<std::size_t>(noise.size(), area->place.length)),
             MutableBytes(chip).subspan(area->place.offset));
  eeprom::ImageSource source(chip);
  for (int turn = 0; turn < 3; ++turn) {
    const auto before = eeprom::read_banks(source, *area);
    FUZZ_CHECK(before);
    const auto bank = eeprom::choose_bank(*before, *area, bytes);
    FUZZ_CHECK(bank.has_value() == (bytes <= eeprom::room_of(*area).one));
    if (!bank) return;
    FUZZ_CHECK(bank->place.offset >= behind);
    const MutableBytes content = MutableBytes(chip).subspan(bank->content.offset, bytes);
    (void)inside(chip, bank->place);
    const auto length = static_cast<std::uint32_t>(bytes - kRecordHeaderBytes);
    format_record_header({RecordKind::package, length}, content);
    eeprom::format_bank_head(*bank, MutableBytes(chip).subspan(bank->place.offset));
    const auto after = eeprom::read_banks(source, *area);
    FUZZ_CHECK(after && after->bank[0] == *bank);
    FUZZ_CHECK(eeprom::find_stored(source, after->bank[0])->package == bank->content);
    const bool two_fit = bytes <= eeprom::room_of(*area).each_of_two;
    const bool was_half = before->bank[0].place.length < area->place.length;
    if (two_fit && was_half && before->bank[0].sequence != 0)
      FUZZ_CHECK(after->bank[1] == before->bank[0]);
  }
}

void write_and_read(fuzz::Input input) {
  eeprom::HatContent content;
  content.format = (input.byte() & 1) != 0 ? eeprom::HatFormat::hat : eeprom::HatFormat::hat_plus;
  content.product_id = static_cast<std::uint16_t>(input.u16());
  content.product_version = static_cast<std::uint16_t>(input.u16());
  copy_bytes(input.take(4), content.uuid);
  content.vendor = as_text(input.take(input.byte()));
  content.product = as_text(input.take(input.byte()));
  std::array<eeprom::HatAtom, 2> atoms;
  for (eeprom::HatAtom& atom : atoms) {
    atom.type = static_cast<std::uint16_t>(input.u16());
    atom.data = input.take(input.byte());
  }
  content.atoms = std::span(atoms).first(input.byte() % 3);
  content.current_ma = input.byte();
  content.reserve = {.bytes = input.byte() * 16U, .page_bytes = 4U << input.byte() % 8};
  content.configuration = input.rest();
  test::Buffer image(kEepromBytesMax, std::byte{0xff});
  const auto size = eeprom::write_hat(content, image);
  if (!size) return;
  eeprom::ImageSource source(image);
  const auto board = eeprom::identify(source);
  // A vendor whose percent-encoding is too long for a hardware ID can be written, not read.
  if (!board) {
    FUZZ_CHECK(board.error() == Errc::limit || board.error() == Errc::malformed);
    return;
  }
  FUZZ_CHECK(board->revision == content.product_version);
  FUZZ_CHECK(board->store_area.place.length >= content.reserve.bytes);
  FUZZ_CHECK(content.reserve.bytes == 0 || board->store_area.place.offset >= *size);
  const Bytes configuration = inside(image, board->configuration);
  FUZZ_CHECK(same_bytes(configuration, content.configuration));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  switch (input.byte() % 8) {
    case 0:
      read_hostile(input.rest());
      break;
    case 1:
      read_mended(input.rest(), 12, mend_checksums);
      break;
    case 2:
      write_and_read(input);
      break;
    case 3:
      read_mended(input.rest(), eeprom::kHexpansionHeaderBytes, mend_hexpansion);
      break;
    case 4:
      read_mended(input.rest(), 8, mend_fru);
      break;
    case 5:
      write_and_read_hexpansion(input);
      break;
    case 6:
      write_and_read_life(input);
      break;
    default:
      store_and_find(input);
  }
  return 0;
}
