// Probing, identity, and letting go of a board.
#include "device-agent/core/agent.hpp"

namespace mpyd::agent {
namespace {

constexpr std::uint8_t kMissesUntilGone = 2;   // a single NACK is noise
constexpr std::uint8_t kIdentityAttempts = 5;  // contacts bounce, images are being written

// The first bytes as hex, so that a person can tell a blank part from a foreign one.
InlineText<48> first_bytes(EepromSource source) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::array<std::byte, 12> bytes{};
  InlineText<48> out;
  if (!source.read(0, bytes)) return out;
  out.append("starts with");
  for (std::byte b : bytes) {
    out.append(' ');
    out.append(kHex[std::to_integer<std::size_t>(b) >> 4]);
    out.append(kHex[std::to_integer<std::size_t>(b) & 15]);
  }
  return out;
}

}  // namespace

// At most one slot a call, in turn. True if one was probed.
bool Agent::probe_due_slot() {
  const std::uint32_t now = ports_.clock.now_ms();
  for (unsigned n = 0; n < slots_.size(); ++n) {
    const unsigned index = next_probe_;
    next_probe_ = (next_probe_ + 1) % static_cast<unsigned>(slots_.size());
    if (static_cast<std::int32_t>(slots_[index].next_probe_ms - now) > 0) continue;
    slots_[index].next_probe_ms = now + config_.probe_interval_ms;
    probe(index);
    return true;
  }
  return false;
}

void Agent::probe(unsigned index) {
  Slot& slot = slots_[index];
  std::array<std::byte, 1> byte{};
  const auto answer = EepromSource(ports_.i2c, index, config_.eeprom_address).read(0, byte);
  // Nobody was asked; a board is not gone because memory is.
  if (!answer && answer.error() == Errc::memory) return;
  const bool answers = answer.has_value();
  if (slot.state == SlotState::empty) {
    if (answers) plug(index);
    return;
  }
  slot.misses = answers ? std::uint8_t{0} : static_cast<std::uint8_t>(slot.misses + 1);
  if (slot.misses >= kMissesUntilGone)
    pull(index);
  else if (answers && slot.state == SlotState::identifying)
    read_identity_of(index);
}

void Agent::plug(unsigned index) {
  Slot& slot = slots_[index];
  const std::uint32_t generation = slot.generation + 1;
  const std::uint32_t next_probe_ms = slot.next_probe_ms;
  slot = Slot{};
  slot.generation = generation;
  slot.next_probe_ms = next_probe_ms;
  slot.plugged_ms = ports_.clock.now_ms();
  slot.state = SlotState::identifying;
  notify(EventKind::plugged, index);
  read_identity_of(index);
}

void Agent::read_identity_of(unsigned index) {
  Slot& slot = slots_[index];
  EepromSource source(ports_.i2c, index, config_.eeprom_address);
  const auto identity = eeprom::identify(source);
  if (!identity) {
    if (++slot.attempts < kIdentityAttempts) return;
    slot.state = SlotState::unidentified;
    slot.error = identity.error();
    notify(EventKind::unidentified, index, identity.error(), first_bytes(source).view());
    return;
  }
  slot.identity = *identity;
  slot.attempts = 0;
  slot.state = SlotState::waiting;
  slot.wants_answer = true;
  slot.hash_pending = identity->package.length != 0;
  notify(EventKind::identified, index, {}, slot.identity.hardware_id.view());
  // A new board is worth a try even while we believe to be offline.
  next_sync_ms_ = ports_.clock.now_ms();
}

void Agent::pull(unsigned index) {
  Slot& slot = slots_[index];
  release_driver(index);
  notify(EventKind::removed, index, {}, slot.identity.hardware_id.view());
  const std::uint32_t generation = slot.generation + 1;
  const std::uint32_t next_probe_ms = slot.next_probe_ms;
  slot = Slot{};
  slot.generation = generation;
  slot.next_probe_ms = next_probe_ms;
}

void Agent::release_driver(unsigned index) {
  Slot& slot = slots_[index];
  if (slot.module == DriverLoader::kNoModule) return;
  const DriverLoader::Module module = slot.module;
  const Digest digest = slot.loaded;
  slot.module = DriverLoader::kNoModule;
  slot.loaded = {};
  ports_.loader.detach(module, index);
  if (find_module(digest) != DriverLoader::kNoModule) return;
  ports_.loader.unload(module);
  trials_.leave(digest);
}

void Agent::refuse(unsigned index, Errc error, std::string_view detail) {
  Slot& slot = slots_[index];
  slot.load_pending = false;
  slot.error = error;
  // A driver that runs goes on running until its successor is ready.
  slot.state = slot.module == DriverLoader::kNoModule ? SlotState::refused : SlotState::running;
  if (detail.empty() && error == Errc::memory)
    notify(EventKind::refused, index, error, tell_memory().view());
  else
    notify(EventKind::refused, index, error, detail.empty() ? describe(error) : detail);
}

}  // namespace mpyd::agent
