// The module `_mpyd`: the agent for Python. python/mpyd.py makes it convenient.
#include <string.h>

#include "bridge.h"
#include "exec_memory.h"
#include "linux_i2c.h"

#include "py/mperrno.h"
#include "py/mphal.h"
#include "py/objstr.h"
#include "py/runtime.h"

#if defined(UNIX)
#include <signal.h>
#include <sys/stat.h>
#endif

// clang-format off
#define ROW(object, name) { offsetof(mpyd_hosts_t, object), name }
const mpyd_method_row_t mpyd_methods[MPYD_METHODS] = {
    [MPYD_BUS_TRANSFER]    = ROW(bus,   MP_QSTR_transfer),
    [MPYD_BUS_PRESENCE]    = ROW(bus,   MP_QSTR_presence),
    [MPYD_BUS_RECOVER]     = ROW(bus,   MP_QSTR_recover),
    [MPYD_NET_OPEN]        = ROW(net,   MP_QSTR_open),
    [MPYD_NET_SEND]        = ROW(net,   MP_QSTR_send),
    [MPYD_NET_RECEIVE]     = ROW(net,   MP_QSTR_receive),
    [MPYD_NET_CLOSE]       = ROW(net,   MP_QSTR_close),
    [MPYD_STORE_SIZE]      = ROW(store, MP_QSTR_size),
    [MPYD_STORE_READ]      = ROW(store, MP_QSTR_read),
    [MPYD_STORE_WRITE]     = ROW(store, MP_QSTR_write),
    [MPYD_STORE_BEGIN]     = ROW(store, MP_QSTR_begin),
    [MPYD_STORE_APPEND]    = ROW(store, MP_QSTR_append),
    [MPYD_STORE_COMMIT]    = ROW(store, MP_QSTR_commit),
    [MPYD_STORE_ABORT]     = ROW(store, MP_QSTR_abort),
    [MPYD_STORE_REMOVE]    = ROW(store, MP_QSTR_remove),
    [MPYD_STORE_FIND]      = ROW(store, MP_QSTR_find),
    [MPYD_HOST_UNIX_TIME]  = ROW(host,  MP_QSTR_unix_time),
    [MPYD_HOST_FEED]       = ROW(host,  MP_QSTR_feed),
    [MPYD_HOST_ENTROPY]    = ROW(host,  MP_QSTR_entropy),
    [MPYD_HOST_EVENT]      = ROW(host,  MP_QSTR_event),
    [MPYD_HOST_MAKE_BOARD] = ROW(host,  MP_QSTR_make_board),
    [MPYD_HOST_ATTACHED]   = ROW(host,  MP_QSTR_attached),
    [MPYD_HOST_DETACHED]   = ROW(host,  MP_QSTR_detached),
    [MPYD_HOST_RAISED]     = ROW(host,  MP_QSTR_raised),
};
// clang-format on

uint32_t mpyd_ticks_ms(void) { return (uint32_t)mp_hal_ticks_ms(); }

/******************************************************************************/
// class Agent

typedef struct _agent_obj_t {
  mp_obj_base_t base;
  mpyd_bridge_t* bridge;
  mp_obj_t firmware;  // keeps the text alive
  bool started;
  bool busy;                  // inside the agent: a driver or listener must not enter it again
  struct _agent_obj_t* next;  // in the list of those that run
} agent_obj_t;

// Those that run, for stop_all(). Not a root: an agent that nobody holds is collected, and its
// finaliser takes it out.
#define MPYD_KNOWS_RUNNING (MICROPY_ENABLE_FINALISER && MICROPY_PY_SYS_ATEXIT)
#if MPYD_KNOWS_RUNNING
static agent_obj_t* running;

static void take_out(agent_obj_t* self) {
  agent_obj_t** at = &running;
  while (*at != NULL && *at != self) {
    at = &(*at)->next;
  }
  if (*at != NULL) {
    *at = self->next;
  }
}

