#include "protocol/eeprom/part_probe.hpp"

#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/support/i2c/bus.hpp"
#include "tests/support/i2c/parts.hpp"

using namespace mpyd;
using namespace mpyd::eeprom;
using test::Buffer;
using test::i2c::BitBang;
using test::i2c::Bus;
using test::i2c::Memory;
using test::i2c::memory_kind;
using test::i2c::MemoryKind;
using test::i2c::Partial;
using test::i2c::Registers;

namespace {

bool is_full() { return std::getenv("MPYD_TEST_FULL") != nullptr; }

struct Found {
  Errc error{};
  std::vector<Part> parts;
  std::vector<Errc> trouble;
};

Found probe(Bus& bus, const Place& place = {}) {
  BitBang master(bus);
  PartProbe probe;
  probe.start(place);
  while (true) {
    const std::uint64_t before = bus.bytes();
    const auto is_done = probe.step(master);
    CHECK(bus.bytes() - before <= PartProbe::kStepBytesMax);
    if (!is_done) return {is_done.error(), {}, {}};
    if (*is_done) break;
  }
  Found found;
  for (std::size_t i = 0; i < probe.parts().size(); ++i) {
    found.parts.push_back(probe.parts()[i]);
    found.trouble.push_back(probe.trouble(i));
  }
  return found;
}

const char* const kNames[] = {
    "24c01",  "24c01-nopins", "24c02",   "24c02-nopins", "24c04",   "24c04-nopins",
    "24c08",  "24c08-nopins", "24c16",   "24c32",        "24c64",   "24c128",
    "24c256", "24c512",       "fm24c04", "fm24c16",      "fm24c64", "fm24v05",
};
const Partial kPartials[] = {Partial::sets_high, Partial::ignored, Partial::clears_low,
                             Partial::shifts, Partial::reads_ff};

bool is_wide(const MemoryKind& kind) { return kind.address_bytes == 2; }

Part expected_part(const MemoryKind& kind) {
  Part part{.address = 0x50,
            .answers_until = static_cast<std::uint8_t>(0x50 | kind.block_bits | kind.ignored_bits),
            .address_bytes = static_cast<std::uint8_t>(kind.address_bytes),
            .size = kind.size};
  if (!is_wide(kind))
    part.blocks = static_cast<std::uint8_t>(kind.size > 256 ? kind.size / 256 : 1);
  return part;
}

std::string text_of(const Part& part) {
  return std::to_string(part.address) + ".." + std::to_string(part.answers_until) + " width " +
         std::to_string(part.address_bytes) + " blocks " + std::to_string(part.blocks) + " size " +
         std::to_string(part.size);
}

enum class Content { image, ff, zero, equal, random, ascending, period_15, period_16, sparse };
const Content kContents[] = {Content::image,     Content::ff,        Content::zero,
                             Content::equal,     Content::random,    Content::ascending,
                             Content::period_15, Content::period_16, Content::sparse};

Buffer content_of(Content content, std::uint32_t size) {
  Buffer out(size, std::byte{0xff});
  const auto fill = [&](auto f) {
    for (std::uint32_t i = 0; i < size; ++i) out[i] = static_cast<std::byte>(f(i));
  };
  switch (content) {
    case Content::image: {
      const Buffer image = test::read_vector("hat-plus-thermo.eep");
      for (std::uint32_t i = 0; i < size && i < image.size(); ++i) out[i] = image[i];
      break;
    }
    case Content::ff:
      break;
    case Content::zero:
      fill([](std::uint32_t) { return 0; });
      break;
    case Content::equal:
      fill([](std::uint32_t) { return 0x5a; });
      break;
    case Content::random:
      out = test::Random(size).bytes(size);
      break;
    case Content::ascending:
      fill([](std::uint32_t i) { return i; });
      break;
    case Content::period_15:
      fill([](std::uint32_t i) { return 7 * (i % 15) + 1; });
      break;
    case Content::period_16:
      fill([](std::uint32_t i) { return 7 * (i % 16) + 1; });
      break;
    case Content::sparse:
      fill([](std::uint32_t i) { return i % 61 == 60 ? i / 61 : 0; });
      break;
  }
  return out;
}

}  // namespace

