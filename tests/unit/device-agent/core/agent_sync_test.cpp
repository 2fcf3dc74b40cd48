// The conversation with the server: freshness, counters, what is said when.
#include <algorithm>
#include <map>

#include "protocol/sync/box.hpp"
#include "tests/support/agent/boards.hpp"
#include "tests/support/catch.hpp"

namespace mpyd::test {
namespace {

using agent::EventKind;
using agent::SlotState;

constexpr std::string_view kSync = "/v1/device/sync";

struct Net : World {
  BuiltPackage package = driver_package();
  Net() { server.decide(kThermoId, {.package = &package}); }
};

TEST_CASE("A28 replayed, reflected and foreign answers change nothing") {
  Net world;
  world.boot();
  REQUIRE(world.run_sync());
  const Buffer old_answer = world.server.last_answer;
  const auto files = world.store.files();

  Errc error = Errc::replayed;
  SECTION("an old answer") {
    world.server.replace = [&](Bytes, Buffer) { return old_answer; };
  }
  SECTION("an answer with another nonce inside") {
    world.server.edit = [](const v1::SyncRequest&, v1::SyncAnswer& answer) {
      answer.set_request_nonce(std::string(24, 'n'));
    };
  }
  SECTION("an answer to another request") {
    world.server.edit = [](const v1::SyncRequest&, v1::SyncAnswer& answer) {
      answer.set_request_digest(std::string(32, 'd'));
    };
  }
  SECTION("the request itself") {
    error = Errc::malformed;
    world.server.replace = [](Bytes request, Buffer) { return copy(request); };
  }
  SECTION("the request's box in an answer's frame") {
    world.server.replace = [](Bytes request, Buffer) {
      Buffer out = {std::byte{kFormat}, static_cast<std::byte>(sync::Kind::answer)};
      const Bytes nonce = request.subspan(42, 24);
      out.insert(out.end(), nonce.begin(), nonce.end());
      const Bytes box = request.subspan(sync::kRequestPrefixBytes);
      out.insert(out.end(), box.begin(), box.end());
      return out;
    };
  }
  SECTION("an answer by another key") {
    error = Errc::decryption;
    world.server.replace = [](Bytes, Buffer answer) {
      answer.back() ^= std::byte{1};
      return answer;
    };
  }
  SECTION("an empty answer") {
    error = Errc::truncated;
    world.server.replace = [](Bytes, Buffer) { return Buffer{}; };
  }
  SECTION("an answer of a newer format") {
    error = Errc::unsupported;
    world.server.replace = [](Bytes, Buffer answer) {
      answer[0] = std::byte{7};
      return answer;
    };
  }
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::refused));
  CHECK(world.events.last(EventKind::offline)->error == error);
  CHECK(world.store.files() == files);
  CHECK(world.loader.entered == 0);

  world.server.replace = nullptr;
  world.server.edit = nullptr;
  CHECK(world.run_until_state(0, SlotState::running));
}

TEST_CASE("A02 a bit flipped at any byte of a sync answer changes nothing") {
  Net world;
  world.boot();
  REQUIRE(world.run_sync());
  std::size_t size = 0;
  for (std::size_t at = 0; at == 0 || at < size; ++at) {
    world.server.replace = [&](Bytes, Buffer answer) {
      size = answer.size();
      answer[at] ^= static_cast<std::byte>(1U << at % 8);
      return answer;
    };
    world.plug(0, thermo_image());
    REQUIRE(world.run_until_state(0, SlotState::refused));
    REQUIRE(world.slot(0).error == Errc::unreachable);
    world.pull(0);
  }
  CHECK(size > 100);
  CHECK(world.loader.entered == 0);
  CHECK_FALSE(world.store.has("k-"));
}

