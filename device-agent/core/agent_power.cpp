// Power: a board gets no driver if what it says it takes is more than what is left.
#include "device-agent/core/agent.hpp"
#include "protocol/decimal.hpp"

namespace mpyd::agent {
namespace {

// HAT+: EEPROMs there belong to boards that supply the motherboard; their number is what they give.
constexpr std::uint8_t kSupplyAddressFirst = 0x52;
constexpr std::uint8_t kSupplyAddressLast = 0x53;

}  // namespace

bool Agent::is_supply(const Slot& slot) const {
  return slot.identity.layout == eeprom::Layout::hat && slot.part.address >= kSupplyAddressFirst &&
         slot.part.address <= kSupplyAddressLast;
}

// Saturates: a board may claim anything.
std::uint32_t Agent::current_taken() const {
  std::uint32_t sum = 0;
  for (const Slot& slot : slots_) {
    if (!slot.has_power || is_supply(slot)) continue;
    const std::uint32_t left = 0xffffffff - sum;
    sum += slot.identity.current_ma < left ? slot.identity.current_ma : left;
  }
  return sum;
}

// A board with an identity: goes on if its current can be had.
void Agent::admit(unsigned index) {
  Slot& slot = slots_[index];
  const std::uint32_t wanted = is_supply(slot) ? 0 : slot.identity.current_ma;
  const std::uint32_t slot_limit = place_of(index).current_ma;
  const std::uint32_t taken = current_taken();
  const bool has_left = config_.current_ma == 0 || wanted == 0 ||
                        (taken <= config_.current_ma && wanted <= config_.current_ma - taken);
  if (!has_left || (slot_limit != 0 && wanted > slot_limit))
    return refuse(index, Errc::power, tell_power(index).view());
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
  for (unsigned i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    if (slot.state != SlotState::refused || slot.has_power || slot.identity.hardware_id.empty())
      continue;
    // What its own slot cannot feed, nobody can give back.
    const std::uint32_t limit = place_of(i).current_ma;
    if (limit != 0 && slot.identity.current_ma > limit) continue;
    const std::uint32_t taken = current_taken();
    if (slot.error == Errc::power && taken <= config_.current_ma &&
        slot.identity.current_ma <= config_.current_ma - taken)
      admit(i);
  }
}

// "asks for 600 mA; 900 of 1200 mA are taken by slots 0 and 2"
Agent::Detail Agent::tell_power(unsigned index) const {
  Detail out;
  out.append("asks for ");
  append_decimal(out, slots_[index].identity.current_ma);
  out.append(" mA; ");
  if (const std::uint32_t limit = place_of(index).current_ma;
      limit != 0 && slots_[index].identity.current_ma > limit) {
    out.append("this slot can feed ");
    append_decimal(out, limit);
    out.append(" mA");
    return out;
  }
  append_decimal(out, current_taken());
  out.append(" of ");
  append_decimal(out, config_.current_ma);
  out.append(" mA are taken");
  unsigned last = static_cast<unsigned>(slots_.size());
  for (unsigned i = 0; i < slots_.size(); ++i)
    if (slots_[i].has_power && slots_[i].identity.current_ma != 0 && !is_supply(slots_[i]))
      last = i;
  bool is_first = true;
  for (unsigned i = 0; i < slots_.size(); ++i) {
    if (!slots_[i].has_power || slots_[i].identity.current_ma == 0 || is_supply(slots_[i]))
      continue;
    out.append(!is_first ? (i == last ? " and " : ", ") : i == last ? " by slot " : " by slots ");
    append_decimal(out, i);
    is_first = false;
  }
  return out;
}

}  // namespace mpyd::agent
