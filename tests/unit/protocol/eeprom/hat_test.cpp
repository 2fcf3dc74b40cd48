#include "protocol/eeprom/hat.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "protocol/checksum.hpp"
#include "protocol/eeprom/hat_writer.hpp"
#include "protocol/eeprom/record.hpp"
#include "protocol/limits.hpp"
#include "tests/support/images.hpp"

using namespace mpyd;
using namespace mpyd::eeprom;
using mpyd::test::Buffer;
using mpyd::test::error_of;
using mpyd::test::from_hex;
using mpyd::test::identify_image;
using mpyd::test::record;

namespace {

constexpr std::uint32_t kVendorAtom = 1;
constexpr std::uint32_t kCustomAtom = 4;

bool same_identity(const BoardIdentity& a, const BoardIdentity& b) {
  return a.hardware_id == b.hardware_id && a.revision == b.revision &&
         std::equal(a.serial.begin(), a.serial.end(), b.serial.begin(), b.serial.end()) &&
         a.package == b.package && a.key_block == b.key_block && a.configuration == b.configuration;
}

// Builds images that the writer refuses to build.
struct Image {
  Buffer bytes = from_hex("522d5069 02 00 0000 00000000");
  std::uint32_t atoms = 0;

  Image& atom(std::uint32_t type, Bytes data) {
    Buffer head(8);
    store_le16(head, 0, type);
    store_le16(head, 2, atoms++);
    store_le32(head, 4, static_cast<std::uint32_t>(data.size() + 2));
    const Buffer whole = test::concat(head, data);
    Buffer crc(2);
    store_le16(crc, 0, crc16_arc(0, whole));
    bytes = test::concat(test::concat(bytes, whole), crc);
    store_le16(bytes, 6, atoms);
    store_le32(bytes, 8, static_cast<std::uint32_t>(bytes.size()));
    return *this;
  }
  Image& vendor(std::string_view vendor, std::string_view product = "p") {
    Buffer data(22);
    store_le16(data, 16, 0xabcd);
    store_le16(data, 18, 5);
    store_u8(data, 20, static_cast<std::uint32_t>(vendor.size()));
    store_u8(data, 21, static_cast<std::uint32_t>(product.size()));
    return atom(kVendorAtom, test::concat(test::concat(data, as_bytes(vendor)), as_bytes(product)));
  }
};

}  // namespace

TEST_CASE("HAT images of the format's own tool say who they are") {
  struct Row {
    std::string file, hardware_id, serial;
    std::uint32_t revision;
  };
  const Row kRows[] = {
      {"hat-plus-thermo.eep", "hat:Meadow%20Instruments:0042", "2f0c6a1e5b7d4c3a9e217a5f1b8c4d10",
       3},
      {"hat-v1-relay.eep", "hat:Meadow%20Instruments:1007", "9b1d2c3e0a4f4e558b66c1d2e3f4a5b6", 1},
  };
  for (const Row& row : kRows) {
    INFO(row.file);
    const auto identity = identify_image(test::read_vector(row.file));
    REQUIRE(identity);
    CHECK(std::string(identity->hardware_id.view()) == row.hardware_id);
    CHECK(identity->revision == row.revision);
    CHECK(
        same_bytes(Bytes(identity->serial.begin(), identity->serial.size()), from_hex(row.serial)));
    // The vector's first custom atom starts like a record of ours but is too short for one.
    CHECK(identity->package == Extent{});
    CHECK(identity->key_block == Extent{});
    CHECK(identity->configuration == Extent{});
  }
}

TEST_CASE("A29 every proper prefix of an EEPROM image fails cleanly") {
  for (const std::string file : {"hat-plus-thermo.eep", "hat-v1-relay.eep"}) {
    const Buffer image = test::read_vector(file);
    for (std::size_t size = 0; size < image.size(); ++size) {
      INFO(file << " cut to " << size);
      CHECK(error_of(Bytes(image).first(size)) == Errc::truncated);
    }
  }
}

