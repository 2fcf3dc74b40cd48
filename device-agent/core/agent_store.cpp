// Writes the package that runs in a slot to the store area of its board's EEPROM, with a key block
// for the fleet. A page at a time, between other jobs. schema/eeprom/store.md has the order of
// writes, which leaves the identity alone whenever power or board go, and a package old or new.
#include "device-agent/core/agent.hpp"
#include "protocol/decimal.hpp"
#include "protocol/eeprom/part_writer.hpp"
#include "protocol/package/key_block.hpp"

namespace mpyd::agent {
namespace {

constexpr std::uint32_t kWriteCycleMax_ms = 20;  // data sheets say 5, some 10
constexpr std::uint32_t kWriteCycleLook_ms = 1;
constexpr std::uint32_t kLateMax_ms = 2000;  // longer than polling takes to miss a board

bool lies_in(const eeprom::Extent& inner, const eeprom::Extent& outer) {
  return inner.offset >= outer.offset && inner.length <= outer.length &&
         inner.offset - outer.offset <= outer.length - inner.length;
}

bool lies_before(const eeprom::Extent& extent, std::uint32_t offset) {
  return extent.length == 0 || (extent.offset <= offset && extent.length <= offset - extent.offset);
}

std::uint32_t min_of(std::uint32_t a, std::uint32_t b) { return a < b ? a : b; }

}  // namespace

Result<void> Agent::store(unsigned index) {
  if (index >= slots_.size() || slots_[index].state == SlotState::empty)
    return fail(Errc::no_device);
  Slot& slot = slots_[index];
  if (slot.module == DriverLoader::kNoModule || slot.identity.store_area.place.length == 0)
    return fail(Errc::not_found);
  if (store_.slot != kSlotNone || slot.hash_pending) return fail(Errc::conflict);
  store_ = {};
  store_.slot = index;
  store_.started_ms = ports_.clock.now_ms();
  if (slot.eeprom_digest == slot.loaded) {
    end_store({}, "the package lies on the board already");
    return {};
  }
  const auto size = ports_.store.size(package_file(slot.identity.hardware_id, slot.loaded).c_str());
  if (size && *size < slot.identity.store_area.place.length) return {};
  store_ = {};
  return fail(size ? Errc::limit : size.error());
}

void Agent::end_store(Errc error, std::string_view detail) {
  const unsigned index = store_.slot;
  const std::uint32_t started_ms = store_.started_ms;
  store_ = {};
  if (detail.empty() && error != Errc{}) detail = describe(error);
  notify(EventKind::stored, index, error, detail, ports_.clock.now_ms() - started_ms);
}

// One step; then others may have the agent. Returns for how long nothing needs doing.
std::uint32_t Agent::step_store() {
  const auto done = advance_store();
  // Goes on at once: check_ holds the package's head, which others would overwrite.
  if (done && store_.phase == Store::Phase::open) return 0;
  finish_job();
  if (!done) {
    end_store(done.error(), reason_.view());
    return 0;
  }
  return store_.slot != kSlotNone && store_.is_written ? kWriteCycleLook_ms : 0;
}

Result<void> Agent::advance_store() {
  switch (store_.phase) {
    case Store::Phase::look:
      return look_at_package();
    case Store::Phase::open:
      return open_store_block();
    case Store::Phase::plan:
      return plan_store();
    case Store::Phase::write:
      return store_.is_written ? finish_page() : write_page();
    case Store::Phase::ask:
      break;
  }
  return {};
}

// The head of what runs, in the cache; a public package needs no key block. What no motherboard
// would load from there is not written.
Result<void> Agent::look_at_package() {
  Slot& slot = slots_[store_.slot];
  if (!may_load_from_eeprom(slot)) {
    reason_.clear();
    reason_.append("policy allows no packages on EEPROMs of these boards");
    return fail(Errc::policy);
  }
  const FileName name = package_file(slot.identity.hardware_id, slot.loaded);
  CachedPackage cached(ports_.store, name);
  MPYD_TRY(read_package_head(cached));
  store_.package_bytes = check_.head().package_bytes;
  if (check_.head().manifest.encryption == Encryption::none) {
    store_.phase = Store::Phase::plan;
    return {};
  }
  if (!store_.key_block.empty()) {
    begin_open_key();
    store_.phase = Store::Phase::open;
    return {};
  }
  store_.phase = Store::Phase::ask;
  slot.wants_answer = true;
  plan_sync(0);
  return {};
}

// Of the slot whose package is being stored.
void Agent::take_store_answer(const SlotAnswer& answer) {
  if (store_.phase != Store::Phase::ask || answer.store_digest.is_zero() ||
      answer.store_digest != slots_[store_.slot].loaded)
    return;
  if (answer.key_block.empty())
    return end_store(Errc::no_key, "the server sent no key block for this package");
  for (const std::byte b : answer.key_block)
    if (!store_.key_block.push_back(b))
      return end_store(Errc::limit, "the server's key block has more than one entry");
  store_.phase = Store::Phase::look;  // the head once more: others had the memory meanwhile
}

// What goes to the board must open there: with a key of this fleet, to the package's key. One
// public-key operation a step.
Result<void> Agent::open_store_block() {
  MPYD_TRY_ASSIGN(const bool is_open,
                  try_fleet_key({store_.key_block.begin(), store_.key_block.size()}));
  if (!is_open) return fleet_key_ < kFleetKeysMax ? Result<void>{} : fail(Errc::no_key);
  store_.phase = Store::Phase::plan;
  return {};
}

// Which bank, and that nothing but the area is touched.
Result<void> Agent::plan_store() {
  Slot& slot = slots_[store_.slot];
  reason_.clear();
  const auto is_good = check_store_area();
  if (!is_good) {
    if (is_good.error() == Errc::malformed)
      reason_.append("the store area overlaps what lies on the EEPROM: build its image anew");
    return is_good;
  }
  EepromSource source(ports_.i2c, store_.slot, slot);
  MPYD_TRY_ASSIGN(const eeprom::Banks banks, eeprom::read_banks(source, slot.identity.store_area));
  const auto bytes = store_.package_bytes + static_cast<std::uint32_t>(store_.key_block.size());
  const auto bank = eeprom::choose_bank(banks, slot.identity.store_area, bytes);
  if (!bank) {
    reason_.append("package and key block have ");
    append_decimal(reason_, bytes);
    reason_.append(" bytes, the EEPROM's store area room for ");
    append_decimal(reason_, eeprom::room_of(slot.identity.store_area).one);
    return fail(bank.error());
  }
  store_.bank = *bank;
  if (!lies_in(bank->place, slot.identity.store_area.place) || !lies_in(bank->content, bank->place))
    return fail(Errc::malformed);
  store_.phase = Store::Phase::write;
  store_.piece = Store::Piece::clear;
  return {};
}

// The area lies in the part, and behind all that the identity uses. Errors: malformed, and those of
// the bus.
Result<void> Agent::check_store_area() {
  Slot& slot = slots_[store_.slot];
  const eeprom::StoreArea& area = slot.identity.store_area;
  const std::uint32_t from = area.place.offset;
  if (!lies_in(area.place, {0, eeprom::size_of(slot.part)}) || area.page_bytes == 0 ||
      area.page_bytes > eeprom::kPageBytesMax || from % area.page_bytes != 0 ||
      !lies_before(slot.identity.configuration, from) ||
      !lies_before(slot.identity.fingerprint, from))
    return fail(Errc::malformed);
  EepromSource source(ports_.i2c, store_.slot, slot);
  MPYD_TRY_ASSIGN(eeprom::BoardIdentity each, eeprom::identify(source));
  // At most what any part can hold; each round is another package.
  for (unsigned n = 0; n < kEepromBytesMax / kPackageHeadBytesMax; ++n) {
    if (!lies_in(each.package, area.place) &&
        (!lies_before(each.package, from) || !lies_before(each.key_block, from)))
      return fail(Errc::malformed);
    MPYD_TRY_ASSIGN(const bool is_more, eeprom::next_package(source, each));
    if (!is_more) return {};
  }
  return fail(Errc::limit);
}

// The bytes of the page in hand, in message_, and where they go.
Result<Bytes> Agent::page_in_hand(std::uint32_t& offset) {
  const Slot& slot = slots_[store_.slot];
  const bool is_content = store_.piece == Store::Piece::content;
  const eeprom::Extent whole =
      is_content ? store_.bank.content
                 : eeprom::Extent{store_.bank.place.offset, std::uint32_t{eeprom::kBankHeadBytes}};
  const std::uint32_t page = slot.identity.store_area.page_bytes;
  offset = whole.offset + store_.done;
  const std::uint32_t size = min_of(whole.length - store_.done, page - offset % page);
  const MutableBytes out = message_.first(size);
  if (store_.piece == Store::Piece::clear) {
    for (std::byte& b : out) b = std::byte{0xff};
  } else if (store_.piece == Store::Piece::head) {
    std::array<std::byte, eeprom::kBankHeadBytes> head{};
    eeprom::format_bank_head(store_.bank, head);
    copy_bytes(Bytes(head).subspan(store_.done, size), out);
  } else {
    const std::uint32_t left = store_.package_bytes - min_of(store_.done, store_.package_bytes);
    const std::uint32_t of_package = min_of(left, size);
    if (of_package != 0) {
      const FileName name = package_file(slot.identity.hardware_id, slot.loaded);
      MPYD_TRY(ports_.store.read(name.c_str(), store_.done, out.first(of_package)));
    }
    for (std::uint32_t i = of_package; i < size; ++i)
      out[i] = store_.key_block[store_.done + i - store_.package_bytes];
  }
  return Bytes(out);
}

// A page that holds these bytes already is left alone: parts wear, and a write cycle takes time.
Result<void> Agent::write_page() {
  Slot& slot = slots_[store_.slot];
  reason_.clear();
  std::uint32_t offset = 0;
  MPYD_TRY_ASSIGN(const Bytes bytes, page_in_hand(offset));
  const eeprom::Extent page{offset, static_cast<std::uint32_t>(bytes.size())};
  if (!lies_in(page, store_.bank.place)) return fail(Errc::malformed);
  const MutableBytes there = message_.subspan(eeprom::kPageBytesMax, bytes.size());
  MPYD_TRY(EepromSource(ports_.i2c, store_.slot, slot).read(offset, there));
  if (same_bytes(there, bytes)) return next_page(page.length);
  SlotChannel channel(ports_.i2c, store_.slot);
  slot.counter = Slot::kCounterUnknown;
  store_.is_written = true;
  store_.written_ms = ports_.clock.now_ms();
  return eeprom::PartWriter(channel, slot.part)
      .begin(offset, bytes, slot.identity.store_area.page_bytes);
}

// The write cycle is over, and the page reads as it was written. Errors: write_protected, timeout,
// those of the bus.
Result<void> Agent::finish_page() {
  Slot& slot = slots_[store_.slot];
  SlotChannel channel(ports_.i2c, store_.slot);
  eeprom::PartWriter writer(channel, slot.part);
  MPYD_TRY_ASSIGN(const bool is_ready, writer.is_ready());
  if (!is_ready) {
    // A board that is gone looks the same: polling tells, by a pull() that ends the store.
    const std::uint32_t passed_ms = ports_.clock.now_ms() - store_.written_ms;
    store_.is_late = passed_ms > kWriteCycleMax_ms;
    return passed_ms <= kLateMax_ms ? Result<void>{} : fail(Errc::timeout);
  }
  if (store_.is_late) return fail(Errc::timeout);
  store_.is_written = false;
  std::uint32_t offset = 0;
  MPYD_TRY_ASSIGN(const Bytes bytes, page_in_hand(offset));
  MPYD_TRY(writer.check(offset, bytes));
  return next_page(static_cast<std::uint32_t>(bytes.size()));
}

// First the old head of the bank goes, then comes the content, then the new head.
Result<void> Agent::next_page(std::uint32_t bytes) {
  store_.done += bytes;
  const std::uint32_t whole = store_.piece == Store::Piece::content
                                  ? store_.bank.content.length
                                  : std::uint32_t{eeprom::kBankHeadBytes};
  if (store_.done < whole) return {};
  store_.done = 0;
  if (store_.piece == Store::Piece::head) return finish_store();
  store_.piece = store_.piece == Store::Piece::clear ? Store::Piece::content : Store::Piece::head;
  return {};
}

// The EEPROM says something else from now on.
Result<void> Agent::finish_store() {
  Slot& slot = slots_[store_.slot];
  EepromSource source(ports_.i2c, store_.slot, slot);
  MPYD_TRY_ASSIGN(const eeprom::BoardIdentity identity, eeprom::identify(source));
  slot.identity.package = identity.package;
  slot.identity.key_block = identity.key_block;
  slot.hash_pending = true;
  slot.wants_answer = true;
  plan_sync(config_.report_delay_ms);
  end_store({}, "the board brings its driver along from now on");
  return {};
}

}  // namespace mpyd::agent
