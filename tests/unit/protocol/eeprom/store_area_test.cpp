#include "protocol/eeprom/store_area.hpp"

#include <vector>

#include "protocol/eeprom/hat_writer.hpp"
#include "protocol/limits.hpp"
#include "tests/support/images.hpp"

using namespace mpyd;
using namespace mpyd::eeprom;
using namespace mpyd::test;

namespace {

Buffer area_record(const StoreArea& area) {
  Buffer out(kStoreAreaRecordBytes);
  format_store_area(area, out);
  return out;
}

Result<StoreArea> parse(const StoreArea& area) {
  return parse_store_area(Bytes(area_record(area)).subspan(kRecordHeaderBytes));
}

Buffer package(unsigned seed, std::size_t bytes) {
  return record(RecordKind::package, Random(seed).bytes(bytes));
}
Buffer keys(unsigned seed) { return record(RecordKind::key_block, Random(seed).bytes(90)); }

// A HAT of 8 KiB with `own` packages and a store area.
struct Board {
  explicit Board(const std::vector<Buffer>& own = {}, std::uint32_t reserve = 4096) {
    std::vector<BoardPackage> packages;
    for (const Buffer& one : own) packages.push_back({.package = one, .key_block = {}});
    chip.assign(8192, std::byte{0xff});
    HatContent content{.vendor = "v",
                       .configuration = as_bytes("c"),
                       .packages = packages,
                       .reserve = {.bytes = reserve, .page_bytes = 32}};
    identity_bytes = write_hat(content, chip).value();
    area = identify_image(chip)->store_area;
  }

  // Every write that storing makes, in order, a page each; the chip after the first `writes`.
  std::vector<Buffer> store(Bytes content) {
    ImageSource source(chip);
    const Bank bank = choose_bank(read_banks(source, area).value(), area,
                                  static_cast<std::uint32_t>(content.size()))
                          .value();
    std::vector<Buffer> steps = {chip};
    const auto write = [&](std::size_t at, Bytes bytes) {
      for (std::size_t done = 0; done < bytes.size(); done += 32) {
        const Bytes page = bytes.subspan(done, std::min<std::size_t>(32, bytes.size() - done));
        copy_bytes(page, MutableBytes(chip).subspan(at + done));
        steps.push_back(chip);
      }
    };
    write(bank.place.offset, Buffer(32, std::byte{0xff}));
    write(bank.content.offset, content);
    Buffer head(kBankHeadBytes);
    format_bank_head(bank, head);
    write(bank.place.offset, head);
    return steps;
  }

  // What a motherboard finds, in its order.
  static std::vector<Buffer> packages(Bytes chip) {
    ImageSource source(chip);
    BoardIdentity board = identify(source).value();
    std::vector<Buffer> out;
    for (bool more = board.package.length != 0; more;) {
      out.push_back(concat(part_of(chip, board.package), part_of(chip, board.key_block)));
      more = next_package(source, board).value();
    }
    return out;
  }

  Buffer chip;
  std::size_t identity_bytes = 0;
  StoreArea area;
};

}  // namespace

TEST_CASE("a store area's record says page, offset and length") {
  const StoreArea area{.place = {0x1000, 0x0800}, .page_bytes = 64};
  CHECK(area_record(area) == from_hex("6d707964 04 0b000000 01 4000 00100000 00080000"));
  CHECK(parse(area) == area);
}

TEST_CASE("A29 a store area that no part can have is refused") {
  const StoreArea good{.place = {4096, 2048}, .page_bytes = 32};
  REQUIRE(parse(good) == good);
  const auto error = [&](auto change) {
    StoreArea area = good;
    change(area);
    return parse(area).error();
  };
  for (const unsigned page : {0U, 4U, 24U, 512U, 0xffffU})
    CHECK(error([&](StoreArea& a) { a.page_bytes = static_cast<std::uint16_t>(page); }) ==
          Errc::malformed);
  for (const std::uint32_t offset : {4095U, 65536U, 0xffffffe0U})
    CHECK(error([&](StoreArea& a) { a.place.offset = offset; }) == Errc::malformed);
  for (const std::uint32_t length : {0U, 32U, 2047U, 65536U, 0xffffffe0U})
    CHECK(error([&](StoreArea& a) { a.place.length = length; }) == Errc::malformed);
  Buffer bytes = area_record(good);
  CHECK(parse_store_area(Bytes(bytes).subspan(9, 10)).error() == Errc::truncated);
  CHECK(parse_store_area(concat(Bytes(bytes).subspan(9), Buffer(1))).error() == Errc::trailing);
  bytes[9] = std::byte{2};
  CHECK(parse_store_area(Bytes(bytes).subspan(9)).error() == Errc::unsupported);
}