TEST_CASE("A02 every single bit flip of an EEPROM image is detected or changes nothing") {
  // A package proves itself, so a large one's checksum is not read; its extent must not move.
  const std::string config(40, 'c');
  const Buffer package = record(RecordKind::package, test::Random(1).bytes(1100));
  const Buffer key_block = record(RecordKind::key_block, test::Random(2).bytes(90));
  Buffer own(2048);
  const BoardPackage sealed{.package = package, .key_block = key_block};
  own.resize(
      write_hat({.vendor = "Meadow", .configuration = as_bytes(config), .packages = {&sealed, 1}},
                own)
          .value());
  const BoardPackage open{.package = package};
  Buffer package_last(2048);
  package_last.resize(
      write_hat({.vendor = "Meadow", .packages = {&open, 1}}, package_last).value());
  for (const Buffer& image : {test::read_vector("hat-plus-thermo.eep"),
                              test::read_vector("hat-v1-relay.eep"), own, package_last}) {
    // On a real EEPROM the image is followed by erased memory.
    Buffer chip = image;
    chip.resize(2 * image.size(), std::byte{0xff});
    for (const Buffer& whole : {image, chip}) {
      const BoardIdentity good = identify_image(whole).value();
      for (std::size_t bit = 0; bit < image.size() * 8; ++bit) {
        const auto identity = identify_image(test::with_flipped_bit(whole, bit));
        if (!identity || same_identity(*identity, good)) continue;
        FAIL("bit " << bit << " changes the identity unnoticed");
      }
    }
  }
}

TEST_CASE("our records are found in custom atoms, and their extents cover them") {
  const Buffer package = record(RecordKind::package, as_bytes("package bytes"));
  const Buffer key_block = record(RecordKind::key_block, as_bytes("keys"));
  Buffer image(4096);
  const BoardPackage sealed{.package = package, .key_block = key_block};
  HatContent content{.vendor = "Meadow Instruments",
                     .product = "Thermo board",
                     .product_id = 0x42,
                     .product_version = 3,
                     .configuration = as_bytes("gain=2"),
                     .packages = {&sealed, 1}};
  content.uuid[0] = std::byte{0x2f};
  content.uuid[15] = std::byte{0x10};
  image.resize(write_hat(content, image).value());

  const auto identity = identify_image(image);
  REQUIRE(identity);
  CHECK(std::string(identity->hardware_id.view()) == "hat:Meadow%20Instruments:0042");
  CHECK(identity->revision == 3);
  REQUIRE(identity->serial.size() == 16);
  CHECK(identity->serial[0] == std::byte{0x2f});
  CHECK(identity->serial[15] == std::byte{0x10});
  const auto part = [&](Extent e) { return Bytes(image).subspan(e.offset, e.length); };
  CHECK(same_bytes(part(identity->package), package));
  CHECK(same_bytes(part(identity->key_block), key_block));
  CHECK(same_bytes(part(identity->configuration), as_bytes("gain=2")));
}

TEST_CASE("the images of the format's own tool come out byte for byte from the same settings") {
  const auto in_reading_order = [](std::string_view hex) {
    std::array<std::byte, 16> out{};
    copy_bytes(from_hex(hex), out);
    return out;
  };
  const Buffer custom = from_hex("6d70796400010203");
  const HatAtom thermo_atoms[] = {{4, custom}, {4, as_bytes("gain=1.0025\noffset=-0.125\n")}};
  Buffer gpio(30);
  gpio[2 + 4] = std::byte{0x81};
  const HatAtom relay_atoms[] = {{2, gpio}};
  const struct {
    std::string file;
    HatContent content;
  } kRows[] = {{"hat-plus-thermo.eep",
                {.vendor = "Meadow Instruments",
                 .product = "Thermo board",
                 .product_id = 0x42,
                 .product_version = 3,
                 .uuid = in_reading_order("2f0c6a1e5b7d4c3a9e217a5f1b8c4d10"),
                 .atoms = thermo_atoms}},
               {"hat-v1-relay.eep",
                {.format = HatFormat::hat,
                 .vendor = "Meadow Instruments",
                 .product = "Relay board",
                 .product_id = 0x1007,
                 .product_version = 1,
                 .uuid = in_reading_order("9b1d2c3e0a4f4e558b66c1d2e3f4a5b6"),
                 .atoms = relay_atoms}}};
  for (const auto& row : kRows) {
    INFO(row.file);
    Buffer image(1024);
    image.resize(write_hat(row.content, image).value());
    CHECK(same_bytes(image, test::read_vector(row.file)));
  }
}

