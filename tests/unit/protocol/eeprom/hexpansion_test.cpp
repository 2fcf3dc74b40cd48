#include "protocol/eeprom/hexpansion.hpp"

#include <vector>

#include "protocol/eeprom/hexpansion_layout.hpp"
#include "protocol/eeprom/hexpansion_writer.hpp"
#include "protocol/eeprom/store_area.hpp"
#include "protocol/limits.hpp"
#include "tests/support/images.hpp"

using namespace mpyd;
using namespace mpyd::eeprom;
using namespace mpyd::test;

namespace {

// The example of the layout's own documents: 64 KiB, file system at 0x40.
Buffer example() { return padded(read_vector("hexpansion-2024-header.eep"), kEepromBytesMax); }

// With the header's checksum put right.
template <class Change>
Buffer changed(Buffer image, Change change) {
  change(image);
  image[31] = hexpansion_checksum(image);
  return image;
}

// 8 KiB, file system at 2048, and these records one after the other.
Buffer with_records(const std::vector<Buffer>& records) {
  Buffer image(8192, std::byte{0xff});
  must(write_hexpansion({.page_bytes = 32, .total_bytes = 8192}, image).map([](auto) {}));
  std::size_t at = kHexpansionHeaderBytes;
  for (const Buffer& one : records) {
    copy_bytes(one, MutableBytes(image).subspan(at));
    at += one.size();
  }
  return changed(image, [](Buffer& i) { store_le16(i, 8, 2048); });
}

Buffer checksum_of(Bytes covered) {
  Buffer crc(2);
  store_le16(crc, 0, crc16_arc(0, covered));
  return record(RecordKind::checksum, crc);
}

}  // namespace

TEST_CASE("a hexpansion's vendor, product and unique id are its hardware ID and serial") {
  const Buffer image = example();
  const auto board = identify_image(image);
  REQUIRE(board);
  CHECK(board->layout == Layout::hexpansion);
  CHECK(name(board->layout) == "hexpansion");
  CHECK(id_of(*board) == "thex:f055:0001");
  CHECK(board->revision == 0);
  CHECK(serial_of(*board) == from_hex("0002"));
  CHECK(board->current_ma == 0);
  CHECK(board->package == Extent{});
  CHECK(board->fingerprint == Extent{16, 16});

  const Buffer unnumbered = changed(image, [](Buffer& i) { store_le16(i, 20, 0); });
  CHECK(identify_image(unnumbered)->serial.empty());
  const Buffer year26 = changed(image, [](Buffer& i) { i[7] = std::byte{'6'}; });
  CHECK(id_of(identify_image(year26).value()) == "thex:f055:0001");
}

TEST_CASE("a hexpansion whose first byte probing destroyed is read as badges read it") {
  for (int value = 0; value < 256; ++value) {
    Buffer image = example();
    image[0] = static_cast<std::byte>(value);
    CHECK(identify_image(image));
  }
}

TEST_CASE("A02 every flipped bit behind the first byte of a hexpansion header is noticed") {
  const Buffer image = example();
  for (std::size_t bit = 8; bit < 32 * 8; ++bit) {
    CAPTURE(bit);
    CHECK_FALSE(identify_image(with_flipped_bit(image, bit)));
  }
}

TEST_CASE("A hexpansion that is blank, half written or of another year is named as such") {
  CHECK(error_of(Buffer(8192, std::byte{0xff})) == Errc::blank);
  CHECK(error_of(Buffer(8192, std::byte{0x00})) == Errc::blank);
  const Buffer image = example();
  // Writing ended behind the 8th, the 16th byte.
  for (const std::size_t written : {8U, 16U, 24U})
    CHECK(error_of(padded(Bytes(image).first(written), 8192)) == Errc::bad_checksum);
  CHECK(error_of(padded(Bytes(image).first(2), 8192)) == Errc::bad_magic);
  CHECK(error_of(changed(image, [](Buffer& i) { i[7] = std::byte{'8'}; })) == Errc::unsupported);
  for (std::size_t size = 0; size < 32; ++size)
    CHECK(error_of(Bytes(image).first(size)) == Errc::truncated);
}