TEST_CASE("A29 a store area beyond the part or over the identity is none") {
  const Board board;
  REQUIRE(board.area.place.length == 4096);
  CHECK(board.area.place.offset % 32 == 0);
  CHECK(board.area.place.offset >= board.identity_bytes);
  // Cut off within the area: the identity stays.
  const auto cut = identify_image(
      Bytes(board.chip).first(board.area.place.offset + board.area.place.length - 1));
  REQUIRE(cut);
  CHECK(cut->store_area == StoreArea{});
  // Its record moved, with the atom's checksum right: 32 bytes further down lies the identity.
  Buffer moved = board.chip;
  StoreArea lower = board.area;
  lower.place.offset -= 32;
  const Buffer from = area_record(board.area);
  const auto at = static_cast<std::size_t>(
      std::search(moved.begin(), moved.end(), from.begin(), from.end()) - moved.begin());
  REQUIRE(at < moved.size());
  format_store_area(lower, MutableBytes(moved).subspan(at));
  store_le16(moved, at + 20, crc16_arc(0, Bytes(moved).subspan(at - 8, 28)));
  const auto over = identify_image(moved);
  REQUIRE(over);
  CHECK(over->store_area == StoreArea{});
}

TEST_CASE("what was stored comes before what came with the board, the newest first") {
  const Buffer own = package(1, 40);
  const Buffer second_own = package(2, 1200);
  Board board({own, second_own});
  CHECK(Board::packages(board.chip) == std::vector<Buffer>{own, second_own});
  const Buffer first = concat(package(3, 700), keys(3));
  const Buffer second = package(4, 800);
  const Buffer third = concat(package(5, 1500), keys(5));
  board.store(first);
  CHECK(Board::packages(board.chip) == std::vector<Buffer>{first, own, second_own});
  board.store(second);
  CHECK(Board::packages(board.chip) == std::vector<Buffer>{second, first, own, second_own});
  board.store(third);
  CHECK(Board::packages(board.chip) == std::vector<Buffer>{third, second, own, second_own});
  const auto after = identify_image(board.chip);
  CHECK(same_bytes(part_of(board.chip, after->configuration), as_bytes("c")));
}

TEST_CASE("a power cut between any two pages leaves old or new where two packages fit") {
  const Buffer own = package(1, 40);
  Board board({own});
  const Buffer old = concat(package(2, 1000), keys(2));
  board.store(old);
  const Buffer before = board.chip;
  for (const std::size_t bytes : {300U, 1900U}) {
    Board again = board;
    const Buffer fresh = package(3, bytes);
    const auto steps = again.store(fresh);
    CHECK(steps.size() > 10);
    for (std::size_t i = 0; i < steps.size(); ++i) {
      CAPTURE(bytes, i);
      const auto found = Board::packages(steps[i]);
      const bool is_new = i + 1 == steps.size();
      CHECK(found.front() == (is_new ? fresh : old));
      CHECK(found.back() == own);
      // No identity page changes.
      CHECK(same_bytes(Bytes(steps[i]).first(again.area.place.offset),
                       Bytes(before).first(again.area.place.offset)));
    }
  }
}

TEST_CASE("where only one package fits a power cut leaves old, new or what came with the board") {
  const Buffer own = package(1, 40);
  Board board({own});
  const Buffer old = package(2, 3000);
  board.store(old);
  CHECK(Board::packages(board.chip).front() == old);
  Board again = board;
  const Buffer fresh = package(3, 3500);
  const auto steps = again.store(fresh);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    CAPTURE(i);
    const auto found = Board::packages(steps[i]);
    const bool is_new = i + 1 == steps.size();
    CHECK(found.front() == (is_new ? fresh : i == 0 ? old : own));
    CHECK(found.back() == own);
  }
  // A small one again goes to a half.
  const Buffer small = package(4, 100);
  again.store(small);
  CHECK(Board::packages(again.chip) == std::vector<Buffer>{small, own});
  // A large one over two small ones.
  again.store(package(5, 100));
  const auto large = again.store(fresh);
  for (std::size_t i = 0; i < large.size(); ++i) {
    const auto found = Board::packages(large[i]);
    CHECK(found.back() == own);
    CHECK(found.size() <= 3);
  }
  CHECK(Board::packages(again.chip) == std::vector<Buffer>{fresh, own});
}