TEST_CASE("an image of version 1 has a GPIO map, one without a pin if none is given") {
  Buffer image(1024);
  image.resize(write_hat({.format = HatFormat::hat, .vendor = "v"}, image).value());
  REQUIRE(identify_image(image));
  CHECK(load_u8(image, 4) == 1);
  CHECK(load_le16(image, 6) == 2);
  CHECK(load_le16(image, 45) == 2);
  CHECK(load_le32(image, 49) == 32);
  image.resize(write_hat({.vendor = "v"}, image).value());
  CHECK(load_u8(image, 4) == 2);
  CHECK(load_le16(image, 6) == 1);
}

TEST_CASE("several packages are found one after the other, each with its own key block") {
  std::vector<Buffer> records;
  for (unsigned i = 0; i < 4; ++i)
    records.push_back(record(RecordKind::package, test::Random(i).bytes(i == 1 ? 2000 : 30)));
  const Buffer keys = record(RecordKind::key_block, test::Random(9).bytes(90));
  const std::vector<BoardPackage> packages = {
      {records[0], keys}, {records[1], {}}, {records[2], {}}, {records[3], keys}};
  Buffer image(8192);
  image.resize(
      write_hat({.vendor = "v", .configuration = as_bytes("c"), .packages = packages}, image)
          .value());
  ImageSource source(image);
  BoardIdentity board = identify(source).value();
  const auto part = [&](Extent e) { return Bytes(image).subspan(e.offset, e.length); };
  for (std::size_t i = 0; i < packages.size(); ++i) {
    CAPTURE(i);
    CHECK(same_bytes(part(board.package), packages[i].package));
    CHECK(same_bytes(part(board.key_block), packages[i].key_block));
    CHECK(next_package(source, board) == (i + 1 < packages.size()));
  }
  CHECK(same_bytes(part(board.package), records[3]));
  CHECK(std::string(board.hardware_id.view()) == "hat:v:0000");
  CHECK(board.configuration.length == 1);

  BoardIdentity none = identify_image(test::read_vector("hat-plus-thermo.eep")).value();
  ImageSource vector_source(image);
  CHECK(next_package(vector_source, none) == false);
}

TEST_CASE("A29 a damaged image ends the search for packages with an error or the end") {
  const Buffer one = record(RecordKind::package, test::Random(1).bytes(40));
  const std::vector<BoardPackage> packages = {{one, {}}, {one, {}}, {one, {}}};
  Buffer image(1024);
  image.resize(write_hat({.vendor = "v", .packages = packages}, image).value());
  ImageSource good(image);
  const BoardIdentity first = identify(good).value();
  for (std::size_t bit = 0; bit < image.size() * 8; ++bit) {
    const Buffer damaged = test::with_flipped_bit(image, bit);
    ImageSource source(damaged);
    BoardIdentity board = first;
    unsigned found = 1;
    for (auto more = next_package(source, board); more && *more; more = next_package(source, board))
      ++found;
    CAPTURE(bit);
    CHECK(found <= packages.size());
  }
  for (std::size_t size = 0; size < image.size(); ++size) {
    ImageSource source(Bytes(image).first(size));
    BoardIdentity board = first;
    CHECK_FALSE(next_package(source, board));
  }
}

