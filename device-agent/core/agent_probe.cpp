// What is it that answers? Which kind of memory, and what identity lies on it. One slot at a time,
// in bounded steps, beside polling and jobs.
#include "device-agent/core/agent.hpp"

namespace mpyd::agent {
namespace {

constexpr std::uint8_t kIdentityAttempts = 5;  // contacts bounce, images are being written

constexpr std::string_view kHex = "0123456789abcdef";

template <std::size_t N>
void append_hex(InlineText<N>& out, std::uint32_t value) {
  out.append(kHex[value >> 4 & 15]);
  out.append(kHex[value & 15]);
}

// Of what is wrong with several parts the most telling: something like an identity before nothing.
unsigned weight(Errc error, bool is_memory) {
  if (error == Errc::blank) return 4;
  if (!is_memory) return error == Errc::undecided ? 2 : 1;
  return error == Errc::bad_magic ? 3 : 5;
}

}  // namespace

// True if there was something to do.
bool Agent::step_find() {
  if (!find_.is_active && !start_find()) return false;
  if (slots_[find_.slot].generation != find_.generation)
    find_.is_active = false;
  else if (!find_.is_searched)
    search_parts();
  else if (find_.part < prober_.parts().size())
    read_part();
  else
    end_find();
  return true;
}

// A board that is new before one that had no identity.
bool Agent::start_find() {
  unsigned index = kSlotNone;
  for (unsigned i = 0; i < slots_.size(); ++i) {
    if (!slots_[i].find_pending) continue;
    const bool is_new = slots_[i].state == SlotState::identifying;
    if (is_new || index == kSlotNone) index = i;
    if (is_new) break;
  }
  if (index == kSlotNone) return false;
  slots_[index].find_pending = false;
  find_ = {};
  find_.is_active = true;
  find_.slot = static_cast<std::uint8_t>(index);
  find_.generation = slots_[index].generation;
  prober_.start(place_of(index).eeprom);
  return true;
}

void Agent::search_parts() {
  SlotChannel channel(ports_.i2c, find_.slot);
  const auto done = prober_.step(channel);
  if (!done) return end_find_badly(done.error());
  find_.is_searched = *done;
}

// The lowest address with an identity is the board; others are only looked for.
void Agent::read_part() {
  Slot& slot = slots_[find_.slot];
  const std::uint8_t number = find_.part++;
  const eeprom::Part& part = prober_.parts()[number];
  Errc error = prober_.trouble(number);
  const bool is_memory = error == Errc{};
  if (is_memory) {
    SlotChannel channel(ports_.i2c, find_.slot);
    eeprom::PartSource source(channel, part);
    auto identity = eeprom::identify(source);
    if (identity && find_.is_identified) {
      find_.other_part = part.address;
      return;
    }
    if (identity) {
      find_.is_identified = true;
      slot.identity = *identity;
      slot.part = part;
      return;
    }
    error = identity.error();
    if (is_bus_trouble(error) || error == Errc::memory) return end_find_badly(error);
  }
  const bool was_memory = find_.error != Errc{} && prober_.trouble(find_.error_part) == Errc{};
  if (find_.error != Errc{} && weight(find_.error, was_memory) >= weight(error, is_memory)) return;
  find_.error = error;
  find_.error_part = number;
}

void Agent::end_find() {
  const unsigned index = find_.slot;
  Slot& slot = slots_[index];
  if (!find_.is_identified) return end_find_badly(find_.error);
  find_.is_active = false;
  slot.attempts = 0;
  // Nobody waited for this since the plug.
  if (slot.state == SlotState::unidentified) slot.plugged_ms = ports_.clock.now_ms();
  begin_following(index);
  Detail detail;
  detail.append(slot.identity.hardware_id.view());
  if (find_.other_part != 0) {
    detail.append("; 0x");
    append_hex(detail, find_.other_part);
    detail.append(" has an identity, too: give each address a slot of its own");
  }
  notify(EventKind::identified, index, {}, detail.view());
  admit(index);
}

// Tried again at the next poll, if it still answers then.
void Agent::end_find_badly(Errc error) {
  Slot& slot = slots_[find_.slot];
  find_.is_active = false;
  slot.identity = {};
  if (slot.state == SlotState::unidentified) {
    // Looked at again: only another outcome is news, and no outcome is none.
    if (error == slot.error || error == Errc::memory || is_bus_trouble(error)) return;
  } else if (error == Errc::memory || ++slot.attempts < kIdentityAttempts) {
    return;
  }
  slot.attempts = 0;
  slot.state = SlotState::unidentified;
  slot.error = error;
  tell_unidentified(find_.slot);
}

// Does the part's address counter move as it should? Some clones' does not; then every poll reads
// by address.
void Agent::begin_following(unsigned index) {
  Slot& slot = slots_[index];
  eeprom::Extent& window = slot.identity.fingerprint;
  if (window.length == 0) window = {0, eeprom::kFingerprintBytesMax};
  if (window.length > eeprom::kFingerprintBytesMax) window.length = eeprom::kFingerprintBytesMax;
  // Which address shows the counter's byte is not the same on all parts where a block ends.
  const std::uint32_t left_in_block = 256 - window.offset % 256;
  if (slot.part.address_bytes == 1 && window.length > left_in_block) window.length = left_in_block;
  slot.follows_counter = false;
  EepromSource source(ports_.i2c, index, slot);
  const MutableBytes kept = MutableBytes(slot.fingerprint).first(window.length);
  std::array<std::byte, 2> next{};
  if (!source.read(window.offset, kept) || window.length < 3 ||
      !source.read(window.offset, MutableBytes(next).first(1)))
    return;
  SlotChannel channel(ports_.i2c, index);
  const std::uint8_t address = eeprom::address_of(slot.part, window.offset);
  for (std::size_t i = 0; i < next.size(); ++i) {
    if (!channel.write_read(address, {}, MutableBytes(next).subspan(i, 1))) {
      slot.counter = Slot::kCounterUnknown;
      return;
    }
    ++slot.counter;
  }
  slot.follows_counter = same_bytes(next, kept.subspan(1, next.size()));
}

// With the first bytes, so that a person can tell a blank part from a foreign one.
void Agent::tell_unidentified(unsigned index) {
  Detail out;
  const Errc error = slots_[index].error;
  if (!find_.is_searched || is_bus_trouble(error) || prober_.parts().empty())
    return notify(EventKind::unidentified, index, error, describe(error));
  const eeprom::Part part = prober_.parts()[find_.error_part];
  std::array<std::byte, 12> bytes{};
  SlotChannel channel(ports_.i2c, index);
  // Of what is the same all over any bytes will do; its width does not show. Of what may have one
  // address byte or two nobody knows which bytes come first.
  const bool is_undecided = error == Errc::undecided;
  const bool is_shown = is_undecided || (error == Errc::blank && part.address_bytes == 0)
                            ? channel.write_read(part.address, {}, bytes).has_value()
                            : prober_.trouble(find_.error_part) == Errc{} &&
                                  eeprom::PartSource(channel, part).read(0, bytes).has_value();
  if (is_undecided || !is_shown) {
    out.append("what answers at 0x");
    append_hex(out, part.address);
    out.append(is_undecided
                   ? " may be a memory with one or two address bytes: say which with the slot"
                   : " is no memory");
  }
  if (is_shown) {
    out.append(is_undecided ? "; somewhere it reads" : "starts with");
    for (std::byte b : bytes) {
      out.append(' ');
      append_hex(out, std::to_integer<std::uint32_t>(b));
    }
  }
  notify(EventKind::unidentified, index, error, out.view());
}

}  // namespace mpyd::agent
