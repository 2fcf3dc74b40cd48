#include "device-agent/core/sync.hpp"

#include "device-agent/core/cache.hpp"
#include "mpyd/v1/device.pb.h"
#include "tests/support/agent/fake_store.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/trust_documents.hpp"

namespace mpyd::test {
namespace {

using agent::EventKind;
using agent::EventLog;

TEST_CASE("the log keeps the newest events in order") {
  EventLog log;
  for (std::uint8_t i = 0; i < 20; ++i) log.push({.kind = EventKind::loaded, .slot = i});
  REQUIRE(log.size() == 8);
  for (std::size_t i = 0; i < log.size(); ++i) CHECK(log[i].slot == 12 + i);
}

TEST_CASE("only what was sent leaves the log") {
  EventLog log;
  for (std::uint8_t i = 0; i < 3; ++i) log.push({.kind = EventKind::loaded, .slot = i});
  log.mark_sent();
  log.push({.kind = EventKind::removed, .slot = 3});
  log.drop_sent();
  REQUIRE(log.size() == 1);
  CHECK(log[0].slot == 3);
  log.drop_sent();
  CHECK(log.size() == 1);

  // What fell out meanwhile is not counted twice.
  for (std::uint8_t i = 4; i < 11; ++i) log.push({.kind = EventKind::loaded, .slot = i});
  log.mark_sent();
  for (std::uint8_t i = 11; i < 16; ++i) log.push({.kind = EventKind::loaded, .slot = i});
  log.drop_sent();
  REQUIRE(log.size() == 5);
  CHECK(log[0].slot == 11);
}

struct Fixture {
  FakeStore store;
  EventLog events;
  Abi abi = parse_abi("6.3-armv7m").value();
  std::vector<agent::Slot> slots = std::vector<agent::Slot>(3);
  HardwareId id = HardwareId::parse("hat:a:0001").value();