TEST_CASE("A30 looking for the next package reads headers, not what lies on the board") {
  const Buffer package = record(RecordKind::package, test::Random(1).bytes(2000));
  const Buffer image = Image()
                           .vendor("V")
                           .atom(kCustomAtom, package)
                           .atom(kCustomAtom, package)
                           .atom(kCustomAtom, test::Random(2).bytes(20000))
                           .bytes;
  test::CountingSource source(image);
  BoardIdentity board = identify(source).value();
  source.bytes_read = 0;
  CHECK(next_package(source, board) == true);
  CHECK(source.bytes_read < 100);
  source.bytes_read = 0;
  CHECK(next_package(source, board) == false);
  CHECK(source.bytes_read < 100);
}

TEST_CASE("a key block that does not follow a package belongs to none") {
  const Buffer package = record(RecordKind::package, as_bytes("a package"));
  const Buffer keys = record(RecordKind::key_block, as_bytes("keys"));
  const auto identity = identify_image(Image()
                                           .vendor("V")
                                           .atom(kCustomAtom, keys)
                                           .atom(kCustomAtom, package)
                                           .atom(kCustomAtom, as_bytes("somebody else's data"))
                                           .atom(kCustomAtom, keys)
                                           .bytes);
  REQUIRE(identity);
  CHECK(identity->package.length == package.size());
  CHECK(identity->key_block == Extent{});
}

TEST_CASE("a board without UUID has no serial") {
  const auto identity = identify_image(Image().vendor("V").bytes);
  REQUIRE(identity);
  CHECK(identity->serial.empty());
  CHECK(std::string(identity->hardware_id.view()) == "hat:V:abcd");
  CHECK(identity->revision == 5);
}

TEST_CASE("a blank, foreign or hostile EEPROM is named as what it is") {
  CHECK(error_of(Buffer(64, std::byte{0xff})) == Errc::blank);
  CHECK(error_of(Buffer(64, std::byte{0x00})) == Errc::blank);
  CHECK(error_of(Buffer(64, std::byte{0x55})) == Errc::bad_magic);
  CHECK(error_of(Buffer(8, std::byte{0xff})) == Errc::blank);
  CHECK(error_of(Buffer(7, std::byte{0xff})) == Errc::truncated);
  CHECK(error_of(Buffer{}) == Errc::truncated);
  Buffer version3 = Image().vendor("V").bytes;
  version3[4] = std::byte{3};
  CHECK(error_of(version3) == Errc::bad_magic);
  CHECK(error_of(Image().atom(kCustomAtom, Buffer(30)).bytes) == Errc::malformed);  // no vendor
  CHECK(error_of(Image().vendor("").bytes) == Errc::malformed);
  CHECK(error_of(Image().vendor(std::string(255, 'a')).bytes) == Errc::limit);
  CHECK(error_of(Image().vendor(std::string(40, ' ')).bytes) == Errc::limit);
}

TEST_CASE("A29 absurd lengths and counts of a HAT are refused before anything is read there") {
  const Buffer good = Image().vendor("Vendor").atom(kCustomAtom, Buffer(9)).bytes;
  REQUIRE(identify_image(good));
  const auto with16 = [&](std::size_t at, std::uint32_t value) {
    Buffer image = good;
    store_le16(image, at, value);
    return image;
  };
  const auto with32 = [&](std::size_t at, std::uint32_t value) {
    Buffer image = good;
    store_le32(image, at, value);
    return image;
  };
  CHECK(error_of(with16(6, 33)) == Errc::limit);
  CHECK(error_of(with16(6, 0xffff)) == Errc::limit);
  CHECK(error_of(with16(6, 32)) == Errc::truncated);
  CHECK(error_of(with16(6, 0)) == Errc::malformed);
  CHECK(error_of(with16(6, 1)) == Errc::malformed);  // an atom behind the last counted one
  CHECK(error_of(with32(8, 0xffffffff)) == Errc::limit);
  CHECK(error_of(with32(8, kEepromBytesMax)) == Errc::truncated);
  for (std::uint32_t end = 0; end < good.size(); ++end)
    CHECK(error_of(with32(8, end)) == Errc::truncated);
  for (std::uint32_t length : {0U, 1U}) CHECK(error_of(with32(16, length)) == Errc::malformed);
  for (std::uint32_t length : {0x7fffffffU, 0x80000000U, 0xfffffff4U, 0xffffffffU})
    CHECK(error_of(with32(16, length)) == Errc::truncated);
}

