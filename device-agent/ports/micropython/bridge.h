// The agent as modmpyd.c sees it: the C side of bridge.cpp. Everything lies on the GC heap.
#pragma once

#include "host_call.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct _mpyd_bridge_t mpyd_bridge_t;

// The times of Config in device-agent/core/agent.hpp.
typedef enum {
  MPYD_PROBE_INTERVAL,
  MPYD_SYNC_INTERVAL,
  MPYD_REPORT_DELAY,
  MPYD_RETRY_MIN,
  MPYD_RETRY_MAX,
  MPYD_SYNC_TIMEOUT,
  MPYD_STALL_TIMEOUT,
  MPYD_FETCH_TIMEOUT,
  MPYD_TRIAL,
  MPYD_TIMES,
} mpyd_time_t;

// Where an ID EEPROM may answer: SlotPlace of device-agent/core/agent.hpp.
typedef struct _mpyd_place_t {
  uint8_t first_address;
  uint8_t last_address;
  uint8_t address_bytes;  // of the memory's addresses: 1, 2; 0: to be found
  uint32_t current_ma;    // 0: not bounded
} mpyd_place_t;

typedef struct _mpyd_settings_t {
  mpyd_hosts_t hosts;
  size_t n_slots;
  const mpyd_place_t* places;  // n_slots of them, only needed during the call
  size_t message_bytes;
  uint32_t times_ms[MPYD_TIMES];  // 0: the default
  uint32_t current_ma;            // of all boards together; 0: not bounded
  bool has_watchdog;              // host.feed() is there
  bool has_presence;              // bus.presence() is there
  const char* firmware;           // outlives the agent, like everything the settings refer to
  size_t firmware_len;
} mpyd_settings_t;

// Bounds of the settings.
#define MPYD_SLOTS_MAX           (64)
#define MPYD_PLACE_ADDRESSES_MAX (8)
#define MPYD_CURRENT_MA_MAX      (1000000)
extern const size_t mpyd_message_bytes_min;

// A slot as it is now.
typedef struct _mpyd_slot_t {
  const char* state;  // name of the SlotState
  size_t state_len;
  uint16_t error;  // Errc; 0: none
  uint32_t revision;
  const char* hardware_id;
  size_t hardware_id_len;
  const uint8_t* serial;
  size_t serial_len;
  const char* layout;  // of the EEPROM; empty: no board was identified
  size_t layout_len;
  uint32_t current_ma;    // that the board says it takes
  uint8_t address;        // of the ID EEPROM, the lowest; 0: none was found
  uint8_t answers_until;  // the highest, blocks and mirrors included
  uint8_t address_bytes;  // 1 or 2
} mpyd_slot_t;

// Raises MemoryError.
mpyd_bridge_t* mpyd_bridge_new(const mpyd_settings_t* settings);
mpyd_hosts_t* mpyd_bridge_hosts(mpyd_bridge_t* bridge);
// Return 0 or an Errc.
uint16_t mpyd_bridge_start(mpyd_bridge_t* bridge, const void* identity, size_t len);
// A sentence on why it did not start, if there is more to say than the Errc's; not NUL-terminated.
const char* mpyd_bridge_start_problem(const mpyd_bridge_t* bridge, size_t* len);
uint16_t mpyd_bridge_read_config(mpyd_bridge_t* bridge, size_t slot, void* out, size_t* len);
uint16_t mpyd_bridge_store(mpyd_bridge_t* bridge, size_t slot);

void mpyd_bridge_eeprom_was_read(mpyd_bridge_t* bridge, size_t slot);

uint32_t mpyd_bridge_poll(mpyd_bridge_t* bridge);
void mpyd_bridge_stop(mpyd_bridge_t* bridge);
size_t mpyd_bridge_slots(const mpyd_bridge_t* bridge);
void mpyd_bridge_slot(const mpyd_bridge_t* bridge, size_t index, mpyd_slot_t* out);

// Texts of protocol/errc.hpp and the firmware's ABI; not NUL-terminated, static.
const char* mpyd_error_name(uint16_t error, size_t* len);
const char* mpyd_error_text(uint16_t error, size_t* len);
// NUL-terminated into `out`.
#define MPYD_ABI_TEXT_MAX (64)
void mpyd_abi_text(char out[MPYD_ABI_TEXT_MAX + 1]);

// Milliseconds that wrap; modmpyd.c knows MicroPython's HAL.
uint32_t mpyd_ticks_ms(void);

#ifdef __cplusplus
}
#endif
