// Polling: who is there, who is gone, and whether it is still the same board. What is noticed with
// certainty and what is not: device-agent/README.md, "Hot plug".
#include "device-agent/core/agent.hpp"

namespace mpyd::agent {
namespace {

constexpr std::uint8_t kMissesUntilGone = 2;        // a single NACK is noise
constexpr std::uint32_t kPresenceDebounce_ms = 20;  // a line that says "absent" says so twice
constexpr unsigned kAddressesMax = 8;
// Transfers between two steps of a job. An occupied slot takes one or two, an empty one eight.
constexpr unsigned kTransfersPerTurn = 16;
// Between two looks at a board without identity, which may be programmed where it is. At most one
// such look at a time, so that many of them take little of the bus.
constexpr std::uint32_t kAgain_ms = 5000;
constexpr std::uint32_t kAgainOthers_ms = 2000;
// Between looks at a bus that hangs: doubles, so that its timeouts leave time for the others.
constexpr std::uint32_t kHangWaitMin_ms = 250;
constexpr unsigned kHangDoublings = 6;
constexpr std::uint32_t kHangWaitBlind_ms = 1000;  // where nobody can tell whether a line hangs

bool is_hang(Errc error) { return error == Errc::io || error == Errc::timeout; }

}  // namespace

SlotPlace Agent::place_of(unsigned index) const {
  return places_.empty() ? SlotPlace{} : places_[index];
}

// Several slots a call, in turn, as far as their transfers are few. True if there was one.
bool Agent::probe_due_slots() {
  const std::uint32_t now = ports_.clock.now_ms();
  bool is_any = false;
  unsigned transfers = 0;
  for (unsigned n = 0; n < slots_.size() && transfers < kTransfersPerTurn; ++n) {
    const unsigned index = next_probe_;
    next_probe_ = (next_probe_ + 1) % static_cast<unsigned>(slots_.size());
    if (static_cast<std::int32_t>(slots_[index].next_probe_ms - now) > 0) continue;
    slots_[index].next_probe_ms = now + config_.probe_interval_ms;
    transfers += probe(index);
    is_any = true;
  }
  return is_any;
}

// Returns the transfers it took.
unsigned Agent::probe(unsigned index) {
  Slot& slot = slots_[index];
  if (ports_.i2c.presence(index) == Presence::absent) {
    if (slot.state == SlotState::empty) return 0;
    slot.next_probe_ms = ports_.clock.now_ms() + kPresenceDebounce_ms;
    miss(index);
    return 0;
  }
  // Whoever transfers tells whether the board is there; in a write cycle it does not answer.
  if (find_.is_active && find_.slot == index) return 0;
  if (stores_into(index) && store_.is_written && !store_.is_late) return 0;
  return slot.identity.hardware_id.empty() ? ping_place(index) : poll_board(index);
}

// Reads a byte, whichever it is, at each address where an EEPROM may answer. Not a write of
// nothing: there are memories (AT24RF08) that this harms.
unsigned Agent::ping_place(unsigned index) {
  const eeprom::Place place = place_of(index).eeprom;
  std::uint8_t answers = 0;
  unsigned transfers = 0;
  for (unsigned n = 0; n < kAddressesMax && place.first_address + n <= place.last_address; ++n) {
    std::array<std::byte, 1> byte{};
    ++transfers;
    const Answer answer = ask(index, static_cast<std::uint8_t>(place.first_address + n), byte);
    if (answer == Answer::unknown) return transfers;
    if (answer == Answer::yes) answers = static_cast<std::uint8_t>(answers | 1U << n);
    // One is enough to look closer.
    if (answers != 0 && slots_[index].state != SlotState::unidentified) break;
  }
  weigh_pings(index, answers);
  return transfers;
}

void Agent::weigh_pings(unsigned index, std::uint8_t answers) {
  Slot& slot = slots_[index];
  if (slot.state == SlotState::empty) {
    if (answers != 0) plug(index);
    return;
  }
  if (answers == 0) return miss(index);
  slot.misses = 0;
  if (slot.state == SlotState::identifying) slot.find_pending = true;
  if (slot.state != SlotState::unidentified) return;
  // A board may come beside what was no board: a clock's memory that lies on the same bus.
  const bool is_more = slot.answers != 0 && (answers & ~slot.answers) != 0;
  slot.answers = answers;
  if (!is_more) return look_again(index);
  slot.state = SlotState::identifying;
  slot.attempts = 0;
  slot.find_pending = true;
}

// Now and then, counted in polls.
void Agent::look_again(unsigned index) {
  Slot& slot = slots_[index];
  if (slot.attempts != 0xff) ++slot.attempts;
  const std::uint32_t now = ports_.clock.now_ms();
  const bool is_due =
      slot.attempts == 0xff || slot.attempts * config_.probe_interval_ms >= kAgain_ms;
  if (!is_due || static_cast<std::int32_t>(next_again_ms_ - now) > 0) return;
  next_again_ms_ = now + kAgainOthers_ms;
  slot.attempts = 0;
  slot.find_pending = true;
}

// One byte from where the part's address counter should stand, which moves on by itself: two bytes
// on the bus. A part that lost its power in between, or another one, is likely to show another.
unsigned Agent::poll_board(unsigned index) {
  Slot& slot = slots_[index];
  const eeprom::Extent window = slot.identity.fingerprint;
  const std::uint32_t at = slot.counter - window.offset;
  const bool is_known =
      slot.follows_counter && slot.counter >= window.offset && at + 1 < window.length;
  std::array<std::byte, 1> byte{};
  const std::uint32_t counter = slot.counter;
  const std::uint8_t address = eeprom::address_of(slot.part, is_known ? counter : window.offset);
  const Answer answer = ask(index, address, byte);
  if (answer == Answer::unknown) return 1;
  if (answer == Answer::no) {
    miss(index);
    return 1;
  }
  slot.misses = 0;
  // A hang in between leaves nobody knowing.
  if (!is_known || slot.counter != counter) return 1 + check_fingerprint(index, false);
  ++slot.counter;
  if (byte[0] != slot.fingerprint[at]) return 1 + check_fingerprint(index, true);
  // Towards its end, where the last byte is left to tell noise, the window is read again by
  // address, so that another board is noticed for certain.
  return at + 2 < window.length ? 1 : 1 + check_fingerprint(index, false);
}

// By address: is it the board we know? Where it is, but its counter moved without us, it was pulled
// and put back, or is another one with the same content; either way what its driver knows is over.
unsigned Agent::check_fingerprint(unsigned index, bool counter_moved) {
  Slot& slot = slots_[index];
  if (counter_moved && counter_is_where_it_was(index)) return 1;
  const eeprom::Extent window = slot.identity.fingerprint;
  std::array<std::byte, eeprom::kFingerprintBytesMax> bytes{};
  const MutableBytes read = MutableBytes(bytes).first(window.length);
  EepromSource source(ports_.i2c, index, slot);
  for (int look = 0; look < 2; ++look) {
    if (!source.read(window.offset, read)) return 1;  // next time
    if (!same_bytes(read, Bytes(slot.fingerprint).first(window.length))) continue;
    if (!counter_moved) {
      // Only a read moves the counter back.
      if (slot.follows_counter) (void)source.read(window.offset, read.first(1));
      return 2;
    }
    break;
  }
  pull(index);
  plug(index);
  return 2;
}

// The byte before may have been noise: then the next one is right.
bool Agent::counter_is_where_it_was(unsigned index) {
  Slot& slot = slots_[index];
  const std::uint32_t at = slot.counter - slot.identity.fingerprint.offset;
  if (at >= slot.identity.fingerprint.length) return false;
  std::array<std::byte, 1> byte{};
  const Answer answer = ask(index, eeprom::address_of(slot.part, slot.counter), byte);
  if (answer == Answer::unknown) return true;  // the next poll reads by address
  if (answer == Answer::no) return false;
  ++slot.counter;
  return byte[0] == slot.fingerprint[at];
}

// One byte from wherever the part stands. Unknown: nobody was asked.
Agent::Answer Agent::ask(unsigned index, std::uint8_t address, MutableBytes byte) {
  Slot& slot = slots_[index];
  auto answer = ports_.i2c.write_read(index, address, {}, byte);
  if (!answer && is_hang(answer.error())) {
    slot.counter = Slot::kCounterUnknown;
    if (!free_bus(index, answer.error())) return Answer::unknown;
    answer = ports_.i2c.write_read(index, address, {}, byte);
  }
  // A board is not gone because memory is. Its counter may have moved all the same.
  if (!answer && answer.error() == Errc::memory) {
    slot.counter = Slot::kCounterUnknown;
    return Answer::unknown;
  }
  if (slot.hangs != 0 && (answer || !is_hang(answer.error()))) {
    slot.hangs = 0;
    notify(EventKind::stuck, index, {}, "the bus works again");
  }
  return answer ? Answer::yes : Answer::no;
}

// True: the lines are free, or nobody can tell, so who does not answer is not there. False: a line
// hangs, which says nothing of the board, and is looked at again ever more seldom.
bool Agent::free_bus(unsigned index, Errc error) {
  Slot& slot = slots_[index];
  const auto freed = ports_.i2c.recover(index);
  const bool is_free = freed.has_value();
  const bool hangs = !is_free && freed.error() != Errc::unsupported;
  if (is_free) return true;
  // Without a way to look at the lines, only a board that was there makes it news. Asked seldom in
  // any case: every transfer may take as long as the port lets it, and others wait for that.
  slot.next_probe_ms = ports_.clock.now_ms() + kHangWaitBlind_ms;
  if (!hangs && slot.state == SlotState::empty) return false;
  if (slot.hangs == 0)
    notify(EventKind::stuck, index, error,
           "a line of the bus hangs: look for a short or a part without power");
  if (slot.hangs < kHangDoublings) ++slot.hangs;
  if (!hangs) return true;
  slot.next_probe_ms = ports_.clock.now_ms() + (kHangWaitMin_ms << slot.hangs);
  return false;
}

void Agent::miss(unsigned index) {
  Slot& slot = slots_[index];
  if (++slot.misses >= kMissesUntilGone) pull(index);
}

// Empty but for what outlives a board.
void Agent::begin_slot(unsigned index) {
  Slot& slot = slots_[index];
  const std::uint32_t generation = slot.generation + 1;
  const std::uint32_t next_probe_ms = slot.next_probe_ms;
  const std::uint8_t hangs = slot.hangs;
  slot = Slot{};
  slot.generation = generation;
  slot.next_probe_ms = next_probe_ms;
  slot.hangs = hangs;
}

void Agent::plug(unsigned index) {
  begin_slot(index);
  Slot& slot = slots_[index];
  slot.plugged_ms = ports_.clock.now_ms();
  slot.state = SlotState::identifying;
  slot.find_pending = true;
  notify(EventKind::plugged, index);
}

void Agent::pull(unsigned index) {
  if (stores_into(index)) end_store(Errc::no_device);
  release_driver(index);
  notify(EventKind::removed, index, {}, slots_[index].identity.hardware_id.view());
  begin_slot(index);
  retry_power();
}

void Agent::release_driver(unsigned index) {
  Slot& slot = slots_[index];
  if (slot.module == DriverLoader::kNoModule) return;
  const DriverLoader::Module module = slot.module;
  const Digest digest = slot.loaded;
  slot.module = DriverLoader::kNoModule;
  slot.loaded = {};
  // What is half written is of the driver that goes.
  if (stores_into(index)) end_store(Errc::conflict, "another release takes the driver's place");
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