TEST_CASE("strings of a vendor atom may not reach beyond it") {
  Buffer data(22 + 4);
  store_u8(data, 20, 4);
  store_u8(data, 21, 1);
  CHECK(error_of(Image().atom(kVendorAtom, data).bytes) == Errc::truncated);
  store_u8(data, 21, 0);
  CHECK(identify_image(Image().atom(kVendorAtom, data).bytes));
  CHECK(error_of(Image().atom(kVendorAtom, Bytes(data).first(21)).bytes) == Errc::truncated);
}

TEST_CASE("A30 our records on a HAT are bounded by their atom, configuration by 1 KiB") {
  const auto custom = [](RecordKind kind, std::uint32_t claimed, std::size_t present) {
    Buffer data(kRecordHeaderBytes + present);
    format_record_header({kind, claimed}, data);
    return Image().vendor("V").atom(kCustomAtom, data).bytes;
  };
  CHECK(identify_image(custom(RecordKind::package, 10, 10))->package.length == 19);
  CHECK(error_of(custom(RecordKind::package, 11, 10)) == Errc::truncated);
  CHECK(error_of(custom(RecordKind::key_block, 0xffffffff, 10)) == Errc::truncated);
  CHECK(identify_image(custom(RecordKind::configuration, 1024, 1024))->configuration.length ==
        1024);
  CHECK(error_of(custom(RecordKind::configuration, 1025, 1025)) == Errc::limit);
}

TEST_CASE("custom atoms of other people are ignored, and the first vendor atom counts") {
  const auto identity = identify_image(Image()
                                           .vendor("First")
                                           .atom(kCustomAtom, as_bytes("somebody else's data"))
                                           .atom(kCustomAtom, from_hex("6d707964 63 00000000"))
                                           .atom(kCustomAtom, {})
                                           .atom(2, Buffer(30))
                                           .vendor("Second")
                                           .bytes);
  REQUIRE(identity);
  CHECK(std::string(identity->hardware_id.view()) == "hat:First:abcd");
  CHECK(identity->package == Extent{});
}

TEST_CASE("padding inside a HAT image is no atom") {
  for (std::byte padding : {std::byte{0x00}, std::byte{0xff}}) {
    Buffer image = Image().vendor("Padded").bytes;
    image.resize(image.size() + 33, padding);
    store_le32(image, 8, static_cast<std::uint32_t>(image.size()));
    CHECK(identify_image(image));
  }
}

TEST_CASE("the HAT writer refuses what no reader would accept") {
  Buffer image(kEepromBytesMax + 4096);
  const Buffer large_record = record(RecordKind::package, Buffer(kEepromBytesMax));
  const BoardPackage large{.package = large_record};
  CHECK(write_hat({.vendor = ""}, image).error() == Errc::malformed);
  CHECK(write_hat({.vendor = std::string(256, 'v')}, image).error() == Errc::limit);
  CHECK(write_hat({.vendor = "v", .configuration = Bytes(image).first(1025)}, image).error() ==
        Errc::limit);
  CHECK(write_hat({.vendor = "v", .packages = {&large, 1}}, image).error() == Errc::limit);
  const std::vector<HatAtom> many(32, HatAtom{.type = 4});
  CHECK(write_hat({.vendor = "v", .atoms = many}, image).error() == Errc::limit);
  CHECK(write_hat({.vendor = "v", .atoms = std::span(many).first(31)}, image));
  const Buffer ours = record(RecordKind::configuration, as_bytes("x"));
  for (const HatAtom& atom :
       {HatAtom{.type = 0}, HatAtom{.type = 0xffff}, HatAtom{.type = 1}, HatAtom{.type = 2},
        HatAtom{.type = 6}, HatAtom{.type = 4, .data = ours}})
    CHECK(write_hat({.vendor = "v", .atoms = {&atom, 1}}, image).error() == Errc::malformed);
  for (std::size_t room = 0; room < 45; ++room)
    CHECK(write_hat({.vendor = "v"}, MutableBytes(image).first(room)).has_value() == (room >= 45));
  CHECK(write_hat({.vendor = "v"}, MutableBytes(image).first(45)) == 45);
}

