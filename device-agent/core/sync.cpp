#include "device-agent/core/sync.hpp"

#include "device-agent/core/bounds.hpp"
#include "mpyd/v1/identity.npb.h"
#include "protocol/abi_codec.hpp"
#include "protocol/nanopb_io.hpp"

namespace mpyd::agent {
namespace {

constexpr std::string_view kAgentVersion = "0.1.0";

template <class Array>
void assign_digest(Array& array, const Digest& digest) {
  if (!digest.is_zero()) pb::assign(array, digest.bytes());
}

bool needs_answer(const Slot& slot) { return slot.wants_answer && !slot.hash_pending; }

void fill_report(const SyncRequest& request, unsigned index, mpyd_v1_BoardReport& m) {
  const Slot& slot = request.slots[index];
  m.slot = index;
  pb::assign(m.hardware_id, slot.identity.hardware_id.view());
  m.revision = slot.identity.revision;
  pb::assign(m.serial, Bytes(slot.identity.serial.begin(), slot.identity.serial.size()));
  assign_digest(m.eeprom_digest, slot.eeprom_digest);
  assign_digest(m.loaded_digest, slot.loaded);
  m.state = static_cast<std::uint32_t>(slot.state);
  m.error = static_cast<std::uint32_t>(slot.error);
  m.wants_answer = needs_answer(slot);
  if (index == request.store_slot) assign_digest(m.store_digest, slot.loaded);
  for (unsigned n = 0; n < kCachedPackagesMax && !slot.identity.hardware_id.empty(); ++n) {
    const auto digest = find_cached(*request.store, slot.identity.hardware_id, n);
    if (!digest && digest.error() == Errc::not_found) break;
    if (!digest) continue;  // somebody else's file under a name like ours
    pb::assign(m.cached_digests[m.cached_digests_count++], digest->bytes());
  }
}

constexpr std::uint64_t bit_of(unsigned index) { return std::uint64_t{1} << index; }

// Of the boards that are reported: what there is, and what is left.
struct Boards {
  const SyncRequest* request = nullptr;
  std::size_t room = 0;           // in bytes
  std::uint64_t* left = nullptr;  // bit n: the board in slot n is not reported yet
};

// The lower, the sooner it is reported.
unsigned rank_of(const SyncRequest& request, unsigned index) {
  const bool asks = needs_answer(request.slots[index]) || index == request.store_slot;
  return ((request.first & bit_of(index)) != 0 ? 0U : 2U) + (asks ? 0U : 1U);
}

// True if it went out or has no room any more; false if the stream failed.
bool encode_board(pb_ostream_t* stream, const pb_field_t* field, unsigned index, Boards& boards) {
  constexpr std::size_t kHeaderBytes = 3;  // tag, and a length below 16,384
  mpyd_v1_BoardReport m{};
  fill_report(*boards.request, index, m);
  std::size_t bytes = 0;
  if (!pb_get_encoded_size(&bytes, mpyd_v1_BoardReport_fields, &m)) return false;
  bytes += kHeaderBytes;
  if (bytes > boards.room) {
    boards.room = 0;
    return true;
  }
  boards.room -= bytes;
  *boards.left &= ~bit_of(index);
  return pb_encode_tag_for_field(stream, field) &&
         pb_encode_submessage(stream, mpyd_v1_BoardReport_fields, &m);
}

bool encode_boards(pb_ostream_t* stream, const pb_field_t* field, void* const* arg) {
  constexpr unsigned kRanks = 4;
  Boards& boards = *static_cast<Boards*>(*arg);
  const SyncRequest& request = *boards.request;
  const std::uint64_t all = *boards.left;
  for (unsigned rank = 0; rank < kRanks; ++rank)
    for (unsigned i = 0; i < request.slots.size() && boards.room != 0; ++i)
      if ((all & bit_of(i)) != 0 && rank_of(request, i) == rank &&
          !encode_board(stream, field, i, boards))
        return false;
  // Without one of them the next request would say no more than this one.
  return all == 0 || *boards.left != all;
}

bool encode_events(pb_ostream_t* stream, const pb_field_t* field, void* const* arg) {
  const SyncRequest& request = *static_cast<const SyncRequest*>(*arg);
  for (std::size_t i = 0; i < request.events->size(); ++i) {
    const EventLog::Entry& entry = (*request.events)[i];
    mpyd_v1_Event m{};
    m.kind = static_cast<std::uint32_t>(entry.kind);
    m.slot = entry.slot;
    m.error = static_cast<std::uint32_t>(entry.error);
    m.duration_ms = entry.duration_ms;
    assign_digest(m.digest, entry.digest);
    // Not under the name of a board that came after.
    if (entry.slot < request.slots.size() &&
        request.slots[entry.slot].generation == entry.generation)
      pb::assign(m.hardware_id, request.slots[entry.slot].identity.hardware_id.view());
    if (!pb_encode_tag_for_field(stream, field) ||
        !pb_encode_submessage(stream, mpyd_v1_Event_fields, &m))
      return false;
  }
  return true;
}

template <std::size_t N, class Array>
bool read_digests(const Array* items, pb_size_t count, InlineVector<Digest, N>& out) {
  for (pb_size_t i = 0; i < count; ++i) {
    const auto digest = pb::fixed_of<Digest>(items[i]);
    if (!digest || !out.push_back(*digest)) return false;
  }
  return true;
}

Result<void> read_proof(const mpyd_v1_EntryProof& m, Bytes entry, trust::EntryProof& out) {
  out.entry = entry;
  out.index = m.index;
  return read_digests(m.path, m.path_count, out.path) ? Result<void>{} : fail(Errc::malformed);
}

Result<void> read_slot_answer(const mpyd_v1_SlotAnswer& m, Bytes entry, SlotAnswer& out) {
  out.slot = m.slot;
  MPYD_TRY_ASSIGN(out.hardware_id, HardwareId::parse(m.hardware_id));
  out.revision = m.revision;
  MPYD_TRY_ASSIGN(out.eeprom_digest, pb::fixed_or_zero<Digest>(m.eeprom_digest));
  MPYD_TRY_ASSIGN(out.package_digest, pb::fixed_or_zero<Digest>(m.package_digest));
  MPYD_TRY_ASSIGN(out.content_key, pb::fixed_or_zero<ContentKey>(m.content_key));
  out.has_key = m.content_key.size != 0;
  out.package_bytes = m.package_bytes;
  out.has_entry = m.has_entry;
  out.try_again = m.try_again;
  if (m.has_entry) MPYD_TRY(read_proof(m.entry, entry, out.entry));
  out.reason = static_cast<Errc>(m.reason);
  out.message.append(m.message);
  MPYD_TRY_ASSIGN(out.store_digest, pb::fixed_or_zero<Digest>(m.store_digest));
  return read_digests(m.avoid_digests, m.avoid_digests_count, out.avoid) ? Result<void>{}
                                                                         : fail(Errc::malformed);
}

// Not inlined: the message shall be off the stack when the answer is followed.
[[gnu::noinline]] bool decode_slot_answer(pb_istream_t* stream, SlotAnswer& out) {
  Bytes entry;
  mpyd_v1_SlotAnswer m{};
  pb::want_view(m.entry.entry, entry);
  pb::want_view(m.key_block, out.key_block);
  const bool is_good = pb_decode(stream, mpyd_v1_SlotAnswer_fields, &m) &&
                       read_slot_answer(m, entry, out).has_value();
  crypto::wipe({reinterpret_cast<std::byte*>(&m.content_key), sizeof m.content_key});
  return is_good;
}

bool decode_slot(pb_istream_t* stream, const pb_field_t*, void** arg) {
  SlotAnswer answer;
  const bool is_good = decode_slot_answer(stream, answer);
  if (is_good) static_cast<SlotAnswerVisitor*>(*arg)->on_slot_answer(answer);
  crypto::wipe(answer.content_key.mutable_bytes());
  return is_good;
}

void wipe_fleet_keys(mpyd_v1_SyncAnswer& m) {
  crypto::wipe({reinterpret_cast<std::byte*>(&m.fleet_keys), sizeof m.fleet_keys});
}

}  // namespace

void EventLog::push(const Entry& entry) {
  if (count_ == kEntries) {
    first_ = (first_ + 1) % kEntries;
    --count_;
    if (sent_ > 0) --sent_;
  }
  entries_[(first_ + count_++) % kEntries] = entry;
}

void EventLog::drop_sent() {
  first_ = (first_ + sent_) % kEntries;
  count_ -= sent_;
  sent_ = 0;
}

const EventLog::Entry& EventLog::operator[](std::size_t i) const {
  return entries_[(first_ + i) % kEntries];
}

Result<EncodedRequest> encode_sync_request(const SyncRequest& request, MutableBytes out) {
  mpyd_v1_SyncRequest m{};
  m.counter = request.counter;
  m.root_version = request.root_version;
  m.targets_epoch = request.targets_epoch;
  m.head_version = request.head_version;
  m.fleet_generation = request.fleet_generation;
  m.has_abi = true;
  m.abi = abi_to_message(*request.abi);
  pb::assign(m.firmware, request.firmware);
  pb::assign(m.enroll_token, request.enroll_token);
  pb::assign(m.agent_version, kAgentVersion);
  m.answer_bytes_max = request.answer_bytes_max;
  // nanopb takes the argument of an encoder as void*; the encoders only read it.
  void* const arg = const_cast<SyncRequest*>(&request);
  m.events.funcs.encode = encode_events;
  m.events.arg = arg;
  m.unreported_slots = ~std::uint64_t{0};
  std::size_t beside = 0;  // the boards
  if (!pb_get_encoded_size(&beside, mpyd_v1_SyncRequest_fields, &m) || beside > out.size())
    return fail(Errc::limit);
  // Fields go out in the order of their numbers, so what the boards leave is told behind them.
  m.unreported_slots = 0;
  for (unsigned i = 0; i < request.slots.size(); ++i)
    if (request.slots[i].state != SlotState::empty) m.unreported_slots |= bit_of(i);
  Boards boards{&request, out.size() - beside, &m.unreported_slots};
  m.boards.funcs.encode = encode_boards;
  m.boards.arg = &boards;
  MPYD_TRY_ASSIGN(const std::size_t bytes, pb::encode(m, mpyd_v1_SyncRequest_fields, out));
  return EncodedRequest{bytes, m.unreported_slots};
}

Result<SyncAnswer> decode_sync_answer(Bytes message) {
  SyncAnswer out;
  mpyd_v1_SyncAnswer m{};
  pb::want_view(m.head, out.head);
  m.slots.funcs.decode = pb::skip;
  const auto decoded = pb::decode(message, mpyd_v1_SyncAnswer_fields, m);
  wipe_fleet_keys(m);
  if (!decoded) return fail(decoded.error());
  MPYD_TRY_ASSIGN(out.request_nonce, pb::fixed_of<Nonce>(m.request_nonce));
  MPYD_TRY_ASSIGN(out.request_digest, pb::fixed_of<Digest>(m.request_digest));
  out.status = m.status;
  out.server_unix_s = m.server_unix_s;
  out.last_counter = m.last_counter;
  out.root_version = m.root_version;
  out.more = m.more;
  out.has_fleet_keys = m.fleet_keys_count != 0;
  out.server_host.append(m.server_host);
  out.server_port = m.server_port;
  out.message.append(m.message);
  return out;
}

Result<void> read_fleet_keys(Bytes message, FleetKeyList& out) {
  mpyd_v1_SyncAnswer m{};
  m.head.funcs.decode = pb::skip;
  m.slots.funcs.decode = pb::skip;
  bool is_good = pb::decode(message, mpyd_v1_SyncAnswer_fields, m).has_value();
  for (pb_size_t i = 0; is_good && i < m.fleet_keys_count; ++i) {
    const auto secret = pb::fixed_of<SecretKey>(m.fleet_keys[i].secret_key);
    is_good = secret && out.push_back({m.fleet_keys[i].generation, *secret});
  }
  wipe_fleet_keys(m);
  return is_good ? Result<void>{} : fail(Errc::malformed);
}

Result<void> visit_slot_answers(Bytes message, SlotAnswerVisitor& visitor) {
  mpyd_v1_SyncAnswer m{};
  m.head.funcs.decode = pb::skip;
  m.slots.funcs.decode = decode_slot;
  m.slots.arg = &visitor;
  const auto visited = pb::decode(message, mpyd_v1_SyncAnswer_fields, m);
  wipe_fleet_keys(m);
  return visited;
}

Result<void> save_answer(Store& store, const SlotAnswer& answer, const Digest& authority,
                         MutableBytes buffer) {
  mpyd_v1_SavedAnswer m{};
  m.format = kFormat;
  pb::assign(m.hardware_id, answer.hardware_id.view());
  m.revision = answer.revision;
  assign_digest(m.eeprom_digest, answer.eeprom_digest);
  assign_digest(m.package_digest, answer.package_digest);
  m.package_bytes = answer.package_bytes;
  m.reason = static_cast<std::uint32_t>(answer.reason);
  pb::assign(m.message, answer.message.view());
  for (const Digest& digest : answer.avoid)
    pb::assign(m.avoid_digests[m.avoid_digests_count++], digest.bytes());
  pb::assign(m.authority, authority.bytes());
  MPYD_TRY_ASSIGN(const std::size_t size, pb::encode(m, mpyd_v1_SavedAnswer_fields, buffer));
  return write_if_changed(store, answer_file(answer.hardware_id).c_str(), buffer.first(size));
}

Result<KeptAnswer> load_answer(Store& store, const Slot& slot, const Digest& authority,
                               MutableBytes buffer) {
  MPYD_TRY_ASSIGN(const Bytes bytes,
                  read_file(store, answer_file(slot.identity.hardware_id).c_str(), buffer));
  mpyd_v1_SavedAnswer m{};
  MPYD_TRY(pb::decode(bytes, mpyd_v1_SavedAnswer_fields, m));
  MPYD_TRY(pb::check_format(m.format, 0));
  MPYD_TRY_ASSIGN(const Digest eeprom_digest, pb::fixed_or_zero<Digest>(m.eeprom_digest));
  if (slot.identity.hardware_id.view() != m.hardware_id ||
      !same_bytes(pb::view_of(m.authority), authority.bytes()))
    return fail(Errc::not_found);
  KeptAnswer out;
  out.is_for_board = slot.identity.revision == m.revision && slot.eeprom_digest == eeprom_digest;
  MPYD_TRY_ASSIGN(out.package_digest, pb::fixed_or_zero<Digest>(m.package_digest));
  out.package_bytes = m.package_bytes;
  out.reason = static_cast<Errc>(m.reason);
  if (!read_digests(m.avoid_digests, m.avoid_digests_count, out.avoid))
    return fail(Errc::malformed);
  return out;
}

}  // namespace mpyd::agent