TEST_CASE("A29 a hexpansion's sizes may not contradict one another or the part") {
  const Buffer image = example();
  const auto file_system_at = [&](std::uint32_t at) {
    return changed(image, [&](Buffer& i) { store_le16(i, 8, at); });
  };
  const auto total = [&](std::uint32_t bytes) {
    return changed(image, [&](Buffer& i) { store_le32(i, 12, bytes); });
  };
  for (const std::uint32_t at : {0U, 1U, 31U})
    CHECK(error_of(file_system_at(at)) == Errc::malformed);
  CHECK(identify_image(file_system_at(32)));
  CHECK(identify_image(file_system_at(65535)));
  CHECK(error_of(total(0)) == Errc::malformed);
  CHECK(error_of(total(63)) == Errc::malformed);  // the file system would begin behind the end
  CHECK(identify_image(total(64)));
  for (const std::uint32_t bytes : {65537U, 0x7fffffffU, 0xffffffffU})
    CHECK(error_of(total(bytes)) == Errc::limit);
  // The part is smaller than the header says.
  CHECK(error_of(Bytes(image).first(8192)) == Errc::truncated);
}

TEST_CASE("a hexpansion made by hand, records one after the other and no checksum, is read") {
  // Header of 2024: file system at 0x80, pages of 32, 8192 bytes, vid cafe, pid 0042, number 7.
  Buffer image = from_hex(
      "54484558 32303234 8000 2000 00200000 feca 4200 0700 486579000000000000 00"
      "6d707964 03 06000000 6761696e3d32"
      "6d707964 01 03000000 010203"
      "6d707964 02 01000000 04");
  std::byte sum{0x55};
  for (std::size_t i = 1; i < 31; ++i) sum ^= image[i];
  image[31] = sum;
  image.resize(8192, std::byte{0xff});
  const auto board = identify_image(image);
  REQUIRE(board);
  CHECK(id_of(*board) == "thex:cafe:0042");
  CHECK(same_bytes(part_of(image, board->configuration), as_bytes("gain=2")));
  CHECK(same_bytes(part_of(image, board->package), from_hex("6d707964 01 03000000 010203")));
  CHECK(same_bytes(part_of(image, board->key_block), from_hex("6d707964 02 01000000 04")));
  // What ends the records may be anything, and the last of them may end where their room does.
  for (const int fill : {0x00, 0x55}) {
    for (std::size_t i = 70; i < 128; ++i) image[i] = static_cast<std::byte>(fill);
    CHECK(identify_image(image)->configuration.length == 6);
  }
  Buffer full = with_records({record(RecordKind::configuration, Buffer(87))});
  full = changed(full, [](Buffer& i) { store_le16(i, 8, 128); });
  CHECK(identify_image(full)->configuration.length == 87);
}

TEST_CASE("a hexpansion's checksum covers configuration and store area records before it") {
  const Buffer config = record(RecordKind::configuration, as_bytes("gain=2"));
  const Buffer more = record(RecordKind::configuration, as_bytes("gain=3"));
  const Buffer package = record(RecordKind::package, Random(1).bytes(2000 - 300));
  Buffer area(kStoreAreaRecordBytes);
  format_store_area({.place = {1984, 64}, .page_bytes = 32}, area);
  Buffer newer = record(RecordKind::package, as_bytes("who knows"));
  newer[4] = std::byte{77};
  const Buffer crc = checksum_of(concat(area, config));
  CHECK(identify_image(with_records({area, config, crc}))->configuration.length == 6);
  CHECK(identify_image(with_records({area, package, newer, config, crc}))->store_area.page_bytes ==
        32);
  CHECK(error_of(with_records({config, area, crc})) == Errc::bad_checksum);
  CHECK(error_of(with_records({area, more, crc})) == Errc::bad_checksum);
  CHECK(error_of(with_records({area, crc})) == Errc::bad_checksum);
  // What lies behind it is read, too; a second one covers it.
  const Buffer image = with_records({area, config, crc, more});
  CHECK(same_bytes(part_of(image, identify_image(image)->configuration), as_bytes("gain=3")));
  const Buffer all = checksum_of(concat(concat(area, config), more));
  CHECK(identify_image(with_records({area, config, crc, more, all})));
  CHECK(error_of(with_records({area, config, crc, more, crc})) == Errc::bad_checksum);
  CHECK(identify_image(with_records({package, checksum_of({})})));
  CHECK(error_of(with_records({package, crc})) == Errc::bad_checksum);
  for (const std::size_t size : {0U, 1U, 3U, 20U}) {
    Buffer content = copy(Bytes(checksum_of(config)).subspan(kRecordHeaderBytes));
    content.resize(size);
    CHECK(error_of(with_records({config, record(RecordKind::checksum, content)})) ==
          Errc::bad_checksum);
  }
}