  agent::SyncRequest request() {
    return {.counter = ~std::uint64_t{0},
            .root_version = 3,
            .targets_epoch = 4,
            .head_version = 5,
            .answer_bytes_max = 4096,
            .abi = &abi,
            .firmware = "fw",
            .enroll_token = "token",
            .slots = slots,
            .events = &events,
            .store = &store};
  }
};

TEST_CASE("libprotobuf reads a request as the agent meant it") {
  Fixture f;
  f.slots[1].state = agent::SlotState::waiting;
  f.slots[1].identity.hardware_id = f.id;
  f.slots[1].identity.revision = 7;
  f.slots[1].identity.serial.push_back(std::byte{9});
  f.slots[1].eeprom_digest = random_fixed<Digest>(1);
  f.slots[1].wants_answer = true;
  f.slots[2].state = agent::SlotState::unidentified;
  f.slots[2].error = Errc::blank;
  f.events.push({.kind = EventKind::refused, .slot = 1, .error = Errc::revoked, .duration_ms = 5});
  Buffer out(4096);
  out.resize(agent::encode_sync_request(f.request(), out).value().bytes);
  v1::SyncRequest m;
  REQUIRE(m.ParseFromArray(out.data(), static_cast<int>(out.size())));
  CHECK(m.counter() == ~std::uint64_t{0});
  CHECK(m.root_version() == 3);
  CHECK(m.targets_epoch() == 4);
  CHECK(m.head_version() == 5);
  CHECK(m.enroll_token() == "token");
  CHECK(m.abi().arch() == static_cast<std::uint32_t>(Arch::armv7m));
  REQUIRE(m.boards_size() == 2);
  CHECK(m.boards(0).slot() == 1);
  CHECK(m.boards(0).hardware_id() == "hat:a:0001");
  CHECK(m.boards(0).revision() == 7);
  CHECK(m.boards(0).serial() == "\x09");
  CHECK(m.boards(0).wants_answer());
  CHECK(m.boards(1).hardware_id().empty());
  CHECK(m.boards(1).error() == static_cast<std::uint32_t>(Errc::blank));
  REQUIRE(m.events_size() == 1);
  CHECK(m.events(0).error() == static_cast<std::uint32_t>(Errc::revoked));
}

TEST_CASE("a slot whose EEPROM is still being hashed asks for nothing yet") {
  Fixture f;
  f.slots[0].state = agent::SlotState::waiting;
  f.slots[0].wants_answer = true;
  f.slots[0].hash_pending = true;
  Buffer out(4096);
  out.resize(agent::encode_sync_request(f.request(), out).value().bytes);
  v1::SyncRequest m;
  REQUIRE(m.ParseFromArray(out.data(), static_cast<int>(out.size())));
  CHECK_FALSE(m.boards(0).wants_answer());
}

TEST_CASE("a request that does not fit is an error, never a cut message") {
  Fixture f;
  Buffer out(4096);
  const std::size_t size = agent::encode_sync_request(f.request(), out).value().bytes;
  for (std::size_t room = 0; room < size; ++room)
    REQUIRE(agent::encode_sync_request(f.request(), MutableBytes(out).first(room)).error() ==
            Errc::limit);
}

struct Visitor final : agent::SlotAnswerVisitor {
  std::vector<agent::SlotAnswer> seen;
  std::vector<Buffer> entries;
  void on_slot_answer(const agent::SlotAnswer& answer) override {
    seen.push_back(answer);
    entries.push_back(copy(answer.entry.entry));
  }
};

v1::SyncAnswer example_answer() {
  v1::SyncAnswer m;
  m.set_request_nonce(std::string(24, 'n'));
  m.set_request_digest(std::string(32, 'd'));
  m.set_server_unix_s(1'800'000'000);
  m.set_head("a head");
  v1::SlotAnswer& slot = *m.add_slots();
  slot.set_slot(2);
  slot.set_hardware_id("hat:a:0001");
  slot.set_package_digest(std::string(32, 'p'));
  slot.set_content_key(std::string(32, 'k'));
  slot.mutable_entry()->set_entry("an entry");
  slot.mutable_entry()->set_index(6);
  slot.mutable_entry()->add_path(std::string(32, 'q'));
  slot.add_avoid_digests(std::string(32, 'z'));
  slot.set_message("because");
  return m;
}

TEST_CASE("the agent reads an answer as libprotobuf wrote it") {
  const Buffer bytes = serialise(example_answer());
  const auto answer = agent::decode_sync_answer(bytes);
  REQUIRE(answer);
  CHECK(as_text(answer->head) == "a head");
  CHECK(answer->server_unix_s == 1'800'000'000);
  Visitor visitor;
  REQUIRE(agent::visit_slot_answers(bytes, visitor));
  REQUIRE(visitor.seen.size() == 1);
  const agent::SlotAnswer& slot = visitor.seen[0];
  CHECK(slot.slot == 2);
  CHECK(slot.has_key);
  CHECK(slot.has_entry);
  CHECK(as_text(visitor.entries[0]) == "an entry");
  CHECK(slot.entry.index == 6);
  CHECK(slot.entry.path.size() == 1);
  CHECK(slot.avoid.size() == 1);
}

TEST_CASE("A30 no prefix and no flipped bit of an answer makes the decoder misbehave") {
  const Buffer bytes = serialise(example_answer());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    Visitor visitor;
    (void)agent::decode_sync_answer(Bytes(bytes).first(size));
    (void)agent::visit_slot_answers(Bytes(bytes).first(size), visitor);
    CHECK(visitor.seen.size() <= 1);
  }
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    Visitor visitor;
    const Buffer flipped = with_flipped_bit(bytes, bit);
    (void)agent::decode_sync_answer(flipped);
    (void)agent::visit_slot_answers(flipped, visitor);
  }
}

TEST_CASE(
    "a kept answer comes back under the same authority only, and says for which board it was") {
  Fixture f;
  agent::SlotAnswer answer;
  answer.hardware_id = f.id;
  answer.revision = 2;
  answer.eeprom_digest = random_fixed<Digest>(1);
  answer.package_digest = random_fixed<Digest>(2);
  answer.package_bytes = 777;
  answer.avoid.push_back(random_fixed<Digest>(3));
  const Digest authority = random_fixed<Digest>(4);
  Buffer buffer(2048);
  REQUIRE(agent::save_answer(f.store, answer, authority, buffer));

  agent::Slot slot;
  slot.identity.hardware_id = f.id;
  slot.identity.revision = 2;
  slot.eeprom_digest = answer.eeprom_digest;
  const auto kept = agent::load_answer(f.store, slot, authority, buffer);
  REQUIRE(kept);
  CHECK(kept->package_digest == answer.package_digest);
  CHECK(kept->package_bytes == 777);
  CHECK(kept->avoid.size() == 1);
  CHECK(kept->is_for_board);

  CHECK(agent::load_answer(f.store, slot, random_fixed<Digest>(5), buffer).error() ==
        Errc::not_found);
  agent::Slot other = slot;
  other.identity.revision = 3;
  CHECK_FALSE(agent::load_answer(f.store, other, authority, buffer)->is_for_board);
  other = slot;
  other.eeprom_digest = {};
  CHECK_FALSE(agent::load_answer(f.store, other, authority, buffer)->is_for_board);
  CHECK(agent::load_answer(f.store, other, authority, buffer)->avoid.size() == 1);
  other = slot;
  other.identity.hardware_id = HardwareId::parse("hat:a:0002").value();
  CHECK(agent::load_answer(f.store, other, authority, buffer).error() == Errc::not_found);
}

}  // namespace
}  // namespace mpyd::test