static mp_obj_t agent_del(mp_obj_t self_in) {
  take_out(MP_OBJ_TO_PTR(self_in));
  return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(agent_del_obj, agent_del);
#endif

static agent_obj_t* ready(mp_obj_t self_in) {
  agent_obj_t* self = MP_OBJ_TO_PTR(self_in);
  if (!self->started) {
    mp_raise_msg(&mp_type_RuntimeError, MP_ERROR_TEXT("mpyd: the agent is stopped"));
  }
  return self;
}

// On unix Ctrl-C raises in the middle of anything, also of the agent, which does not expect that.
#if defined(UNIX)
static void hold_signals(bool hold) {
  sigset_t interrupt;
  sigemptyset(&interrupt);
  sigaddset(&interrupt, SIGINT);
  sigprocmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &interrupt, NULL);
}
#else
static void hold_signals(bool hold) { (void)hold; }
#endif

static void enter(agent_obj_t* self) {
  if (self->busy) {
    mp_raise_msg(&mp_type_RuntimeError, MP_ERROR_TEXT("mpyd: called from a driver or an event"));
  }
  self->busy = true;
  hold_signals(true);
}

// Raises what was meant for the application and met our Python code instead.
static void leave(agent_obj_t* self) {
  mpyd_hosts_t* hosts = mpyd_bridge_hosts(self->bridge);
  mp_obj_t interrupt = hosts->interrupt;
  hosts->interrupt = MP_OBJ_NULL;
  self->busy = false;
  hold_signals(false);
  if (interrupt != MP_OBJ_NULL) {
    nlr_raise(interrupt);
  }
}

static mp_int_t bounded(mp_obj_t value, mp_int_t min, mp_int_t max) {
  mp_int_t number = mp_obj_get_int(value);
  if (number < min || number > max) {
    mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("mpyd: %d is not in %d..%d"), (int)number,
                      (int)min, (int)max);
  }
  return number;
}

// One of (first address, last address, address bytes, current_ma) per slot.
static const mpyd_place_t* make_places(mp_obj_t list, size_t* n_places) {
  mp_obj_t* items;
  mp_obj_get_array(list, n_places, &items);
  bounded(MP_OBJ_NEW_SMALL_INT(*n_places), 1, MPYD_SLOTS_MAX);
  mpyd_place_t* places = m_new(mpyd_place_t, *n_places);
  for (size_t i = 0; i < *n_places; ++i) {
    mp_obj_t* fields;
    mp_obj_get_array_fixed_n(items[i], 4, &fields);
    places[i].first_address = bounded(fields[0], 0x08, 0x77);
    places[i].last_address =
        bounded(fields[1], places[i].first_address,
                MIN(0x77, places[i].first_address + MPYD_PLACE_ADDRESSES_MAX - 1));
    places[i].address_bytes = bounded(fields[2], 0, 2);
    places[i].current_ma = bounded(fields[3], 0, MPYD_CURRENT_MA_MAX);
  }
  return places;
}

// Agent(host, bus, net, store, places, firmware, message_bytes, current_ma, **times_ms): the
// times are those of Config in device-agent/core/agent.hpp; what is not given keeps its default.
static mp_obj_t agent_make_new(const mp_obj_type_t* type, size_t n_args, size_t n_kw,
                               const mp_obj_t* args) {
  static const mp_arg_t times[MPYD_TIMES] = {
      [MPYD_PROBE_INTERVAL] = {MP_QSTR_probe_interval_ms,
                               MP_ARG_KW_ONLY | MP_ARG_INT,
                               {.u_int = 0}},
      [MPYD_SYNC_INTERVAL] = {MP_QSTR_sync_interval_ms, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = 0}},
      [MPYD_REPORT_DELAY] = {MP_QSTR_report_delay_ms, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = 0}},
      [MPYD_RETRY_MIN] = {MP_QSTR_retry_min_ms, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = 0}},
      [MPYD_RETRY_MAX] = {MP_QSTR_retry_max_ms, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = 0}},
      [MPYD_SYNC_TIMEOUT] = {MP_QSTR_sync_timeout_ms, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = 0}},
      [MPYD_STALL_TIMEOUT] = {MP_QSTR_stall_timeout_ms, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = 0}},
      [MPYD_FETCH_TIMEOUT] = {MP_QSTR_fetch_timeout_ms, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = 0}},
      [MPYD_TRIAL] = {MP_QSTR_trial_ms, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = 0}},
  };
  mp_arg_val_t times_ms[MPYD_TIMES];
  mp_arg_check_num(n_args, n_kw, 8, 8, true);
  mp_map_t kw_args;
  mp_map_init_fixed_table(&kw_args, n_kw, args + n_args);
  mp_arg_parse_all(0, NULL, &kw_args, MPYD_TIMES, times, times_ms);

  mp_obj_t feed[2], presence[2];
  mp_load_method_maybe(args[0], MP_QSTR_feed, feed);
  mp_load_method_maybe(args[1], MP_QSTR_presence, presence);
  mpyd_settings_t settings = {
      .hosts = {.host = args[0], .bus = args[1], .net = args[2], .store = args[3]},
      .message_bytes = bounded(args[6], mpyd_message_bytes_min, 65536),
      .current_ma = bounded(args[7], 0, MPYD_CURRENT_MA_MAX),
      .has_watchdog = feed[0] != MP_OBJ_NULL,
      .has_presence = presence[0] != MP_OBJ_NULL,
  };
  settings.places = make_places(args[4], &settings.n_slots);
  settings.firmware = mp_obj_str_get_data(args[5], &settings.firmware_len);
  for (size_t i = 0; i < MPYD_TIMES; ++i) {
    settings.times_ms[i] = bounded(MP_OBJ_NEW_SMALL_INT(times_ms[i].u_int), 0, 86400000);
  }