TEST_CASE("a configuration that looks like a record needs a checksum") {
  const Buffer text = record(RecordKind::configuration, as_bytes("mpyd=1 mmpyd mpyd\x07"));
  CHECK(identify_image(with_records({text})));
  const Buffer looks = record(RecordKind::configuration, concat(Buffer(62), as_bytes("mmpyd\x06")));
  CHECK(error_of(with_records({looks})) == Errc::malformed);
  CHECK(identify_image(with_records({looks, checksum_of(looks)})));
}

TEST_CASE("our records on a hexpansion are found between header and file system") {
  const Buffer config = record(RecordKind::configuration, as_bytes("gain=2"));
  const Buffer package = record(RecordKind::package, Random(1).bytes(300));
  const Buffer keys = record(RecordKind::key_block, Random(2).bytes(90));
  const Buffer other = record(RecordKind::package, Random(3).bytes(40));
  const Buffer image = with_records({config, package, keys, other});
  ImageSource source(image);
  auto board = identify(source);
  REQUIRE(board);
  CHECK(same_bytes(part_of(image, board->configuration), as_bytes("gain=2")));
  CHECK(same_bytes(part_of(image, board->package), package));
  CHECK(same_bytes(part_of(image, board->key_block), keys));
  CHECK(next_package(source, *board) == true);
  CHECK(same_bytes(part_of(image, board->package), other));
  CHECK(board->key_block == Extent{});
  CHECK(next_package(source, *board) == false);
  CHECK(same_bytes(part_of(image, board->package), other));
}

TEST_CASE("records of a newer mpyd on a hexpansion are stepped over, foreign bytes end them") {
  Buffer newer = record(RecordKind::package, as_bytes("who knows"));
  newer[4] = std::byte{77};
  const Buffer package = record(RecordKind::package, as_bytes("a package"));
  CHECK(identify_image(with_records({newer, package}))->package.length == package.size());
  CHECK(identify_image(with_records({copy("not ours"), package}))->package == Extent{});
}

TEST_CASE("A29 a record on a hexpansion may not reach into the file system") {
  const auto claiming = [](std::uint32_t length) {
    Buffer one = record(RecordKind::package, as_bytes("content"));
    store_le32(one, 5, length);
    return with_records({one});
  };
  // 2048 - 32 - 9 bytes are left behind the record's header.
  CHECK(identify_image(claiming(2007))->package.length == 2016);
  for (const std::uint32_t length : {2008U, 8192U, 0x7fffffffU, 0xfffffff0U, 0xffffffffU})
    CHECK(error_of(claiming(length)) == Errc::truncated);
  CHECK(error_of(with_records({record(RecordKind::configuration, Buffer(1025))})) == Errc::limit);
  CHECK(identify_image(with_records({record(RecordKind::configuration, Buffer(1024))})));
  CHECK(error_of(with_records(std::vector<Buffer>(33, record(RecordKind::package, {})))) ==
        Errc::limit);
}