TEST_CASE("the room of a store area is told for one package and for two") {
  const StoreArea area{.place = {1024, 4096}, .page_bytes = 32};
  CHECK(room_of(area).one == 4096 - 32);
  CHECK(room_of(area).each_of_two == 2048 - 32);
  const Banks none;
  CHECK(choose_bank(none, area, 4064)->place == area.place);
  CHECK(choose_bank(none, area, 4065).error() == Errc::limit);
  CHECK(choose_bank(none, area, 0xffffffff).error() == Errc::limit);
  CHECK(choose_bank(none, area, 2016)->place == Extent{1024, 2048});
  // Heads take whole pages, also where a page is smaller than a head.
  const StoreArea small_pages{.place = {64, 128}, .page_bytes = 8};
  CHECK(choose_bank(none, small_pages, 40)->content == Extent{88, 40});
  const StoreArea one_half{.place = {64, 64}, .page_bytes = 32};
  CHECK(room_of(one_half).each_of_two == 0);
  CHECK(choose_bank(none, one_half, 32)->place == one_half.place);
  CHECK(choose_bank(none, one_half, 33).error() == Errc::limit);
  // Of an area as small as this even the second head would lie outside.
  const StoreArea smallest{.place = {64, 32}, .page_bytes = 8};
  Buffer chip(96, std::byte{0xff});
  ImageSource source(chip);
  CHECK(read_banks(source, smallest)->bank[0].sequence == 0);
  format_bank_head(choose_bank(none, smallest, 8).value(), MutableBytes(chip).subspan(64));
  CHECK(read_banks(source, smallest)->bank[0].content == Extent{88, 8});
}

TEST_CASE("numbers of stored packages go on after the largest") {
  const StoreArea area{.place = {0, 256}, .page_bytes = 32};
  Banks banks;
  banks.bank[0] = {.place = {0, 128}, .sequence = 0xffffffff, .content = {32, 40}};
  const Bank next = choose_bank(banks, area, 40).value();
  CHECK(next.sequence == 1);
  CHECK(next.place == Extent{128, 128});
  CHECK(is_newer(1, 0xffffffff));
  Buffer chip(256, std::byte{0xff});
  format_bank_head(banks.bank[0], chip);
  format_bank_head(next, MutableBytes(chip).subspan(128));
  ImageSource source(chip);
  const Banks read = read_banks(source, area).value();
  CHECK(read.bank[0] == next);
  CHECK(read.bank[1] == banks.bank[0]);
}

TEST_CASE("A29 a damaged or hostile store area never blocks identity or the board's own packages") {
  const Buffer own = package(1, 40);
  Board board({own});
  const Buffer first = package(2, 500);
  const Buffer second = concat(package(3, 500), keys(3));
  board.store(first);
  board.store(second);
  ImageSource source(board.chip);
  const Banks banks = read_banks(source, board.area).value();
  const std::size_t head = banks.bank[0].place.offset;
  for (std::size_t bit = 0; bit < kBankHeadBytes * 8; ++bit) {
    CAPTURE(bit);
    CHECK(Board::packages(with_flipped_bit(board.chip, head * 8 + bit)) ==
          std::vector<Buffer>{first, own});
  }
  // Every record header in the content, and what is headed by nothing of ours.
  for (std::size_t bit = 0; bit < kRecordHeaderBytes * 8; ++bit) {
    const auto found =
        Board::packages(with_flipped_bit(board.chip, banks.bank[0].content.offset * 8 + bit));
    CHECK(found.back() == own);
    CHECK(found[found.size() - 2] == first);
  }
  for (const std::uint32_t length : {0U, 1U, 9U, 4063U, 65535U, 0xffffffffU}) {
    Buffer chip = board.chip;
    Bank lying = banks.bank[0];
    lying.content.length = length;
    format_bank_head(lying, MutableBytes(chip).subspan(head));
    CHECK(Board::packages(chip).back() == own);
  }
  // A head that names itself the first and the last.
  Buffer chip = board.chip;
  Bank same = banks.bank[0];
  same.sequence = banks.bank[1].sequence;
  format_bank_head(same, MutableBytes(chip).subspan(head));
  CHECK(Board::packages(chip).back() == own);
  CHECK(Board::packages(chip).size() == 2);
  Random random(7);
  for (int i = 0; i < 300; ++i) {
    Buffer wild = board.chip;
    for (int n = 0; n < 40; ++n)
      wild[board.area.place.offset + random.below(board.area.place.length)] =
          static_cast<std::byte>(random.next());
    CHECK(Board::packages(wild).back() == own);
  }
}

TEST_CASE("a board pulled while its store area is read is gone, not without packages") {
  Board board({package(1, 40)});
  board.store(package(2, 500));
  CountingSource whole(board.chip);
  REQUIRE(identify(whole));
  for (std::size_t i = 0; i < whole.reads; ++i) {
    CountingSource pulled(board.chip);
    pulled.fail_at = i;
    CAPTURE(i);
    CHECK(identify(pulled).error() == Errc::no_device);
  }
}