TEST_CASE("a board's image is found on every part, whatever state its address counter is in") {
  const Buffer image = test::read_vector("hat-plus-thermo.eep");
  for (const std::string name : kNames)
    for (const Partial partial : kPartials)
      for (const std::uint32_t pointer : {0U, 1U, 0x35U, 0xb0U, 0xffU, 0xfffU}) {
        MemoryKind kind = memory_kind(name);
        if (!is_wide(kind) && partial != Partial::sets_high) continue;
        if (!is_full() && pointer != 0 && (pointer != 0xb0 || kind.size > 8192)) continue;
        kind.partial = partial;
        const std::size_t length = std::min<std::size_t>(image.size(), kind.size);
        Bus bus;
        auto& memory = bus.add<Memory>(kind, Bytes(image).first(length));
        memory.set_pointer(pointer);
        const Found found = probe(bus);
        CAPTURE(name, static_cast<int>(partial), pointer);
        CHECK(bus.commits() == 0);
        REQUIRE(found.parts.size() == 1);
        CAPTURE(text_of(found.parts[0]), found.trouble[0]);
        // What no reading can tell: registers read like that, or a large part is blank there.
        if (partial == Partial::clears_low && found.trouble[0] == Errc::undecided) continue;
        if (partial == Partial::ignored && kind.size > 8192 && found.trouble[0] == Errc::blank)
          continue;
        CHECK(found.trouble[0] == Errc{});
        CHECK(found.parts[0] == expected_part(kind));
      }
}

TEST_CASE("whatever a part holds, it is found right or said to be undecided, and nothing changes") {
  for (const std::string name : kNames)
    for (const Content content : kContents)
      for (const Partial partial : kPartials) {
        MemoryKind kind = memory_kind(name);
        if (!is_wide(kind) && partial != Partial::sets_high) continue;
        const bool is_common = partial == Partial::sets_high || partial == Partial::ignored;
        if (!is_full() && (kind.size > 4096 || kind.ignored_bits != 0 || !is_common)) continue;
        kind.partial = partial;
        Bus bus;
        bus.add<Memory>(kind, content_of(content, kind.size)).set_pointer(0x35);
        const Found found = probe(bus);
        CAPTURE(name, static_cast<int>(content), static_cast<int>(partial));
        CHECK(bus.commits() == 0);
        REQUIRE(found.parts.size() == 1);
        const Part& part = found.parts[0];
        CAPTURE(text_of(part), static_cast<int>(found.trouble[0]));
        CHECK(part.address == 0x50);
        if (found.trouble[0] != Errc{}) {
          CHECK(part.address_bytes == 0);
          const bool repeats = content == Content::period_15 || content == Content::period_16;
          CHECK((found.trouble[0] == Errc::undecided || found.trouble[0] == Errc::blank ||
                 (repeats && found.trouble[0] == Errc::bad_magic)));
          continue;
        }
        // This one reads like one of one byte, wherever it is read.
        if (content == Content::ascending && partial == Partial::shifts) continue;
        CHECK(part.address_bytes == kind.address_bytes);
        // Content that repeats itself leaves the size open, or makes the part look like the smaller
        // one that would read the same.
        if (content == Content::image || content == Content::random || content == Content::sparse)
          CHECK((part.size == 0 || part.size == kind.size));
        CHECK(part.size <= kind.size);
      }
}

TEST_CASE("random content is found on every part") {
  for (const std::string name : kNames) {
    const MemoryKind kind = memory_kind(name);
    Bus bus;
    bus.add<Memory>(kind, content_of(Content::random, kind.size));
    const Found found = probe(bus);
    CAPTURE(name);
    REQUIRE(found.parts.size() == 1);
    CAPTURE(text_of(found.parts[0]));
    CHECK(found.trouble[0] == Errc{});
    CHECK(found.parts[0] == expected_part(kind));
  }
}

TEST_CASE("a part whose first block is blank is known by the others, and gets no second byte") {
  for (const std::string name : {"24c04", "24c08-nopins", "24c16", "fm24c04", "fm24c16"}) {
    const MemoryKind kind = memory_kind(name);
    for (const std::byte blank : {std::byte{0xff}, std::byte{0}}) {
      Buffer content = test::Random(3).bytes(kind.size);
      std::fill_n(content.begin(), 256, blank);
      Bus bus;
      bus.add<Memory>(kind, content);
      const Found found = probe(bus);
      CAPTURE(name);
      CHECK(bus.commits() == 0);
      REQUIRE(found.parts.size() == 1);
      CHECK(found.parts[0] == expected_part(kind));
    }
  }
}

TEST_CASE("blocks of equal content are blocks, not mirrors, where reading goes on differently") {
  const Buffer a = test::Random(11).bytes(256);
  const Buffer b = test::Random(12).bytes(256);
  const auto blocks = [&](std::initializer_list<const Buffer*> list) {
    Buffer out;
    for (const Buffer* block : list) out.insert(out.end(), block->begin(), block->end());
    return out;
  };
  const MemoryKind kind = memory_kind("24c08");
  for (const Buffer& content :
       {blocks({&a, &a, &b, &b}), blocks({&a, &a, &a, &b}), blocks({&a, &b, &a, &a})}) {
    Bus bus;
    bus.add<Memory>(kind, content);
    const Found found = probe(bus);
    REQUIRE(found.parts.size() == 1);
    CHECK(found.parts[0] == expected_part(kind));
  }
}

