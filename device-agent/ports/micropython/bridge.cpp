// One agent with its ports and memory, in one object on the GC heap.
#include "device-agent/ports/micropython/bridge.h"

#include <algorithm>
#include <new>

#include "device-agent/core/agent.hpp"
#include "device-agent/ports/micropython/firmware_abi.hpp"
#include "device-agent/ports/micropython/loader.hpp"

using namespace mpyd;
using namespace mpyd::agent;

namespace {

// Memory of the GC heap with `count` values in it. Raises MemoryError.
template <class T>
std::span<T> make_array(std::size_t count) {
  T* first = static_cast<T*>(m_malloc0(count * sizeof(T)));
  for (std::size_t i = 0; i < count; ++i) new (first + i) T();
  return {first, count};
}

Config make_config(const mpyd_settings_t& settings) {
  Config config;
  config.abi = firmware_abi();
  config.firmware = {settings.firmware, settings.firmware_len};
  config.current_ma = settings.current_ma;
  std::uint32_t* const times[MPYD_TIMES] = {
      &config.probe_interval_ms, &config.sync_interval_ms, &config.report_delay_ms,
      &config.retry_min_ms,      &config.retry_max_ms,     &config.sync_timeout_ms,
      &config.stall_timeout_ms,  &config.fetch_timeout_ms, &config.trial_ms};
  for (std::size_t i = 0; i < MPYD_TIMES; ++i)
    if (settings.times_ms[i] != 0) *times[i] = settings.times_ms[i];
  return config;
}

std::span<const SlotPlace> make_places(const mpyd_settings_t& settings) {
  const auto places = make_array<SlotPlace>(settings.n_slots);
  for (std::size_t i = 0; i < places.size(); ++i) {
    const mpyd_place_t& place = settings.places[i];
    places[i] = {{place.first_address, place.last_address, place.address_bytes}, place.current_ma};
  }
  return places;
}

}  // namespace

// Nothing here is ever destroyed: the collector takes the memory, and no member holds anything
// else.
struct _mpyd_bridge_t {
  _mpyd_bridge_t(const mpyd_settings_t& settings, const Memory& memory,
                 std::span<mpyd_code_t*> modules, std::span<AttachedDriver> attached)
      : hosts(settings.hosts),
        bus(hosts, settings.has_presence),
        transport(hosts),
        store(hosts),
        loader(hosts, modules, attached),
        clock(hosts, settings.has_watchdog),
        entropy(hosts),
        listener(hosts),
        agent({bus, transport, store, loader, clock, entropy, listener}, make_config(settings),
              memory) {}

  mpyd_hosts_t hosts;
  HostBus bus;
  HostTransport transport;
  HostStore store;
  ModuleLoader loader;
  HostClock clock;
  HostEntropy entropy;
  HostListener listener;
  Agent agent;
};

extern "C" {

const size_t mpyd_message_bytes_min = kMessageBytesMin;

mpyd_bridge_t* mpyd_bridge_new(const mpyd_settings_t* settings) {
  const Memory memory{make_array<Slot>(settings->n_slots), make_places(*settings),
                      make_array<std::byte>(kWorkBytes),
                      make_array<std::byte>(settings->message_bytes)};
  const auto modules = make_array<mpyd_code_t*>(settings->n_slots);
  const auto attached = make_array<AttachedDriver>(settings->n_slots);
  void* place = m_malloc0(sizeof(mpyd_bridge_t));
  return new (place) mpyd_bridge_t(*settings, memory, modules, attached);
}

mpyd_hosts_t* mpyd_bridge_hosts(mpyd_bridge_t* bridge) { return &bridge->hosts; }

uint16_t mpyd_bridge_start(mpyd_bridge_t* bridge, const void* identity, size_t len) {
  const auto started = bridge->agent.start({static_cast<const std::byte*>(identity), len});
  return started ? 0 : static_cast<uint16_t>(started.error());
}

const char* mpyd_bridge_start_problem(const mpyd_bridge_t* bridge, size_t* len) {
  const std::string_view text = bridge->agent.start_problem();
  *len = text.size();
  return text.data();
}

uint32_t mpyd_bridge_poll(mpyd_bridge_t* bridge) { return bridge->agent.poll(); }

void mpyd_bridge_stop(mpyd_bridge_t* bridge) { bridge->agent.stop(); }

size_t mpyd_bridge_slots(const mpyd_bridge_t* bridge) { return bridge->agent.slots().size(); }

void mpyd_bridge_slot(const mpyd_bridge_t* bridge, size_t index, mpyd_slot_t* out) {
  const Slot& slot = bridge->agent.slots()[index];
  const eeprom::BoardIdentity& identity = slot.identity;
  const std::string_view hardware_id = identity.hardware_id.view();
  const std::string_view state = name(slot.state);
  out->state = state.data();
  out->state_len = state.size();
  out->error = static_cast<uint16_t>(slot.error);
  out->revision = identity.revision;
  out->hardware_id = hardware_id.data();
  out->hardware_id_len = hardware_id.size();
  out->serial = reinterpret_cast<const uint8_t*>(identity.serial.begin());
  out->serial_len = identity.serial.size();
  const std::string_view layout =
      identity.hardware_id.empty() ? std::string_view{} : eeprom::name(identity.layout);
  out->layout = layout.data();
  out->layout_len = layout.size();
  out->current_ma = identity.current_ma;
  out->address = slot.part.address;
  out->answers_until = slot.part.answers_until;
  out->address_bytes = slot.part.address_bytes;
}

uint16_t mpyd_bridge_read_config(mpyd_bridge_t* bridge, size_t slot, void* out, size_t* len) {
  const auto got =
      bridge->agent.read_config(static_cast<unsigned>(slot), {static_cast<std::byte*>(out), *len});
  if (!got) return static_cast<uint16_t>(got.error());
  *len = *got;
  return 0;
}

uint16_t mpyd_bridge_store(mpyd_bridge_t* bridge, size_t slot) {
  const auto accepted = bridge->agent.store(static_cast<unsigned>(slot));
  return accepted ? 0 : static_cast<uint16_t>(accepted.error());
}

void mpyd_bridge_eeprom_was_read(mpyd_bridge_t* bridge, size_t slot) {
  bridge->agent.eeprom_was_read(static_cast<unsigned>(slot));
}

const char* mpyd_error_name(uint16_t error, size_t* len) {
  const std::string_view text = name(static_cast<Errc>(error));
  *len = text.size();
  return text.data();
}

const char* mpyd_error_text(uint16_t error, size_t* len) {
  const std::string_view text = describe(static_cast<Errc>(error));
  *len = text.size();
  return text.data();
}

void mpyd_abi_text(char out[MPYD_ABI_TEXT_MAX + 1]) {
  static_assert(std::is_same_v<AbiText, InlineText<MPYD_ABI_TEXT_MAX>>);
  const AbiText text = format_device_abi(firmware_abi());
  std::copy_n(text.c_str(), text.size() + 1, out);
}

}  // extern "C"
