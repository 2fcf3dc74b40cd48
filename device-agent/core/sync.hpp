// Sync messages: encoding requests from slots, decoding answers in place.
#pragma once

#include "device-agent/core/fleet_keys.hpp"
#include "device-agent/core/slot.hpp"
#include "mpyd/v1/device.npb.h"
#include "protocol/abi.hpp"
#include "protocol/package/key_block.hpp"
#include "protocol/trust/documents.hpp"

namespace mpyd::agent {

// What has happened since the last accepted sync; the oldest falls out first.
class EventLog {
 public:
  struct Entry {
    EventKind kind{};
    std::uint8_t slot = 0;
    Errc error{};
    std::uint32_t duration_ms = 0;
    std::uint32_t generation = 0;  // of the slot: which board it was about
    Digest digest;
  };
  void push(const Entry& entry);
  // What is in the log now goes out; when it has arrived, drop_sent() forgets it, and only it.
  void mark_sent() { sent_ = count_; }
  void drop_sent();
  std::size_t size() const { return count_; }
  const Entry& operator[](std::size_t i) const;  // 0 is the oldest

 private:
  static constexpr std::size_t kEntries = 8;
  std::array<Entry, kEntries> entries_{};
  std::size_t first_ = 0;
  std::size_t count_ = 0;
  std::size_t sent_ = 0;  // of the oldest
};

inline constexpr unsigned kSlotNone = 0xff;

struct SyncRequest {
  std::uint64_t counter = 0;
  std::uint32_t root_version = 0;
  std::uint32_t targets_epoch = 0;
  std::uint32_t head_version = 0;
  std::uint32_t fleet_generation = 0;
  std::uint32_t answer_bytes_max = 0;
  const Abi* abi = nullptr;
  std::string_view firmware;
  std::string_view enroll_token;
  std::span<const Slot> slots;
  std::uint64_t first = ~std::uint64_t{0};  // bit n: slot n is reported before those without
  const EventLog* events = nullptr;
  Store* store = nullptr;           // for the digests in the cache
  unsigned store_slot = kSlotNone;  // whose running package's key block is wanted
};

struct EncodedRequest {
  std::size_t bytes = 0;
  std::uint64_t left_out = 0;  // bit n: the board in slot n did not fit, and the request says so
};
// As many boards as fit: of those that come first, and then of the others, the ones that want an
// answer before the rest. Errors: limit if not even one of them fits `out`, or what lies beside.
Result<EncodedRequest> encode_sync_request(const SyncRequest& request, MutableBytes out);

struct SyncAnswer {
  std::uint32_t status = 0;
  std::uint64_t server_unix_s = 0;
  std::uint64_t last_counter = 0;
  std::uint32_t root_version = 0;
  Bytes head;  // view into the message; empty: nothing newer
  bool more = false;
  bool has_fleet_keys = false;
  InlineText<64> server_host;  // empty: where it was
  std::uint32_t server_port = 0;
  InlineText<96> message;
  Nonce request_nonce;
  Digest request_digest;
};
// Errors: malformed.
Result<SyncAnswer> decode_sync_answer(Bytes message);

// The fleet's keys in an answer; the caller wipes them. Errors: malformed.
Result<void> read_fleet_keys(Bytes message, FleetKeyList& out);

struct SlotAnswer {
  unsigned slot = 0;
  HardwareId hardware_id;
  std::uint32_t revision = 0;
  Digest eeprom_digest;
  Digest package_digest;  // zero: no driver
  std::uint32_t package_bytes = 0;
  bool has_key = false;
  ContentKey content_key;
  bool has_entry = false;
  bool try_again = false;   // the operator lifts the package's quarantine
  trust::EntryProof entry;  // its bytes are a view into the message
  Errc reason{};
  InlineText<160> message;
  InlineVector<Digest, 8> avoid;
  Digest store_digest;  // as asked; zero: nothing was asked, or it cannot be had
  Bytes key_block;      // of that package, a view into the message; empty: it is public
};
class SlotAnswerVisitor {
 public:
  virtual void on_slot_answer(const SlotAnswer& answer) = 0;

 protected:
  ~SlotAnswerVisitor() = default;
};
// Calls the visitor for each slot answer that is well-formed. Errors: malformed.
Result<void> visit_slot_answers(Bytes message, SlotAnswerVisitor& visitor);

// The kept answer of a hardware ID: what the server said last.
Result<void> save_answer(Store& store, const SlotAnswer& answer, const Digest& authority,
                         MutableBytes buffer);  // io, limit
struct KeptAnswer {
  // Was it given for this very board? If not, only `avoid` counts: what is withdrawn is withdrawn
  // for every board of the hardware ID, whatever lies on its EEPROM.
  bool is_for_board = false;
  Digest package_digest;
  std::uint32_t package_bytes = 0;
  Errc reason{};
  InlineVector<Digest, 8> avoid;
};
// If it was given for a board of this hardware ID under this authority. Errors: not_found, io,
// malformed.
Result<KeptAnswer> load_answer(Store& store, const Slot& slot, const Digest& authority,
                               MutableBytes buffer);

}  // namespace mpyd::agent