TEST_CASE("nothing answers, or a part goes away in the middle") {
  Bus bus;
  CHECK(probe(bus).error == Errc::no_device);
  for (const std::uint64_t bit : {500U, 3000U, 6000U}) {
    Bus with_part;
    with_part.add<Memory>(memory_kind("24c64"), content_of(Content::image, 8192))
        .fail_from(bit, test::i2c::Failure::gone);
    CHECK(probe(with_part).error == Errc::no_device);
  }
}

TEST_CASE("sensors, clocks and queues where an EEPROM could be keep what they hold") {
  const Buffer content = test::Random(5).bytes(256);
  Buffer quiet(256, std::byte{0});
  for (std::size_t i = 0; i < 6; ++i) quiet[0x20 + i] = std::byte(0x11 * (i + 1));
  const test::i2c::RegisterKind kinds[] = {
      {.registers = 4, .register_bytes = 2, .increments = false},  // TMP102
      {.registers = 4, .register_bytes = 2, .increments = false, .ends_in_ff = true},
      {.registers = 16, .register_bytes = 1, .increments = false},
      {.registers = 256, .register_bytes = 1, .increments = false, .ends_in_ff = true},
      {.registers = 16, .register_bytes = 1},  // PCF8563
      {.registers = 16, .register_bytes = 1, .live_first = 2, .live_count = 1},
      {.registers = 64, .register_bytes = 1, .live_first = 0, .live_count = 6},
      {.registers = 64, .register_bytes = 1, .live_first = 2, .live_count = 12},
      {.registers = 128, .register_bytes = 1, .live_first = 0, .live_count = 15},
      {.registers = 16, .register_bytes = 1, .live_first = 2, .live_count = 12},
      {.registers = 256, .register_bytes = 1, .live_first = 50, .live_count = 6},
      {.registers = 29, .register_bytes = 1},
      {.registers = 200, .register_bytes = 1},
      {.registers = 64, .register_bytes = 2},
      {.registers = 32, .register_bytes = 3},
      {.registers = 128, .register_bytes = 2, .live_first = 3, .live_count = 2},
  };
  for (const test::i2c::RegisterKind& kind : kinds)
    for (const Buffer& registers : {content, quiet}) {
      // Nothing but noise and blank: schema/eeprom/probing.md, what cannot be told.
      if (kind.registers == 16 && kind.live_count == 12 && registers[0] == std::byte{0}) continue;
      CAPTURE(kind.registers, kind.register_bytes, kind.increments, kind.ends_in_ff,
              kind.live_count, registers[0] == std::byte{0});
      Bus bus;
      bus.add<Registers>(kind, registers);
      const Found found = probe(bus);
      CHECK(bus.commits() == 0);
      REQUIRE(found.parts.size() == 1);
      CAPTURE(text_of(found.parts[0]));
      CHECK(found.parts[0].address_bytes == 0);
      CHECK(found.trouble[0] != Errc{});
    }
  Bus bus;
  bus.add<test::i2c::Stream>(std::uint8_t{0x50});
  const Found found = probe(bus);
  CHECK(found.parts[0].address_bytes == 0);
  CHECK(found.trouble[0] == Errc::undecided);
}

TEST_CASE("a sensor beside an EEPROM is left alone, and the EEPROM found") {
  const Buffer content = test::Random(6).bytes(64);
  for (const std::string name : {"24c02", "24c64", "fm24c64"}) {
    Bus bus;
    const MemoryKind kind = memory_kind(name);
    bus.add<Memory>(kind, test::read_vector("hat-v1-relay.eep"));
    bus.add<Registers>(test::i2c::RegisterKind{.address = 0x51, .registers = 16}, content);
    bus.add<Registers>(
        test::i2c::RegisterKind{
            .address = 0x53, .registers = 4, .register_bytes = 2, .increments = false},
        content);
    bus.add<Registers>(test::i2c::RegisterKind{.address = 0x57, .registers = 64, .live_count = 6},
                       content);
    const Found found = probe(bus);
    CAPTURE(name);
    CHECK(bus.commits() == 0);
    REQUIRE(found.parts.size() == 4);
    CHECK(found.parts[0] == expected_part(kind));
    CHECK(found.trouble[0] == Errc{});
    for (std::size_t i = 1; i < 4; ++i) CHECK(found.trouble[i] != Errc{});
  }
}

