// What is inside the box of a sync, and the box: an enrolled device may lie to its server, and a
// server whose key is lost to its devices.
#include "device-agent/core/sync.hpp"
#include "mpyd/v1/device.pb.h"
#include "protocol/sync/box.hpp"
#include "server/services/sync_request.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/support/bytes.hpp"

using namespace mpyd;

namespace {

void read_request(Bytes message) {
  const auto request = server::parse_sync_request(message);
  if (!request) return;
  FUZZ_CHECK(request->boards.size() <= kBoardsPerSyncMax);
  FUZZ_CHECK(request->events.size() <= server::kEventsPerSyncMax);
  FUZZ_CHECK(request->answer_bytes_max <= kSyncBytesMax);
}

class Visitor final : public agent::SlotAnswerVisitor {
 public:
  explicit Visitor(Bytes message) : message_(message) {}
  void on_slot_answer(const agent::SlotAnswer& answer) override {
    ++visited;
    if (answer.has_entry && !answer.entry.entry.empty())
      FUZZ_CHECK(answer.entry.entry.data() >= message_.data() &&
                 answer.entry.entry.data() + answer.entry.entry.size() <=
                     message_.data() + message_.size());
    FUZZ_CHECK(answer.message.size() <= 160);
  }
  int visited = 0;

 private:
  Bytes message_;
};

void read_answer(Bytes message) {
  const auto ours = agent::decode_sync_answer(message);
  Visitor visitor(message);
  const bool slots = agent::visit_slot_answers(message, visitor).has_value();
  v1::SyncAnswer theirs;
  // libprotobuf refuses more, text that is no UTF-8 for one; what both take means the same.
  if (!theirs.ParseFromArray(message.data(), static_cast<int>(message.size()))) return;
  if (slots) FUZZ_CHECK(visitor.visited <= theirs.slots_size());
  if (!ours) return;
  FUZZ_CHECK(ours->status == theirs.status());
  FUZZ_CHECK(ours->server_unix_s == theirs.server_unix_s());
  FUZZ_CHECK(ours->last_counter == theirs.last_counter());
  FUZZ_CHECK(ours->root_version == theirs.root_version());
  FUZZ_CHECK(ours->more == theirs.more());
  FUZZ_CHECK(same_bytes(ours->head, as_bytes(theirs.head())));
  FUZZ_CHECK(ours->has_fleet_keys == (theirs.fleet_keys_size() != 0));
  FUZZ_CHECK(ours->server_port == theirs.server_port());
  if (theirs.server_host().find('\0') == std::string::npos)
    FUZZ_CHECK(ours->server_host.view() == theirs.server_host());
  agent::FleetKeyList keys;
  if (!agent::read_fleet_keys(message, keys)) return;
  FUZZ_CHECK(static_cast<int>(keys.size()) == theirs.fleet_keys_size());
}

// Nobody without the key makes a box that opens.
void open_box(Bytes bytes) {
  static const SharedKey kKey = test::random_fixed<SharedKey>(5);
  test::Buffer request = test::copy(bytes);
  if (const auto prefix = sync::parse_request_prefix(request))
    FUZZ_CHECK(!sync::open_request(request, *prefix, kKey));
  test::Buffer answer = test::copy(bytes);
  FUZZ_CHECK(!sync::open_answer(answer, kKey));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  constexpr void (*kReaders[])(Bytes) = {read_request, read_answer, open_box};
  kReaders[input.byte() % std::size(kReaders)](input.rest());
  return 0;
}
