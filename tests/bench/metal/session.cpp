#include "session.hpp"

#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "depth.hpp"
#include "device-agent/core/agent.hpp"
#include "device-agent/ports/micropython/loader.hpp"
#include "heap.hpp"
#include "ledger.hpp"

extern "C" {
#include "device-agent/boards/mps2/board.h"
#include "device-agent/ports/micropython/bridge.h"
#include "py/gc.h"
#include "py/misc.h"
#include "py/mpprint.h"

extern const char _etext;
std::uint16_t __real_mpyd_bridge_start(mpyd_bridge_t* bridge, const void* identity, size_t len);
std::uint16_t __wrap_mpyd_bridge_start(mpyd_bridge_t* bridge, const void* identity, size_t len);
std::uint32_t __real_mpyd_bridge_poll(mpyd_bridge_t* bridge);
std::uint32_t __wrap_mpyd_bridge_poll(mpyd_bridge_t* bridge);
int __real_mpyd_call(mpyd_hosts_t*, mpyd_method_t, const mpyd_arg_t*, size_t, const mpyd_result_t*);
int __wrap_mpyd_call(mpyd_hosts_t*, mpyd_method_t, const mpyd_arg_t*, size_t, const mpyd_result_t*);
mpyd_outcome_t __real_mpyd_module_load(mpyd_hosts_t*, const char*, size_t, mpyd_stream_t,
                                       mpyd_code_t**, mp_obj_t*, mp_obj_t*);
mpyd_outcome_t __wrap_mpyd_module_load(mpyd_hosts_t*, const char*, size_t, mpyd_stream_t,
                                       mpyd_code_t**, mp_obj_t*, mp_obj_t*);
mpyd_outcome_t __real_mpyd_module_run(mpyd_hosts_t*, mpyd_code_t*, mp_obj_t, mp_obj_t*);
mpyd_outcome_t __wrap_mpyd_module_run(mpyd_hosts_t*, mpyd_code_t*, mp_obj_t, mp_obj_t*);
mpyd_outcome_t __real_mpyd_module_attach(mpyd_hosts_t*, mpyd_code_t*, mp_obj_t, mp_obj_t*,
                                         mp_obj_t*, mp_obj_t*);
mpyd_outcome_t __wrap_mpyd_module_attach(mpyd_hosts_t*, mpyd_code_t*, mp_obj_t, mp_obj_t*,
                                         mp_obj_t*, mp_obj_t*);
void __real_ethernet_poll(void);
void __wrap_ethernet_poll(void);
void __real_mpyd_code_room(bool, size_t*, size_t*);
void __wrap_mpyd_code_room(bool, size_t*, size_t*);
bool __real_mpyd_code_has_room(bool, size_t);
bool __wrap_mpyd_code_has_room(bool, size_t);
void __real_gc_collect(void);
void __wrap_gc_collect(void);
}

