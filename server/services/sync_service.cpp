#include "server/services/sync_service.hpp"

#include <algorithm>

#include "protocol/package/key_block.hpp"
#include "server/crypto/random.hpp"
#include "server/services/sync_answer.hpp"
#include "server/util/encoding.hpp"

namespace mpyd::server {
namespace {

ByteVector retired_answer() {
  return {static_cast<std::byte>(kFormat), static_cast<std::byte>(sync::Kind::key_retired)};
}

class WipeOnExit {
 public:
  explicit WipeOnExit(MutableBytes bytes) : bytes_(bytes) {}
  WipeOnExit(const WipeOnExit&) = delete;
  WipeOnExit& operator=(const WipeOnExit&) = delete;
  ~WipeOnExit() { crypto::wipe(bytes_); }

 private:
  MutableBytes bytes_;
};

Answered answered_of(const v1::SyncAnswer& answer) {
  Answered out;
  for (const v1::SlotAnswer& slot : answer.slots()) {
    if (slot.try_again()) out.retry_slots.push_back(slot.slot());
    if (!slot.store_digest().empty())
      out.stored.push_back(
          {slot.slot(), slot.hardware_id(), to_hex(as_bytes(slot.store_digest()))});
  }
  return out;
}

}  // namespace

SyncService::SyncService(Store& store, const TrustService& trust, ResolveService& resolve,
                         const ServerKeys& server_keys, FleetKeys& fleet_keys,
                         const ServerPlace& place, const Clock& clock)
    : store_(store),
      trust_(trust),
      resolve_(resolve),
      server_keys_(server_keys),
      fleet_keys_(fleet_keys),
      place_(place),
      clock_(clock),
      content_keys_(store, server_keys),
      fleet_blocks_(store, content_keys_, fleet_keys),
      shared_keys_(kSharedKeysMax),
      work_(kSyncBytesMax) {}

Result<SyncResult> SyncService::handle(MutableBytes request) {
  MPYD_TRY_ASSIGN(const sync::RequestPrefix prefix,
                  lift(sync::parse_request_prefix(request), "sync"));
  const Digest request_digest = crypto::sha256(request);

  const std::scoped_lock lock(mutex_);
  follow_server_key();
  if (prefix.server_key_id != server_key_id_)
    return SyncResult{.answer = retired_answer(), .status = sync::Status::refused};
  const WipeOnExit wipe_request(request);
  MPYD_TRY(find_shared_key(prefix.device_key));
  MPYD_TRY_ASSIGN(const Bytes message, lift(sync::open_request(request, prefix, *key_), "sync"));

  SyncAnswer answer;
  answer.message().set_request_nonce(std::string(as_text(prefix.nonce.bytes())));
  answer.message().set_request_digest(std::string(as_text(request_digest.bytes())));
  MPYD_TRY(answer_to(prefix.device_key, message, answer));
  return seal(prefix.device_key, answer);
}

// What was shared with a retired key is forgotten with it.
void SyncService::follow_server_key() {
  ServerKeys::Key current = server_keys_.current();
  if (current == server_key_) return;
  shared_keys_.clear();
  server_key_id_ = key_id(current->public_key.bytes());
  server_key_ = std::move(current);
}

// Cached only for devices that are let in: strangers must not push fleets out.
Result<void> SyncService::find_shared_key(const ExchangeKey& device_key) {
  if (const SharedKey* known = shared_keys_.find(device_key)) {
    *key_ = *known;
    return {};
  }
  if (!crypto::box_key(*server_key_->secret, device_key, *key_))
    return fail(Errc::malformed, "the device key is of small order");
  return {};
}

Result<void> SyncService::answer_to(const ExchangeKey& device_key, Bytes message,
                                    SyncAnswer& answer) {
  const auto view = trust_.view();
  const std::uint64_t now = clock_.now_unix_s();
  v1::SyncAnswer& out = answer.message();
  out.set_server_unix_s(now);
  out.set_root_version(view->root().version);

  const auto request = parse_sync_request(message);
  if (!request) {
    out.set_status(static_cast<std::uint32_t>(sync::Status::refused));
    answer.set_message(request.error().message);
    return {};
  }
  MPYD_TRY_ASSIGN(const Admission admission, admit(store_, device_key, *request, now, strangers_));
  out.set_status(static_cast<std::uint32_t>(admission.status));
  if (admission.status != sync::Status::ok) {
    out.set_last_counter(admission.last_counter);
    answer.set_message(admission.message);
    return {};
  }
  shared_keys_.put(device_key, *key_);
  if (request->answer_bytes_max <= sync::kAnswerMessageOffset + out.ByteSizeLong()) {
    out.set_status(static_cast<std::uint32_t>(sync::Status::refused));
    answer.set_message("answer_bytes_max is too small");
    return {};
  }
  const std::string id = device_id(device_key);
  MPYD_TRY(make_first_fleet_key(*request, id));
  MPYD_TRY(fill_answer({*view, resolve_, content_keys_, fleet_keys_, fleet_blocks_, place_, id},
                       *request, admission.retry_slots,
                       request->answer_bytes_max - sync::kAnswerMessageOffset, answer));
  return record_answer(store_, id, answered_of(out), now);
}

// Whoever wants boards to carry their drivers has a fleet; nobody need say so beforehand.
Result<void> SyncService::make_first_fleet_key(const SyncRequest& request,
                                               const std::string& device_id) {
  const auto stores = [](const BoardReport& board) { return !board.store_digest.is_zero(); };
  if (fleet_keys_.newest() != 0 || std::ranges::none_of(request.boards, stores)) return {};
  const auto made = fleet_keys_.make(1, "device:" + device_id);
  if (made || made.error().code == Errc::conflict) return {};
  return fail(made.error());
}

Result<SyncResult> SyncService::seal(const ExchangeKey& device_key, const SyncAnswer& answer) {
  const v1::SyncAnswer& message = answer.message();
  const std::size_t message_bytes = message.ByteSizeLong();
  const MutableBytes buffer = work_.span();
  if (message_bytes > buffer.size() - sync::kAnswerMessageOffset)
    return fail(Errc::internal, "a sync answer exceeds its bound");
  message.SerializeToArray(buffer.subspan(sync::kAnswerMessageOffset).data(),
                           static_cast<int>(buffer.size() - sync::kAnswerMessageOffset));
  const std::size_t size = sync::seal_answer(buffer, message_bytes, random_value<Nonce>(), *key_);
  return SyncResult{.answer = to_vector(buffer.first(size)),
                    .device_id = device_id(device_key),
                    .status = static_cast<sync::Status>(message.status())};
}

}  // namespace mpyd::server