TEST_CASE("A10 requests carry a counter that never repeats, across resets too") {
  World world;
  for (int boots = 0; boots < 5; ++boots) {
    world.boot();
    for (int i = 0; i < 70; ++i) {
      world.plug(0, thermo_image());
      REQUIRE(world.run_until_state(0, SlotState::refused));
      world.pull(0);
    }
  }
  for (std::size_t i = 1; i < world.server.syncs.size(); ++i)
    REQUIRE(world.server.syncs[i].counter() > world.server.syncs[i - 1].counter());
  CHECK(world.server.count(kSync) == world.server.syncs.size());
}

TEST_CASE("A40 a device that lost its counter is told the last one and goes on above it") {
  Net world;
  world.server.last_counter = 5'000'000'000;
  world.boot();
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::running));
  CHECK(world.server.syncs.front().counter() > 5'000'000'000);
  CHECK(world.events.count(EventKind::offline) == 0);
  CHECK(world.server.count(kSync) <= 4);

  world.boot();
  REQUIRE(world.run_sync());
  CHECK(world.events.count(EventKind::offline) == 0);
}

TEST_CASE(
    "a COUNTER below the device's own is a lie, and one that repeats is not followed for ever") {
  Net world;
  std::uint64_t claimed = 0;
  SECTION("below") { claimed = 0; }
  SECTION("always above") { claimed = ~std::uint64_t{0} - 1000; }
  SECTION("the largest number") { claimed = ~std::uint64_t{0}; }
  std::uint64_t raised = 0;
  world.server.edit = [&](const v1::SyncRequest&, v1::SyncAnswer& answer) {
    answer.set_status(static_cast<std::uint32_t>(sync::Status::counter));
    answer.set_last_counter(claimed == 0 ? 0 : claimed + std::min<std::uint64_t>(raised, ~claimed));
    raised += 100;
  };
  world.boot();
  world.run_ms(3000);
  CHECK(world.events.count(EventKind::offline) == 1);
  CHECK(world.server.count(kSync) < 12);
}

TEST_CASE("the enrolment token is sent until the server has answered once") {
  World world;
  world.server.is_reachable = false;
  world.boot();
  world.run_ms(2000);
  world.server.is_reachable = true;
  REQUIRE(world.run_sync());
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::refused));
  REQUIRE(world.server.syncs.size() >= 2);
  CHECK(world.server.syncs[0].enroll_token() == "token-for-once");
  CHECK(world.server.syncs[1].enroll_token().empty());
}