namespace mpyd::bench {
namespace {

constexpr int kSysGetCmdline = 0x15;  // Arm's semihosting

bool was_loaded = false;  // in this poll
std::uint32_t polls = 0;

int semihosting(int operation, const void* block) {
  register int r0 __asm("r0") = operation;
  register const void* r1 __asm("r1") = block;
  __asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}

Mode read_mode() {
  static char line[256];
  const std::uintptr_t block[] = {reinterpret_cast<std::uintptr_t>(line), sizeof line};
  if (semihosting(kSysGetCmdline, block) != 0) return Mode::cycles;
  if (std::strstr(line, "measure=stack") != nullptr) return Mode::stack;
  return std::strstr(line, "measure=heap") != nullptr ? Mode::heap : Mode::cycles;
}

Part part_of(mpyd_method_t method) {
  if (method <= MPYD_BUS_RECOVER) return Part::bus;
  if (method <= MPYD_NET_CLOSE) return Part::network;
  if (method <= MPYD_STORE_FIND) return Part::store;
  return method <= MPYD_HOST_ENTROPY ? Part::host : Part::told;
}

void on_event(agent::EventKind kind) {
  if (kind == agent::EventKind::plugged) {
    polls = 0;
    start_ledger();
  }
  if (kind == agent::EventKind::chosen && mode() == Mode::heap) watch_heap();
  if (kind == agent::EventKind::loaded && ledger_is_running()) {
    finish_ledger();
    was_loaded = true;
  }
}

void say(const char* format, ...) {
  va_list args;
  va_start(args, format);
  mp_vprintf(&mp_plat_print, format, args);
  va_end(args);
}

// {"event": "measured", "what": ..., NAME: NUMBER, ...}
void tell_parts(const char* what, std::uint32_t (*number)(Part)) {
  say("{\"event\": \"measured\", \"what\": \"%s\"", what);
  for (unsigned i = 0; i < kParts; ++i)
    say(", \"%s\": %u", name(static_cast<Part>(i)), number(static_cast<Part>(i)));
  say("}\n");
}

// Words that may be return addresses: odd, and where code lies.
void tell_callers() {
  say("{\"event\": \"measured\", \"what\": \"callers\", \"addresses\": [0");
  for (const std::uint32_t word : deepest_words())
    if (word % 2 == 1 && word < reinterpret_cast<std::uintptr_t>(&_etext))
      say(", %u", static_cast<unsigned>(word));
  say("]}\n");
}

void tell_sizes() {
  const unsigned ports = sizeof(mpyd_hosts_t) + sizeof(agent::HostBus) +
                         sizeof(agent::HostTransport) + sizeof(agent::HostStore) +
                         sizeof(agent::ModuleLoader) + sizeof(agent::HostClock) +
                         sizeof(agent::HostEntropy) + sizeof(agent::HostListener);
  say("{\"event\": \"measured\", \"what\": \"sizes\", \"agent\": %u, \"ports\": %u, \"slot\": %u, "
      "\"place\": %u, "
      "\"identity\": %u, \"module\": %u, \"work\": %u, \"message\": %u, \"chunk\": %u}\n",
      unsigned{sizeof(agent::Agent)}, ports, unsigned{sizeof(agent::Slot)},
      unsigned{sizeof(agent::SlotPlace)}, unsigned{sizeof(eeprom::BoardIdentity)},
      unsigned{sizeof(agent::AttachedDriver) + sizeof(mpyd_code_t*)}, unsigned{agent::kWorkBytes},
      unsigned{agent::kMessageBytesMin}, unsigned{kChunkBytesMax});
}

void tell() {
  was_loaded = false;
  if (mode() == Mode::cycles) {
    tell_parts("instructions", instructions);
    tell_parts("entries", entries);
    say("{\"event\": \"measured\", \"what\": \"polls\", \"count\": %u}\n",
        static_cast<unsigned>(polls));
    tell_sizes();
  } else if (mode() == Mode::stack) {
    tell_parts("stack", deepest);
    say("{\"event\": \"measured\", \"what\": \"stack_of_all\", \"bytes\": %u}\n",
        static_cast<unsigned>(deepest_of_all()));
    tell_callers();
  } else {
    const HeapUse use = finish_heap();
    say("{\"event\": \"measured\", \"what\": \"heap\", \"before\": %u, \"peak\": %u, \"after\": "
        "%u}\n",
        static_cast<unsigned>(use.before), static_cast<unsigned>(use.peak),
        static_cast<unsigned>(use.after));
  }
}

// The application calls the agent.
template <class Call>
auto in_agent(const Call& call) {
  if (mode() == Mode::stack)
    watch_depth(reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)));
  heap_is_of_interest(true);
  const auto result = [&] {
    const Within within(Part::agent);
    return call();
  }();
  heap_is_of_interest(false);
  forget_depth();
  return result;
}

}  // namespace

Mode mode() {
  static const Mode asked = read_mode();
  return asked;
}

}  // namespace mpyd::bench

using namespace mpyd::bench;

extern "C" {

std::uint16_t __wrap_mpyd_bridge_start(mpyd_bridge_t* bridge, const void* identity, size_t len) {
  return in_agent([&] { return __real_mpyd_bridge_start(bridge, identity, len); });
}

std::uint32_t __wrap_mpyd_bridge_poll(mpyd_bridge_t* bridge) {
  polls += 1;
  const std::uint32_t wait_ms = in_agent([&] { return __real_mpyd_bridge_poll(bridge); });
  if (was_loaded) tell();
  return wait_ms;
}

int __wrap_mpyd_call(mpyd_hosts_t* hosts, mpyd_method_t method, const mpyd_arg_t* args,
                     size_t n_args, const mpyd_result_t* result) {
  if (method == MPYD_HOST_EVENT) on_event(static_cast<mpyd::agent::EventKind>(args[0].number));
  const Within within(part_of(method));
  return __real_mpyd_call(hosts, method, args, n_args, result);
}

mpyd_outcome_t __wrap_mpyd_module_load(mpyd_hosts_t* hosts, const char* name, size_t name_len,
                                       mpyd_stream_t stream, mpyd_code_t** code, mp_obj_t* body,
                                       mp_obj_t* exception) {
  const Within within(Part::load);
  return __real_mpyd_module_load(hosts, name, name_len, stream, code, body, exception);
}

mpyd_outcome_t __wrap_mpyd_module_run(mpyd_hosts_t* hosts, mpyd_code_t* code, mp_obj_t body,
                                      mp_obj_t* exception) {
  const Within within(Part::driver);
  return __real_mpyd_module_run(hosts, code, body, exception);
}

mpyd_outcome_t __wrap_mpyd_module_attach(mpyd_hosts_t* hosts, mpyd_code_t* code, mp_obj_t board,
                                         mp_obj_t* object, mp_obj_t* handle, mp_obj_t* exception) {
  const Within within(Part::driver);
  return __real_mpyd_module_attach(hosts, code, board, object, handle, exception);
}

void __wrap_ethernet_poll(void) {
  const Within within(Part::network);
  __real_ethernet_poll();
}

void __wrap_mpyd_code_room(bool is_native, size_t* free_bytes, size_t* largest_block) {
  const Within within(Part::collect);
  __real_mpyd_code_room(is_native, free_bytes, largest_block);
}

bool __wrap_mpyd_code_has_room(bool is_native, size_t bytes) {
  const Within within(Part::collect);
  return __real_mpyd_code_has_room(is_native, bytes);
}

void __wrap_gc_collect(void) {
  const Within within(Part::collect);
  __real_gc_collect();
}

}  // extern "C"