#if MPYD_KNOWS_RUNNING
  agent_obj_t* self = mp_obj_malloc_with_finaliser(agent_obj_t, type);
#else
  agent_obj_t* self = mp_obj_malloc(agent_obj_t, type);
#endif
  self->firmware = args[5];
  self->started = false;
  self->busy = false;
  self->bridge = mpyd_bridge_new(&settings);
  return MP_OBJ_FROM_PTR(self);
}

// start(identity): raises ValueError with the reason.
static mp_obj_t agent_start(mp_obj_t self_in, mp_obj_t identity_in) {
  agent_obj_t* self = MP_OBJ_TO_PTR(self_in);
  mp_buffer_info_t identity;
  mp_get_buffer_raise(identity_in, &identity, MP_BUFFER_READ);
  enter(self);
  uint16_t error = mpyd_bridge_start(self->bridge, identity.buf, identity.len);
  self->started = error == 0;
#if MPYD_KNOWS_RUNNING
  take_out(self);
  if (self->started) {
    self->next = running;
    running = self;
  }
#endif
  leave(self);
  if (error != 0) {
    size_t name_len, text_len;
    const char* name = mpyd_error_name(error, &name_len);
    const char* text = mpyd_bridge_start_problem(self->bridge, &text_len);
    if (text_len == 0) {
      text = mpyd_error_text(error, &text_len);
    }
    mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("mpyd: cannot start: %.*s: %.*s"),
                      (int)name_len, name, (int)text_len, text);
  }
  return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(agent_start_obj, agent_start);

// poll() -> milliseconds in which nothing needs doing
static mp_obj_t agent_poll(mp_obj_t self_in) {
  agent_obj_t* self = ready(self_in);
  enter(self);
  uint32_t wait_ms = mpyd_bridge_poll(self->bridge);
  leave(self);
  return mp_obj_new_int_from_uint(wait_ms);
}
static MP_DEFINE_CONST_FUN_OBJ_1(agent_poll_obj, agent_poll);

