// Power: a board gets no driver if what it says it takes is more than what is left.
#include "device-agent/core/agent.hpp"
#include "protocol/decimal.hpp"

namespace mpyd::agent {
namespace {

// HAT+: EEPROMs there belong to boards that supply the motherboard; their number is what they give.
constexpr std::uint8_t kSupplyAddressFirst = 0x52;
constexpr std::uint8_t kSupplyAddressLast = 0x53;

}  // namespace

// Of the motherboard.
std::uint32_t Agent::current_wanted(const Slot& slot) const {
  const bool is_supply = slot.identity.layout == eeprom::Layout::hat &&
                         slot.part.address >= kSupplyAddressFirst &&
                         slot.part.address <= kSupplyAddressLast;
  return is_supply ? 0 : slot.identity.current_ma;
}

std::uint32_t Agent::current_taken(const Slot& slot) const {
  return slot.has_power ? current_wanted(slot) : 0;
}

// Saturates: a board may claim anything.
std::uint32_t Agent::current_taken() const {
  std::uint32_t sum = 0;
  for (const Slot& slot : slots_) {
    const std::uint32_t left = 0xffffffff - sum;
    const std::uint32_t taken = current_taken(slot);
    sum += taken < left ? taken : left;
  }
  return sum;
}

bool Agent::slot_can_feed(unsigned index) const {
  const std::uint32_t limit = place_of(index).current_ma;
  return limit == 0 || current_wanted(slots_[index]) <= limit;
}

// Of a board that was granted nothing yet.
bool Agent::has_current_for(unsigned index) const {
  const std::uint32_t wanted = current_wanted(slots_[index]);
  if (!slot_can_feed(index)) return false;
  if (config_.current_ma == 0 || wanted == 0) return true;
  const std::uint32_t taken = current_taken();
  return taken <= config_.current_ma && wanted <= config_.current_ma - taken;
}

// A board with an identity: goes on if its current can be had.
void Agent::admit(unsigned index) {
  Slot& slot = slots_[index];
  if (!has_current_for(index)) return refuse(index, Errc::power, tell_power(index).view());
  slot.has_power = true;
  slot.state = SlotState::waiting;
  slot.error = {};
  slot.wants_answer = true;
  slot.hash_pending = slot.identity.package.length != 0;
  // A new board is worth a try even while we believe to be offline.
  next_sync_ms_ = ports_.clock.now_ms();
}

// Somebody gave back what others may have now.
void Agent::retry_power() {
  for (unsigned i = 0; i < slots_.size(); ++i)
    if (slots_[i].state == SlotState::refused && slots_[i].error == Errc::power &&
        has_current_for(i))
      admit(i);
}

// "asks for 600 mA; 900 of 1200 mA are taken by slots 0 and 2"
Agent::Detail Agent::tell_power(unsigned index) const {
  Detail out;
  out.append("asks for ");
  append_decimal(out, slots_[index].identity.current_ma);
  out.append(" mA; ");
  if (!slot_can_feed(index)) {
    out.append("this slot can feed ");
    append_decimal(out, place_of(index).current_ma);
    out.append(" mA");
    return out;
  }
  append_decimal(out, current_taken());
  out.append(" of ");
  append_decimal(out, config_.current_ma);
  out.append(" mA are taken");
  unsigned last = static_cast<unsigned>(slots_.size());
  for (unsigned i = 0; i < slots_.size(); ++i)
    if (current_taken(slots_[i]) != 0) last = i;
  bool is_first = true;
  for (unsigned i = 0; i < slots_.size(); ++i) {
    if (current_taken(slots_[i]) == 0) continue;
    out.append(!is_first ? (i == last ? " and " : ", ") : i == last ? " by slot " : " by slots ");
    append_decimal(out, i);
    is_first = false;
  }
  return out;
}

}  // namespace mpyd::agent