TEST_CASE("A02 a flipped bit in a record on a hexpansion never changes what is read unnoticed") {
  const Buffer keys = record(RecordKind::key_block, Random(2).bytes(90));
  const Buffer package = record(RecordKind::package, Random(1).bytes(60));
  const BoardPackage on_board{.package = package, .key_block = keys};
  // What looks like the end of the records, should a length lead into it.
  const Buffer configs[] = {copy("offset=-0.125"), Buffer(48), Buffer(12, std::byte{0xff}),
                            Random(3).bytes(1024)};
  for (const Buffer& config : configs) {
    for (const std::size_t packages : {0U, 1U}) {
      for (const std::uint32_t reserve : {0U, 500U}) {
        Buffer image(8192);
        REQUIRE(write_hexpansion({.page_bytes = 32,
                                  .total_bytes = 8192,
                                  .configuration = config,
                                  .packages = {&on_board, packages},
                                  .reserve = {.bytes = reserve, .page_bytes = 32}},
                                 image));
        const BoardIdentity good = identify_image(image).value();
        // Both records whole, or of a long configuration the beginning; what comes behind.
        const std::size_t end = good.configuration.offset + 200;
        for (std::size_t bit = 32 * 8; bit < end * 8; ++bit) {
          const Buffer damaged = with_flipped_bit(image, bit);
          const auto board = identify_image(damaged);
          if (!board || (board->store_area == good.store_area &&
                         same_bytes(part_of(damaged, board->configuration), config)))
            continue;
          CAPTURE(config.size(), packages, reserve, bit);
          FAIL_CHECK("it is read as something else");
        }
      }
    }
  }
}

TEST_CASE("A30 identifying a hexpansion reads a bounded part of it, packages not at all") {
  const Buffer config = record(RecordKind::configuration, as_bytes("gain=2"));
  const Buffer package = record(RecordKind::package, Random(1).bytes(1500));
  const Buffer image = with_records({config, package, checksum_of(config)});
  CountingSource source(image);
  REQUIRE(identify(source));
  CHECK(source.bytes_read < 128);
  const Buffer unprotected = with_records({config, package});
  CountingSource looks_behind(unprotected);
  REQUIRE(identify(looks_behind));
  CHECK(looks_behind.bytes_read < 128 + 1033);

  Buffer hostile(kEepromBytesMax, std::byte{0xff});
  must(write_hexpansion({.page_bytes = 32, .total_bytes = 65536}, hostile).map([](auto) {}));
  const auto filled = [&](RecordKind kind, std::size_t count) {
    Buffer out = hostile;
    const Buffer one = record(kind, Buffer(1000));
    for (std::size_t i = 0; i < count; ++i)
      copy_bytes(one, MutableBytes(out).subspan(32 + i * one.size()));
    return changed(out, [](Buffer& i) { store_le16(i, 8, 0xffe0); });
  };
  for (const RecordKind kind : {RecordKind::configuration, RecordKind::store_area}) {
    const Buffer many = filled(kind, 30);
    CountingSource slow(many);
    CHECK(identify(slow).error() == Errc::limit);
    CHECK(slow.bytes_read < 4500);
    const Buffer all = filled(kind, 4);
    CountingSource spent(all);
    CHECK(identify(spent));
    CHECK(spent.bytes_read < 4500);
  }
}

TEST_CASE("a hexpansion image has its records on our side of a file system on a page boundary") {
  const Buffer package = record(RecordKind::package, Random(1).bytes(700));
  const Buffer keys = record(RecordKind::key_block, Random(2).bytes(90));
  const BoardPackage on_board{.package = package, .key_block = keys};
  for (const HexpansionYear year : {HexpansionYear::y2024, HexpansionYear::y2026}) {
    Buffer image(8192);
    const auto file_system = write_hexpansion({.year = year,
                                               .vid = 0xcafe,
                                               .pid = 0x1234,
                                               .unique_id = 0x0102,
                                               .friendly_name = "123456789",
                                               .page_bytes = 32,
                                               .total_bytes = 8192,
                                               .configuration = as_bytes("c"),
                                               .packages = {&on_board, 1},
                                               .reserve = {.bytes = 2000, .page_bytes = 32}},
                                              image);
    REQUIRE(file_system);
    CHECK(*file_system % 32 == 0);
    const auto board = identify_image(image);
    REQUIRE(board);
    CHECK(id_of(*board) == "thex:cafe:1234");
    CHECK(serial_of(*board) == from_hex("0102"));
    CHECK(same_bytes(part_of(image, board->package), package));
    CHECK(same_bytes(part_of(image, board->key_block), keys));
    CHECK(same_bytes(part_of(image, board->configuration), as_bytes("c")));
    CHECK(board->store_area.page_bytes == 32);
    CHECK(board->store_area.place.length == 2016);
    CHECK(board->store_area.place.offset % 32 == 0);
    CHECK(board->store_area.place.offset + board->store_area.place.length == *file_system);
  }
}