static mp_obj_t agent_stop(mp_obj_t self_in) {
  agent_obj_t* self = MP_OBJ_TO_PTR(self_in);
  if (self->started) {
    enter(self);
    self->started = false;
#if MPYD_KNOWS_RUNNING
    take_out(self);
#endif
    mpyd_bridge_stop(self->bridge);
    leave(self);
  }
  return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(agent_stop_obj, agent_stop);

static size_t slot_index(agent_obj_t* self, mp_obj_t index_in) {
  return bounded(index_in, 0, (mp_int_t)mpyd_bridge_slots(self->bridge) - 1);
}

static mp_obj_t text_or_none(const char* text, size_t len) {
  return len == 0 ? mp_const_none : mp_obj_new_str(text, len);
}

// slot(i) -> (state, error, hardware_id, revision, serial, layout, current_ma, lowest and highest
// address of the ID EEPROM, address bytes)
static mp_obj_t agent_slot(mp_obj_t self_in, mp_obj_t index_in) {
  agent_obj_t* self = MP_OBJ_TO_PTR(self_in);
  mpyd_slot_t slot;
  mpyd_bridge_slot(self->bridge, slot_index(self, index_in), &slot);
  mp_obj_t items[] = {
      mp_obj_new_str(slot.state, slot.state_len),
      MP_OBJ_NEW_SMALL_INT(slot.error),
      text_or_none(slot.hardware_id, slot.hardware_id_len),
      mp_obj_new_int_from_uint(slot.revision),
      slot.serial_len == 0 ? mp_const_none : mp_obj_new_bytes(slot.serial, slot.serial_len),
      text_or_none(slot.layout, slot.layout_len),
      mp_obj_new_int_from_uint(slot.current_ma),
      MP_OBJ_NEW_SMALL_INT(slot.address),
      MP_OBJ_NEW_SMALL_INT(slot.answers_until),
      MP_OBJ_NEW_SMALL_INT(slot.address_bytes),
  };
  return mp_obj_new_tuple(MP_ARRAY_SIZE(items), items);
}
static MP_DEFINE_CONST_FUN_OBJ_2(agent_slot_obj, agent_slot);

// read_config(i, buffer) -> bytes used; raises OSError(ENODEV).
static mp_obj_t agent_read_config(mp_obj_t self_in, mp_obj_t index_in, mp_obj_t buffer_in) {
  agent_obj_t* self = MP_OBJ_TO_PTR(self_in);
  mp_buffer_info_t buffer;
  mp_get_buffer_raise(buffer_in, &buffer, MP_BUFFER_WRITE);
  size_t len = buffer.len;
  if (mpyd_bridge_read_config(self->bridge, slot_index(self, index_in), buffer.buf, &len) != 0) {
    mp_raise_OSError(MP_ENODEV);
  }
  return MP_OBJ_NEW_SMALL_INT(len);
}
static MP_DEFINE_CONST_FUN_OBJ_3(agent_read_config_obj, agent_read_config);

// store(i) -> the number of an error, 0: it is being written, and an event tells how that ends.
static mp_obj_t agent_store(mp_obj_t self_in, mp_obj_t index_in) {
  agent_obj_t* self = ready(self_in);
  size_t index = slot_index(self, index_in);
  enter(self);
  uint16_t error = mpyd_bridge_store(self->bridge, index);
  leave(self);
  return MP_OBJ_NEW_SMALL_INT(error);
}
static MP_DEFINE_CONST_FUN_OBJ_2(agent_store_obj, agent_store);

// eeprom_was_read(i): by a driver, which may be called by the agent; so this does not enter it.
static mp_obj_t agent_eeprom_was_read(mp_obj_t self_in, mp_obj_t index_in) {
  agent_obj_t* self = MP_OBJ_TO_PTR(self_in);
  mpyd_bridge_eeprom_was_read(self->bridge, slot_index(self, index_in));
  return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(agent_eeprom_was_read_obj, agent_eeprom_was_read);

static const mp_rom_map_elem_t agent_locals_table[] = {
#if MPYD_KNOWS_RUNNING
    {MP_ROM_QSTR(MP_QSTR___del__), MP_ROM_PTR(&agent_del_obj)},
#endif
    {MP_ROM_QSTR(MP_QSTR_start), MP_ROM_PTR(&agent_start_obj)},
    {MP_ROM_QSTR(MP_QSTR_poll), MP_ROM_PTR(&agent_poll_obj)},
    {MP_ROM_QSTR(MP_QSTR_stop), MP_ROM_PTR(&agent_stop_obj)},
    {MP_ROM_QSTR(MP_QSTR_slot), MP_ROM_PTR(&agent_slot_obj)},
    {MP_ROM_QSTR(MP_QSTR_read_config), MP_ROM_PTR(&agent_read_config_obj)},
    {MP_ROM_QSTR(MP_QSTR_store), MP_ROM_PTR(&agent_store_obj)},
    {MP_ROM_QSTR(MP_QSTR_eeprom_was_read), MP_ROM_PTR(&agent_eeprom_was_read_obj)},
};
static MP_DEFINE_CONST_DICT(agent_locals, agent_locals_table);

// A slot and its value per line.
// clang-format off
static MP_DEFINE_CONST_OBJ_TYPE(mpyd_agent_type, MP_QSTR_Agent, MP_TYPE_FLAG_NONE,
                                make_new, agent_make_new,
                                locals_dict, &agent_locals);
// clang-format on

/******************************************************************************/
// The module

static mp_obj_t error_name(mp_obj_t number) {
  size_t len;
  const char* text = mpyd_error_name(mp_obj_get_int(number), &len);
  return mp_obj_new_str(text, len);
}
static MP_DEFINE_CONST_FUN_OBJ_1(error_name_obj, error_name);

static mp_obj_t error_text(mp_obj_t number) {
  size_t len;
  const char* text = mpyd_error_text(mp_obj_get_int(number), &len);
  return mp_obj_new_str(text, len);
}
static MP_DEFINE_CONST_FUN_OBJ_1(error_text_obj, error_text);

// abi() -> what native drivers for this firmware must be built for, e.g. '6.3-x64'
static mp_obj_t abi(void) {
  char text[MPYD_ABI_TEXT_MAX + 1];
  mpyd_abi_text(text);
  return mp_obj_new_str_from_cstr(text);
}
static MP_DEFINE_CONST_FUN_OBJ_0(abi_obj, abi);

// kept_modules() -> (modules, bytes): native code of drivers that nobody uses any more and that is
// still there, because something pointed into it at the last collection. The next one tries again.
static mp_obj_t kept_modules(void) {
  size_t bytes;
  size_t modules = mpyd_code_kept(&bytes);
  mp_obj_t items[] = {mp_obj_new_int_from_uint(modules), mp_obj_new_int_from_uint(bytes)};
  return mp_obj_new_tuple(MP_ARRAY_SIZE(items), items);
}
static MP_DEFINE_CONST_FUN_OBJ_0(kept_modules_obj, kept_modules);

#if MPYD_KNOWS_RUNNING
// stop_all(): every agent that runs, as stop() does.
static mp_obj_t stop_all(void) {
  while (running != NULL) {
    agent_stop(MP_OBJ_FROM_PTR(running));
  }
  return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(stop_all_obj, stop_all);
#endif

#if defined(UNIX)
// make_private(path): nobody but its owner may look into this folder. Where that cannot be had, on
// somebody else's folder or a file system without owners, nothing happens.
static mp_obj_t make_private(mp_obj_t path) {
  (void)!chmod(mp_obj_str_get_str(path), S_IRWXU);
  return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(make_private_obj, make_private);
#endif

static const mp_rom_map_elem_t module_globals_table[] = {
    {MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR__mpyd)},
    {MP_ROM_QSTR(MP_QSTR_Agent), MP_ROM_PTR(&mpyd_agent_type)},
    {MP_ROM_QSTR(MP_QSTR_error_name), MP_ROM_PTR(&error_name_obj)},
    {MP_ROM_QSTR(MP_QSTR_error_text), MP_ROM_PTR(&error_text_obj)},
    {MP_ROM_QSTR(MP_QSTR_abi), MP_ROM_PTR(&abi_obj)},
    {MP_ROM_QSTR(MP_QSTR_kept_modules), MP_ROM_PTR(&kept_modules_obj)},
#if MPYD_KNOWS_RUNNING
    {MP_ROM_QSTR(MP_QSTR_stop_all), MP_ROM_PTR(&stop_all_obj)},
#endif
#if defined(UNIX)
    {MP_ROM_QSTR(MP_QSTR_make_private), MP_ROM_PTR(&make_private_obj)},
#endif
#if MPYD_HAS_LINUX_I2C
    {MP_ROM_QSTR(MP_QSTR_i2c_transfer), MP_ROM_PTR(&mpyd_i2c_transfer_obj)},
#endif
};
static MP_DEFINE_CONST_DICT(module_globals, module_globals_table);

const mp_obj_module_t mpyd_module = {
    .base = {&mp_type_module},
    .globals = (mp_obj_dict_t*)&module_globals,
};
MP_REGISTER_MODULE(MP_QSTR__mpyd, mpyd_module);