TEST_CASE("what happens while a sync is under way is reported by the next") {
  Net world;
  world.boot();
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::running));
  world.run_ms(1000);
  // During the next sync the board goes.
  const std::size_t before = world.server.syncs.size();
  world.server.spoil = [&](const std::string& path, HttpAnswer& answer) {
    if (path == kSync) {
      answer.piece = 1;
      world.bus.pull(0);
    }
  };
  world.config.sync_timeout_ms = 5000;
  REQUIRE(world.run_until([&] { return world.server.syncs.size() == before + 1; }, 70'000));
  REQUIRE(world.run_until_state(0, SlotState::empty));
  world.run_ms(70'000);
  std::size_t removed = 0;
  for (const v1::SyncRequest& sync : world.server.syncs)
    for (const v1::Event& event : sync.events())
      removed += event.kind() == static_cast<std::uint32_t>(EventKind::removed);
  CHECK(removed == 1);
}

TEST_CASE("a board plugged while a sync is under way is asked about right after it") {
  Net world;
  world.boot();
  world.server.spoil = [&](const std::string& path, HttpAnswer& answer) {
    if (path != kSync || world.bus.has(0)) return;
    answer.piece = 1;
    world.plug(0, thermo_image());
  };
  REQUIRE(world.run_until([&] { return world.events.count(EventKind::identified) == 1; }));
  REQUIRE(world.events.count(EventKind::synced) == 0);
  CHECK(world.run_until_state(0, SlotState::running, 2000));
}

TEST_CASE("events are reported once, and the newest eight survive a long time offline") {
  Net world;
  world.server.is_reachable = false;
  world.boot();
  for (int i = 0; i < 20; ++i) {
    world.plug(0, thermo_image());
    REQUIRE(world.run_until_state(0, SlotState::refused));
    world.pull(0);
  }
  world.server.is_reachable = true;
  REQUIRE(world.run_sync());
  CHECK(world.server.syncs.back().events_size() == 8);
  REQUIRE(world.run_sync());
  CHECK(world.server.syncs.back().events_size() == 0);
}

TEST_CASE("a refresh that changes nothing writes nothing: flash wears") {
  Net world;
  world.boot();
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::running));
  world.run_ms(65'000);
  world.store.reset_count();
  const std::size_t syncs = world.server.syncs.size();
  world.run_ms(20 * 60'000);
  CHECK(world.server.syncs.size() >= syncs + 19);
  CHECK(world.store.changes() <= 1);  // a block of counters
}

TEST_CASE("eight boards with the longest of everything still fit the smallest message") {
  World world(8);
  const std::string vendor(87, 'v');  // hat:<vendor>:0042 is 96 bytes then
  Buffer image(FakeBus::kPartBytes);
  const BuiltPackage package = driver_package();
  const eeprom::BoardPackage on_board{.package = package.bytes};
  image.resize(eeprom::write_hat({.vendor = vendor,
                                  .product_id = 0x42,
                                  .product_version = 0xffff,
                                  .uuid = {std::byte{1}, std::byte{2}},
                                  .packages = {&on_board, 1}},
                                 image)
                   .value());
  world.config.firmware = "a firmware version of sixty-four bytes, which is the longest one";
  world.boot();
  const auto id = HardwareId::make("hat", vendor, "0042").value();
  CHECK(id.view().size() == kHardwareIdMax);
  for (std::uint8_t i = 0; i < 4; ++i) {
    Digest digest;
    digest.data.fill(static_cast<std::byte>(i + 1));
    world.store.files()[std::string(agent::package_file(id, digest).view())] = {};
  }
  for (unsigned i = 0; i < 8; ++i) world.plug(i, image);
  for (unsigned i = 0; i < 8; ++i) REQUIRE(world.run_until_state(i, SlotState::refused));
  CHECK(world.slot(7).error == Errc::no_driver);
  REQUIRE(world.run_sync());
  REQUIRE(world.run_sync());
  CHECK(world.server.syncs.back().boards_size() == 8);
}

TEST_CASE("no entropy means no sync, not a bad nonce") {
  Net world;
  world.entropy.is_good = false;
  world.boot();
  world.plug(0, thermo_image());
  REQUIRE(world.run_until_state(0, SlotState::refused));
  CHECK(world.events.last(EventKind::offline)->error == Errc::io);
  CHECK(world.server.paths.empty());
  world.entropy.is_good = true;
  CHECK(world.run_until_state(0, SlotState::running, 40'000));
}

TEST_CASE("A30 sync answers that are no messages, or too much of one, are refused") {
  Net world;
  std::function<void(v1::SyncAnswer&)> spoil;
  SECTION("a slot that does not exist") {
    spoil = [](v1::SyncAnswer& answer) {
      for (auto& slot : *answer.mutable_slots()) slot.set_slot(77);
    };
  }
  SECTION("a digest of the wrong size") {
    spoil = [](v1::SyncAnswer& answer) {
      for (auto& slot : *answer.mutable_slots()) slot.set_package_digest("short");
    };
  }
  SECTION("too many digests to avoid") {
    spoil = [](v1::SyncAnswer& answer) {
      for (auto& slot : *answer.mutable_slots())
        for (int i = 0; i < 9; ++i) slot.add_avoid_digests(std::string(32, 'a'));
    };
  }
  SECTION("a proof that is too deep") {
    spoil = [](v1::SyncAnswer& answer) {
      for (auto& slot : *answer.mutable_slots())
        for (int i = 0; i < 40; ++i) slot.mutable_entry()->add_path(std::string(32, 'a'));
    };
  }
  SECTION("a hardware ID that is none") {
    spoil = [](v1::SyncAnswer& answer) {
      for (auto& slot : *answer.mutable_slots()) slot.set_hardware_id("nonsense");
    };
  }
  SECTION("a message for people that is too long") {
    spoil = [](v1::SyncAnswer& answer) { answer.set_message(std::string(97, 'm')); };
  }
  world.server.edit = [&](const v1::SyncRequest&, v1::SyncAnswer& answer) { spoil(answer); };
  world.boot();
  world.plug(0, thermo_image());
  world.run_ms(20'000);
  CHECK(world.slot(0).state != SlotState::running);
  CHECK(world.loader.entered == 0);
  world.server.edit = nullptr;
  CHECK(world.run_until_state(0, SlotState::running, 100'000));
}

// Serials differ, so that the reports do.
void plug_many(BoardsWorld& world, unsigned count) {
  for (unsigned i = 0; i < count; ++i)
    world.plug_part(i, part_of(BoardKind::hat_wide, {.serial = static_cast<std::uint8_t>(i)}));
}

TEST_CASE("64 boards are served and reported through a message buffer of 4 KiB") {
  constexpr unsigned kCount = 64;
  BoardsWorld world(kCount);
  std::size_t largest = 0;
  std::map<unsigned, v1::BoardReport> told;
  bool was_left_out = false;
  const bool is_narrow = GENERATE(false, true);
  world.server.edit = [&](const v1::SyncRequest& request, v1::SyncAnswer& answer) {
    largest = std::max(largest, world.server.last_request.size());
    for (const v1::BoardReport& board : request.boards()) {
      CHECK((request.unreported_slots() >> board.slot() & 1U) == 0);
      told[board.slot()] = board;
    }
    // What is neither reported nor said to be there is empty.
    for (unsigned i = 0; i < kCount; ++i) {
      const bool is_reported = std::ranges::any_of(
          request.boards(), [&](const v1::BoardReport& b) { return b.slot() == i; });
      if (!is_reported && (request.unreported_slots() >> i & 1U) == 0) told.erase(i);
    }
    was_left_out |= request.unreported_slots() != 0;
    // As a server whose answer has as little room.
    while (answer.ByteSizeLong() > (is_narrow ? 1500 : 4000)) {
      answer.mutable_slots()->RemoveLast();
      answer.set_more(true);
    }
  };
  world.boot();
  plug_many(world, kCount);
  const auto all_run = [&] {
    for (unsigned i = 0; i < kCount; ++i)
      if (world.slot(i).state != SlotState::running) return false;
    return true;
  };
  REQUIRE(world.run_until(all_run, 60'000));
  CHECK(world.events.count(EventKind::offline) == 0);
  CHECK(largest <= agent::kMessageBytesMin);
  CHECK(was_left_out);
  // Soon after, not at the next regular sync.
  world.run_ms(3000);
  REQUIRE(told.size() == kCount);
  for (const auto& [slot, board] : told) {
    CAPTURE(slot);
    CHECK(board.state() == static_cast<std::uint32_t>(SlotState::running));
    CHECK(board.loaded_digest() == text_of(world.hat.name().bytes()));
  }
  // Then there is nothing to tell, and a round a minute tells it.
  const std::size_t before = world.server.syncs.size();
  world.run_ms(50'000);
  CHECK(world.server.syncs.size() - before < 40);
  world.run_ms(65'000);
  CHECK(world.server.syncs.size() - before < 100);
  CHECK(told.size() == kCount);

  world.pull(40);
  world.run_ms(3000);
  CHECK(told.size() == kCount - 1);
  CHECK_FALSE(told.contains(40));
}

}  // namespace
}  // namespace mpyd::test
