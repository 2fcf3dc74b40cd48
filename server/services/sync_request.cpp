#include "server/services/sync_request.hpp"

#include <algorithm>
#include <limits>

#include "mpyd/v1/device.pb.h"
#include "protocol/abi_codec.hpp"
#include "protocol/crypto.hpp"
#include "protocol/limits.hpp"
#include "server/services/token_service.hpp"

namespace mpyd::server {
namespace {

// The bounds of schema/mpyd/v1/device.options, which a device cannot exceed but a liar can.
constexpr std::size_t kFirmwareTextMax = 64;
constexpr std::size_t kAgentVersionMax = 24;
constexpr std::size_t kEnrollTokenMax = 64;
constexpr int kCachedDigestsMax = 4;

// No bytes: zero.
Result<Digest> read_digest(const std::string& bytes) {
  if (bytes.empty()) return Digest{};
  return lift(Digest::from(as_bytes(bytes)), "digest");
}

Result<Abi> read_abi(const v1::Abi& m) {
  const mpyd_v1_Abi message{.mpy_version = m.mpy_version(),
                            .sub_version = m.sub_version(),
                            .arch = m.arch(),
                            .arch_flags = m.arch_flags(),
                            .small_int_bits = m.small_int_bits(),
                            .float_abi = m.float_abi(),
                            .object_repr = m.object_repr(),
                            .core = m.core()};
  return lift(abi_from_message(message), "ABI");
}

Result<BoardReport> read_board(const v1::BoardReport& m) {
  if (m.slot() >= kBoardsPerSyncMax || m.cached_digests_size() > kCachedDigestsMax)
    return fail(Errc::limit, "board report");
  BoardReport out;
  DeviceSlot& inventory = out.inventory;
  inventory.slot = m.slot();
  inventory.revision = m.revision();
  inventory.state = m.state();
  inventory.error = m.error();
  if (!m.hardware_id().empty()) {
    MPYD_TRY_ASSIGN(out.hardware_id, lift(HardwareId::parse(m.hardware_id()), "hardware ID"));
    inventory.hardware_id = m.hardware_id();
  }
  for (const char c : m.serial())
    if (!inventory.serial.push_back(static_cast<std::byte>(c)))
      return fail(Errc::limit, "serial number");
  MPYD_TRY_ASSIGN(inventory.eeprom_digest, read_digest(m.eeprom_digest()));
  MPYD_TRY_ASSIGN(inventory.loaded_digest, read_digest(m.loaded_digest()));
  for (const std::string& bytes : m.cached_digests()) {
    MPYD_TRY_ASSIGN(const Digest digest, read_digest(bytes));
    out.cached_digests.push_back(digest);
  }
  out.wants_answer = m.wants_answer();
  MPYD_TRY_ASSIGN(out.store_digest, read_digest(m.store_digest()));
  return out;
}

Result<DeviceEvent> read_event(const v1::Event& m) {
  if (m.hardware_id().size() > kHardwareIdMax) return fail(Errc::limit, "event");
  DeviceEvent out{.kind = m.kind(),
                  .slot = m.slot(),
                  .hardware_id = m.hardware_id(),
                  .error = m.error(),
                  .duration_ms = m.duration_ms()};
  MPYD_TRY_ASSIGN(out.digest, read_digest(m.digest()));
  return out;
}

// Takes the secret out of the message, leaving nothing of it behind.
Result<std::optional<Digest>> take_token(std::string& token) {
  if (token.empty()) return std::nullopt;
  if (token.size() > kEnrollTokenMax) return fail(Errc::limit, "enroll token");
  const Digest hash = hash_token(token);
  crypto::wipe(std::as_writable_bytes(std::span(token)));
  return hash;
}

Result<void> read_boards(const v1::SyncRequest& m, std::vector<BoardReport>& out) {
  if (static_cast<std::size_t>(m.boards_size()) > kBoardsPerSyncMax)
    return fail(Errc::limit, "more boards than slots");
  for (const v1::BoardReport& report : m.boards()) {
    MPYD_TRY_ASSIGN(BoardReport board, read_board(report));
    for (const BoardReport& earlier : out)
      if (earlier.inventory.slot == board.inventory.slot)
        return fail(Errc::malformed, "two boards in one slot");
    out.push_back(std::move(board));
  }
  return {};
}

}  // namespace

Result<SyncRequest> parse_sync_request(Bytes message) {
  v1::SyncRequest m;
  if (!m.ParseFromArray(message.data(), static_cast<int>(message.size())))
    return fail(Errc::malformed, "not a sync request");
  // The database counts in signed numbers.
  if (m.counter() == 0 ||
      m.counter() > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
    return fail(Errc::malformed, "counter");
  if (m.firmware().size() > kFirmwareTextMax || m.agent_version().size() > kAgentVersionMax)
    return fail(Errc::limit, "firmware or agent version");
  SyncRequest out{.counter = m.counter(),
                  .targets_epoch = m.targets_epoch(),
                  .head_version = m.head_version(),
                  .firmware = m.firmware(),
                  .agent_version = m.agent_version(),
                  .fleet_generation = m.fleet_generation(),
                  .unreported_slots = m.unreported_slots()};
  MPYD_TRY_ASSIGN(out.abi, read_abi(m.abi()));
  MPYD_TRY_ASSIGN(out.enroll_token_hash, take_token(*m.mutable_enroll_token()));
  MPYD_TRY(read_boards(m, out.boards));
  if (static_cast<std::size_t>(m.events_size()) > kEventsPerSyncMax)
    return fail(Errc::limit, "too many events in one sync");
  for (const v1::Event& event : m.events()) {
    MPYD_TRY_ASSIGN(DeviceEvent read, read_event(event));
    out.events.push_back(std::move(read));
  }
  out.answer_bytes_max = m.answer_bytes_max() == 0
                             ? kSyncBytesMax
                             : std::min<std::size_t>(m.answer_bytes_max(), kSyncBytesMax);
  return out;
}

}  // namespace mpyd::server