TEST_CASE("two parts are two, those of equal content at two addresses are one") {
  const Buffer image = test::read_vector("hat-plus-thermo.eep");
  const Buffer other = test::read_vector("hat-v1-relay.eep");
  for (const std::string name : {"24c02", "24c64"}) {
    MemoryKind first = memory_kind(name);
    MemoryKind second = first;
    second.address = 0x51;
    for (const bool is_equal : {false, true}) {
      Bus bus;
      bus.add<Memory>(first, image);
      bus.add<Memory>(second, is_equal ? image : other);
      const Found found = probe(bus);
      CAPTURE(name, is_equal);
      CHECK(bus.commits() == 0);
      REQUIRE(found.parts.size() == (is_equal ? 1 : 2));
      CHECK(found.parts[0].answers_until == (is_equal ? 0x51 : 0x50));
      CHECK(found.parts[0].size == first.size);
    }
  }
}

TEST_CASE("a configured width is not asked for, and other addresses are as careful as ever") {
  for (const std::string name : {"24c02", "24c64"}) {
    const MemoryKind kind = memory_kind(name);
    Bus bus;
    bus.add<Memory>(kind, Bytes{});
    bus.add<Registers>(test::i2c::RegisterKind{.address = 0x52, .registers = 16},
                       test::Random(7).bytes(16));
    const Found found =
        probe(bus, {.address_bytes = static_cast<std::uint8_t>(kind.address_bytes)});
    CAPTURE(name);
    CHECK(bus.commits() == 0);
    REQUIRE(found.parts.size() == 2);
    CHECK(found.parts[0].address_bytes == kind.address_bytes);
    CHECK(found.parts[0].size == 0);
    CHECK(found.trouble[0] == Errc{});
    CHECK(found.trouble[1] != Errc{});
  }
}

TEST_CASE("only the addresses of the slot are asked") {
  Bus bus;
  bus.add<Memory>(memory_kind("24c64"), test::read_vector("hat-plus-thermo.eep"));
  CHECK(probe(bus, {.first_address = 0x51}).error == Errc::no_device);
  // A block of a part that goes on where others live: its size does not show.
  Bus with_blocks;
  with_blocks.add<Memory>(memory_kind("24c16"), content_of(Content::random, 2048));
  const Found found = probe(with_blocks, {.last_address = 0x50});
  REQUIRE(found.parts.size() == 1);
  CHECK(found.parts[0] == Part{.address = 0x50, .answers_until = 0x50, .address_bytes = 1});
}

TEST_CASE("a part that stretches the clock is found, one that holds it for ever is a timeout") {
  Bus bus;
  auto& memory = bus.add<Memory>(memory_kind("24c64"), test::read_vector("hat-plus-thermo.eep"));
  memory.stretch(100'000);
  CHECK(probe(bus).parts[0] == expected_part(memory.kind()));
  memory.fail_from(0, test::i2c::Failure::stretches_scl);
  CHECK(probe(bus).error == Errc::timeout);
}

// The master is reset before each change it makes to a line, and lets the lines go in either order.
// The bus goes on as a copy, so that one probe serves all of them.
TEST_CASE("a master reset at every edge of a probe changes no byte of any part") {
  const Buffer content = test::Random(8).bytes(512);
  struct Resets {
    std::size_t edges = 0;
    std::size_t hanging = 0;
    std::size_t written = 0;
    std::size_t lost = 0;
  };
  const auto try_all = [&](Bus& bus, const Found& expected, std::size_t probe_each) {
    Resets resets;
    bus.before_change = [&] {
      const std::size_t edge = resets.edges++;
      Bus copy(bus);
      copy.reset_master(edge % 2 == 0);
      BitBang master(copy);
      if (!master.recover() || !copy.scl() || !copy.sda()) ++resets.hanging;
      if (edge % probe_each == 0 && probe(copy).parts != expected.parts) ++resets.lost;
      if (copy.commits() != 0) ++resets.written;
    };
    probe(bus);
    bus.before_change = {};
    return resets;
  };
  for (const std::string name : kNames) {
    const MemoryKind kind = memory_kind(name);
    if (!is_full() && name != "24c02" && name != "fm24c04" && name != "24c64" && name != "fm24c64")
      continue;
    Bus bus;
    Buffer image = test::read_vector("hat-plus-thermo.eep");
    image.resize(std::min<std::size_t>(image.size(), kind.size));
    bus.add<Memory>(kind, image);
    const Found expected = probe(bus);
    const Resets resets = try_all(bus, expected, is_full() ? 97 : 4999);
    CAPTURE(name, resets.edges);
    CHECK(resets.edges > 5000);
    CHECK(resets.hanging == 0);
    CHECK(resets.written == 0);
    CHECK(resets.lost == 0);
  }
  for (const bool increments : {false, true}) {
    Bus bus;
    bus.add<Registers>(
        test::i2c::RegisterKind{.registers = 16, .register_bytes = 2, .increments = increments},
        content);
    const Found expected = probe(bus);
    const Resets resets = try_all(bus, expected, 499);
    CHECK(resets.hanging == 0);
    CHECK(resets.written == 0);
    CHECK(resets.lost == 0);
  }
}