TEST_CASE("a HAT+ says the current it takes, in version 2 of the format only") {
  Buffer image(1024);
  const HatContent content{.vendor = "v", .current_ma = 350};
  image.resize(write_hat(content, image).value());
  CHECK(identify_image(image)->current_ma == 350);
  CHECK(identify_image(Image().vendor("V").bytes)->current_ma == 0);
  HatContent version1 = content;
  version1.format = HatFormat::hat;
  image.resize(1024);
  CHECK(write_hat(version1, image).error() == Errc::malformed);
  CHECK(error_of(Image().vendor("V").atom(6, Buffer(3)).bytes) == Errc::malformed);
}

TEST_CASE("a board's fingerprint is its UUID, or what else tells boards apart") {
  Buffer image(1024);
  HatContent content{.vendor = "Meadow"};
  image.resize(write_hat(content, image).value());
  const Extent ids = identify_image(image)->fingerprint;
  CHECK(ids == Extent{12 + 8 + 16, 12});  // product id, version, lengths and the vendor
  content.uuid[3] = std::byte{1};
  image.resize(1024);
  image.resize(write_hat(content, image).value());
  CHECK(identify_image(image)->fingerprint == Extent{12 + 8, 16});
}

TEST_CASE("A30 identifying reads 4 KiB of checksummed atoms at most, a device tree not at all") {
  const Buffer tree = test::Random(1).bytes(20000);
  const Buffer with_tree = Image().vendor("V").atom(3, tree).bytes;
  test::CountingSource source(with_tree);
  CHECK(identify(source));
  CHECK(source.bytes_read < 256);
  Image many;
  many.vendor("V");
  for (int i = 0; i < 4; ++i) many.atom(kCustomAtom, Buffer(1000));
  test::CountingSource full(many.bytes);
  CHECK(identify(full));
  many.atom(kCustomAtom, Buffer(1000));
  test::CountingSource too_much(many.bytes);
  CHECK(identify(too_much).error() == Errc::limit);
  CHECK(too_much.bytes_read < 4500);
}

TEST_CASE("the last of several packages is followed by none, also in a padded image") {
  const Buffer one = record(RecordKind::package, as_bytes("one"));
  Buffer padded = Image().vendor("V").atom(kCustomAtom, one).atom(kCustomAtom, one).bytes;
  padded.resize(padded.size() + 50, std::byte{0xff});
  store_le32(padded, 8, static_cast<std::uint32_t>(padded.size()));
  ImageSource source(padded);
  BoardIdentity board = identify(source).value();
  CHECK(next_package(source, board) == true);
  CHECK(next_package(source, board) == false);
}

TEST_CASE("a large package is found without reading it through") {
  const Buffer package = record(RecordKind::package, Buffer(7000));
  Buffer image(8192);
  const BoardPackage on_board{.package = package};
  image.resize(write_hat({.vendor = "Meadow", .packages = {&on_board, 1}}, image).value());
  test::CountingSource source(image);
  REQUIRE(identify(source));
  CHECK(source.bytes_read < 256);
}

TEST_CASE("any bytes at all are read to an identity or an error") {
  test::Random random(3);
  const Buffer good = test::read_vector("hat-plus-thermo.eep");
  for (int i = 0; i < 3000; ++i) {
    Buffer image = good;
    for (std::size_t changes = 1 + random.below(6); changes > 0; --changes)
      image[random.below(image.size())] = static_cast<std::byte>(random.next());
    identify_image(image);
  }
  SUCCEED("no crash, no read outside the image");
}