TEST_CASE("a store area right behind a hexpansion's records is not read as one of them") {
  Buffer image(8192);
  // Header, area record, configuration, checksum: three pages.
  const std::string config(24, 'c');
  const HexpansionContent content{.page_bytes = 32,
                                  .total_bytes = 8192,
                                  .configuration = as_bytes(config),
                                  .reserve = {.bytes = 1024, .page_bytes = 32}};
  REQUIRE(write_hexpansion(content, image));
  const StoreArea area = identify_image(image)->store_area;
  REQUIRE(area.place.offset == 96);
  const Buffer package = record(RecordKind::package, Random(1).bytes(200));
  const Bank bank = choose_bank({}, area, static_cast<std::uint32_t>(package.size())).value();
  format_bank_head(bank, MutableBytes(image).subspan(bank.place.offset));
  copy_bytes(package, MutableBytes(image).subspan(bank.content.offset));
  ImageSource source(image);
  auto board = identify(source);
  REQUIRE(board);
  CHECK(same_bytes(part_of(image, board->package), package));
  CHECK(next_package(source, *board) == false);
}

TEST_CASE("a package stored right behind the records of a hexpansion without checksum is read") {
  const StoreArea area{.place = {96, 1024}, .page_bytes = 32};
  Buffer announced(kStoreAreaRecordBytes);
  format_store_area(area, announced);
  // Header, area record, configuration: three pages.
  const Buffer config = record(RecordKind::configuration, Buffer(35));
  Buffer image = with_records({announced, config});
  const Buffer package = record(RecordKind::package, Random(1).bytes(200));
  const Bank bank = choose_bank({}, area, static_cast<std::uint32_t>(package.size())).value();
  REQUIRE(bank.place.offset == 32 + announced.size() + config.size());
  format_bank_head(bank, MutableBytes(image).subspan(bank.place.offset));
  copy_bytes(package, MutableBytes(image).subspan(bank.content.offset));
  const auto board = identify_image(image);
  REQUIRE(board);
  CHECK(same_bytes(part_of(image, board->package), package));
}

TEST_CASE("the hexpansion writer refuses what no badge or motherboard could read") {
  Buffer image(kEepromBytesMax + 1);
  const HexpansionContent good{.page_bytes = 32, .total_bytes = 8192};
  const auto error = [&](auto change) {
    HexpansionContent content = good;
    change(content);
    const auto written = write_hexpansion(content, image);
    REQUIRE(!written);
    return written.error();
  };
  using C = HexpansionContent;
  REQUIRE(write_hexpansion(good, image) == 32);
  for (const std::uint32_t page : {0U, 4U, 24U, 512U})
    CHECK(error([&](C& c) { c.page_bytes = page; }) == Errc::malformed);
  CHECK(error([](C& c) { c.total_bytes = 0; }) == Errc::malformed);
  CHECK(error([](C& c) { c.total_bytes = 8191; }) == Errc::malformed);
  CHECK(error([](C& c) { c.total_bytes = 1U << 17; }) == Errc::limit);
  CHECK(error([](C& c) { c.friendly_name = "1234567890"; }) == Errc::limit);
  CHECK(error([](C& c) { c.friendly_name = std::string_view("a\0b", 3); }) == Errc::malformed);
  const Buffer long_config(1025);
  CHECK(error([&](C& c) { c.configuration = long_config; }) == Errc::limit);
  const Buffer large = record(RecordKind::package, Buffer(8192));
  const BoardPackage on_board{.package = large};
  CHECK(error([&](C& c) { c.packages = {&on_board, 1}; }) == Errc::limit);
  CHECK(error([&](C& c) { c.reserve = {8192, 32}; }) == Errc::limit);
  // The file system's offset has 16 bits, and it needs two blocks.
  CHECK(error([&](C& c) { c.reserve = {8192 - 1024 - 32, 32}; }) == Errc::limit);
  CHECK(write_hexpansion(good, MutableBytes(image).first(8191)).error() == Errc::limit);
}
