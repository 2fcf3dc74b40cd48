// What an answer says of the device itself: revoked or not, the fleet's keys, where the server is.
#include "device-agent/core/agent.hpp"

namespace mpyd::agent {

// Of an answer that accepts this device. Errors: io.
Result<void> Agent::accept_orders(const SyncAnswer& answer, Bytes message) {
  if (is_revoked_) {
    MPYD_TRY(ports_.store.remove(kRevokedFile));
    is_revoked_ = false;
    for (Slot& slot : slots_) slot.wants_answer |= slot.has_power;
  }
  // Both come again: the next request shows what is missing here.
  if (answer.has_fleet_keys) (void)keep_fleet_keys(message);
  (void)keep_server(answer);
  return {};
}

Result<void> Agent::keep_fleet_keys(Bytes message) {
  FleetKeyList keys;
  auto kept = read_fleet_keys(message, keys);
  if (kept) kept = fleet_.save(keys);
  crypto::wipe({reinterpret_cast<std::byte*>(&keys), sizeof keys});
  fleet_generation_ = fleet_.generation();
  return kept;
}

// From the next exchange on. A server that answers where it was provisioned, and says nothing,
// takes back what it said.
Result<void> Agent::keep_server(const SyncAnswer& answer) {
  ServerAddress told = provisioned_;
  if (!answer.server_host.empty()) {
    MPYD_TRY_ASSIGN(told, make_address(answer.server_host.view(), answer.server_port));
  } else if (!(server() == provisioned_)) {
    return {};
  }
  try_provisioned_ = false;
  if (told == (moved_.port != 0 ? moved_ : provisioned_)) return {};
  if (told == provisioned_) {
    moved_ = {};
    return ports_.store.remove(kMovedServerFile);
  }
  moved_ = told;
  return save_moved_server(trust_, provisioned_, moved_, work_);
}

const ServerAddress& Agent::server() const {
  return moved_.port == 0 || try_provisioned_ ? provisioned_ : moved_;
}

// What the network and the boards' vendors gave this device it must not keep. The mark comes first,
// so that a power cut on the way gives nothing back.
void Agent::be_revoked(std::string_view message) {
  if (!is_revoked_) (void)save_number(ports_.store, kRevokedFile, 1);
  is_revoked_ = true;
  (void)forget_secrets();
  for (unsigned i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    const bool is_known = slot.state == SlotState::refused && slot.error == Errc::revoked;
    if (!slot.has_power || is_known) continue;
    release_driver(i);
    slot.chosen = {};
    refuse(i, Errc::revoked, message);
  }
}

Result<void> Agent::forget_secrets() {
  fleet_generation_ = 0;
  for (const char* prefix : {"k-", "f-", "a-"})
    MPYD_TRY(remove_all(ports_.store, ports_.clock, prefix));
  return {};
}

}  // namespace mpyd::agent
