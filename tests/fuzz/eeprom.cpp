// What a board's EEPROM says: identity, and where its records lie.
#include "protocol/checksum.hpp"
#include "protocol/eeprom/hat_layout.hpp"
#include "protocol/eeprom/hat_writer.hpp"
#include "protocol/eeprom/identify.hpp"
#include "protocol/eeprom/record.hpp"
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

void read_hostile(Bytes image) {
  eeprom::ImageSource source(image);
  auto board = eeprom::identify(source);
  if (!board) return;
  FUZZ_CHECK(HardwareId::parse(board->hardware_id.view()));
  FUZZ_CHECK(inside(image, board->configuration).size() <= kConfigMax);
  check_records(image, *board);
  for (unsigned packages = 1;; ++packages) {
    FUZZ_CHECK(packages <= eeprom::kAtomsMax);
    const std::uint32_t before = board->package.offset;
    if (!eeprom::next_package(source, *board).value_or(false)) return;
    FUZZ_CHECK(board->package.offset > before);
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
  content.configuration = input.rest();
  test::Buffer image(kEepromBytesMax);
  const auto size = eeprom::write_hat(content, image);
  if (!size) return;
  eeprom::ImageSource source(Bytes(image).first(*size));
  const auto board = eeprom::identify(source);
  // A vendor whose percent-encoding is too long for a hardware ID can be written, not read.
  if (!board) {
    FUZZ_CHECK(board.error() == Errc::limit || board.error() == Errc::malformed);
    return;
  }
  FUZZ_CHECK(board->revision == content.product_version);
  const Bytes configuration = inside(image, board->configuration);
  FUZZ_CHECK(same_bytes(configuration, content.configuration));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  switch (input.byte() % 3) {
    case 0:
      read_hostile(input.rest());
      break;
    case 1: {
      test::Buffer image = test::copy(input.rest());
      if (image.size() > 12) mend_checksums(image);
      read_hostile(image);
      break;
    }
    default:
      write_and_read(input);
  }
  return 0;
}
