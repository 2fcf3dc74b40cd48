#include "server/services/sync_answer.hpp"

#include <algorithm>
#include <compare>

#include "protocol/crypto.hpp"
#include "protocol/sync/box.hpp"

namespace mpyd::server {
namespace {

// max_length of the texts in schema/mpyd/v1/device.options: a device refuses longer ones.
constexpr std::size_t kAnswerMessageMax = 96;
constexpr std::size_t kSlotMessageMax = 160;
// max_count of avoid_digests there.
constexpr int kAvoidDigestsMax = 8;
// Tag and length of one more SlotAnswer, and the `more` flag.
constexpr std::size_t kFieldOverhead = 8;

// At most `size_max` bytes, cut between characters.
std::string cut(std::string_view text, std::size_t size_max) {
  if (text.size() <= size_max) return std::string(text);
  std::size_t end = size_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return std::string(text.substr(0, end));
}

std::string optional_digest(const Digest& digest) {
  return digest.is_zero() ? std::string() : std::string(as_text(digest.bytes()));
}

void refuse(v1::SlotAnswer& slot, Errc reason, std::string_view message) {
  slot.set_reason(static_cast<std::uint32_t>(reason));
  slot.set_message(cut(message, kSlotMessageMax));
}

// What the operator withdrew: of what the device says it holds, and, as far as there is room, of
// what it could run: it does not tell all that lies on a board's EEPROM, and the next board may
// bring more.
void add_avoided(const BoardReport& board, const Resolution& resolution, v1::SlotAnswer& slot) {
  std::vector<Digest> held = board.cached_digests;
  held.push_back(board.inventory.eeprom_digest);
  held.push_back(board.inventory.loaded_digest);
  std::ranges::sort(held);
  held.erase(std::unique(held.begin(), held.end()), held.end());
  for (const Digest& digest : held)
    if (std::ranges::find(resolution.withdrawn, digest) != resolution.withdrawn.end())
      slot.add_avoid_digests(std::string(as_text(digest.bytes())));
  for (const Digest& digest : resolution.withdrawn_fitting) {
    if (slot.avoid_digests_size() >= kAvoidDigestsMax) return;
    if (std::ranges::find(held, digest) == held.end())
      slot.add_avoid_digests(std::string(as_text(digest.bytes())));
  }
}

Result<void> add_package(const Resolution::Chosen& chosen, ContentKeys& content_keys,
                         v1::SlotAnswer& slot) {
  const Variant& variant = chosen.variant;
  // What this server cannot open, a fleet key opens: the key block lies on the board.
  if (variant.encryption == Encryption::secretstream && !variant.unchecked) {
    auto opened = content_keys.with(variant.digest, [&](const ContentKey& key) {
      slot.set_content_key(key.data.data(), key.data.size());
    });
    if (!opened && opened.error().code == Errc::no_key) {
      refuse(slot, Errc::no_key, "this server holds no key of the package that would fit");
      return {};
    }
    MPYD_TRY(opened);
  }
  slot.set_package_digest(std::string(as_text(variant.digest.bytes())));
  slot.set_package_bytes(variant.package_bytes);
  return {};
}

// Without an answer to it the device knows that the package cannot be had for a board.
Result<void> add_stored(const AnswerSources& sources, const SyncRequest& request,
                        const BoardReport& board, v1::SlotAnswer& slot) {
  MPYD_TRY_ASSIGN(
      const auto resolution,
      sources.resolve.resolve_storing({board.hardware_id, board.inventory.revision, request.abi},
                                      board.store_digest));
  if (!resolution->chosen) return {};
  const Variant& variant = resolution->chosen->variant;
  if (variant.encryption == Encryption::secretstream) {
    const auto block = sources.fleet_blocks.of(variant);
    if (!block && (block.error().code == Errc::no_key || block.error().code == Errc::not_found ||
                   block.error().code == Errc::conflict))
      return {};
    MPYD_TRY(block);
    slot.set_key_block(std::string(as_text(*block)));
  }
  slot.set_store_digest(std::string(as_text(board.store_digest.bytes())));
  return {};
}

Result<void> fill_slot(const AnswerSources& sources, const SyncRequest& request,
                       const BoardReport& board, v1::SlotAnswer& slot) {
  slot.set_slot(board.inventory.slot);
  slot.set_hardware_id(board.inventory.hardware_id);
  slot.set_revision(board.inventory.revision);
  slot.set_eeprom_digest(optional_digest(board.inventory.eeprom_digest));
  if (board.hardware_id.empty()) {
    refuse(slot, Errc::no_driver, "the board is not identified");
    return {};
  }
  MPYD_TRY_ASSIGN(const Board asked, sources.resolve.with_pin(
                                         {board.hardware_id, board.inventory.revision, request.abi},
                                         sources.device_id));
  MPYD_TRY_ASSIGN(const auto resolution, sources.resolve.resolve(asked));
  add_avoided(board, *resolution, slot);
  slot.set_message(cut(resolution->message, kSlotMessageMax));
  if (resolution->chosen)
    MPYD_TRY(add_package(*resolution->chosen, sources.content_keys, slot));
  else
    slot.set_reason(static_cast<std::uint32_t>(resolution->code));
  if (!board.store_digest.is_zero()) MPYD_TRY(add_stored(sources, request, board, slot));
  if (sources.view.entries().find(board.hardware_id) == nullptr) return {};
  MPYD_TRY_ASSIGN(const ByteVector proof, sources.view.proof(board.hardware_id));
  if (!slot.mutable_entry()->ParseFromArray(proof.data(), static_cast<int>(proof.size())))
    return fail(Errc::internal, "entry proof");
  return {};
}

void wipe_key(v1::SlotAnswer& slot) {
  crypto::wipe(std::as_writable_bytes(std::span(*slot.mutable_content_key())));
}

bool is_newer(const trust::TargetsHead& head, const SyncRequest& request) {
  return head.epoch != request.targets_epoch ? head.epoch > request.targets_epoch
                                             : head.version > request.head_version;
}

// Newest first; the device drops what it has no room for. A device that tells of a higher
// generation than there is was lied to, by whoever had the server's key then.
void add_fleet_keys(const FleetKeys& fleet_keys, const SyncRequest& request,
                    v1::SyncAnswer& message) {
  if (fleet_keys.newest() == request.fleet_generation) return;
  fleet_keys.for_each([&](std::uint32_t generation, const SecretKey& secret) {
    v1::FleetKey& key = *message.add_fleet_keys();
    key.set_generation(generation);
    key.set_secret_key(secret.data.data(), secret.data.size());
  });
}

void add_place(const ServerPlace& place, v1::SyncAnswer& message) {
  const auto address = place.current();
  if (!address) return;
  message.set_server_host(address->host);
  message.set_server_port(address->port);
}

void wipe_fleet_keys(v1::SyncAnswer& message) {
  for (v1::FleetKey& key : *message.mutable_fleet_keys())
    crypto::wipe(std::as_writable_bytes(std::span(*key.mutable_secret_key())));
}

}  // namespace

SyncAnswer::~SyncAnswer() {
  for (v1::SlotAnswer& slot : *message_.mutable_slots()) wipe_key(slot);
  wipe_fleet_keys(message_);
}

void SyncAnswer::set_message(std::string_view text) {
  message_.set_message(cut(text, kAnswerMessageMax));
}

Result<void> fill_answer(const AnswerSources& sources, const SyncRequest& request,
                         std::span<const std::uint32_t> retry_slots, std::size_t message_bytes_max,
                         SyncAnswer& answer) {
  v1::SyncAnswer& message = answer.message();
  if (sources.view.head() && is_newer(*sources.view.head(), request))
    message.set_head(std::string(as_text(sources.view.head_document())));
  add_fleet_keys(sources.fleet_keys, request, message);
  add_place(sources.place, message);
  if (message.ByteSizeLong() + kFieldOverhead > message_bytes_max) {
    message.clear_head();
    wipe_fleet_keys(message);
    message.clear_fleet_keys();
    message.set_status(static_cast<std::uint32_t>(sync::Status::refused));
    answer.set_message("answer_bytes_max is too small for the targets head");
    return {};
  }
  for (const BoardReport& board : request.boards) {
    const bool retry = std::ranges::find(retry_slots, board.inventory.slot) != retry_slots.end();
    const bool asks = board.wants_answer || !board.store_digest.is_zero();
    if (!asks && !retry) continue;
    v1::SlotAnswer& slot = *message.add_slots();
    MPYD_TRY(fill_slot(sources, request, board, slot));
    // Where nothing is chosen there is nothing to try again; the retry waits for a package.
    const bool has_package = !slot.package_digest().empty();
    if (!has_package && !asks) {
      message.mutable_slots()->RemoveLast();
      continue;
    }
    slot.set_try_again(retry && has_package);
    if (message.ByteSizeLong() + kFieldOverhead <= message_bytes_max) continue;
    const bool is_alone =
        message.slots_size() == 1 && message.head().empty() && message.fleet_keys_size() == 0;
    // A device with so little room gets its driver and stores nothing.
    if (is_alone && !slot.store_digest().empty()) {
      slot.clear_store_digest();
      slot.clear_key_block();
      if (message.ByteSizeLong() + kFieldOverhead <= message_bytes_max) continue;
    }
    wipe_key(slot);
    message.mutable_slots()->RemoveLast();
    message.set_more(true);
    // Alone in an answer and still too large: asking again would not help.
    if (is_alone) {
      message.set_more(false);
      message.set_status(static_cast<std::uint32_t>(sync::Status::refused));
      answer.set_message("answer_bytes_max is too small for one board's answer");
    }
    return {};
  }
  return {};
}

}  // namespace mpyd::server
