// The module _mps2: what this board has that no module of MicroPython covers, and machine.Pin.
#include <string.h>

#include "board.h"
#include "host_files.h"
#include "py/mphal.h"
#include "py/runtime.h"

// The four SBCon buses of AN385; QEMU puts devices on `bus=i2c` at the last.
static const uintptr_t sbcon[] = {0x40022000, 0x40023000, 0x40029000, 0x4002a000};

// Pin((bus, line)): line 0 is SCL, 1 is SDA.
static mp_obj_t pin_make_new(const mp_obj_type_t* type, size_t n_args, size_t n_kw,
                             const mp_obj_t* args) {
  mp_arg_check_num(n_args, n_kw, 2, 2, false);
  mp_int_t bus = mp_obj_get_int(args[0]);
  mp_int_t line = mp_obj_get_int(args[1]);
  if (bus < 0 || bus >= (mp_int_t)MP_ARRAY_SIZE(sbcon) || line < 0 || line > 1) {
    mp_raise_ValueError(MP_ERROR_TEXT("Pin(bus 0..3, line 0..1)"));
  }
  machine_pin_obj_t* self = mp_obj_malloc(machine_pin_obj_t, type);
  self->bus = (volatile uint32_t*)sbcon[bus];
  self->bit = line;
  return MP_OBJ_FROM_PTR(self);
}

// Pin()(value), Pin(): open drain; 1 lets go of the line.
static mp_obj_t pin_call(mp_obj_t self_in, size_t n_args, size_t n_kw, const mp_obj_t* args) {
  mp_arg_check_num(n_args, n_kw, 0, 1, false);
  mp_hal_pin_obj_t self = MP_OBJ_TO_PTR(self_in);
  if (n_args == 0) {
    return MP_OBJ_NEW_SMALL_INT(mp_hal_pin_read(self));
  }
  if (mp_obj_is_true(args[0])) {
    mp_hal_pin_od_high(self);
  } else {
    mp_hal_pin_od_low(self);
  }
  return mp_const_none;
}

static mp_obj_t pin_value(size_t n_args, const mp_obj_t* args) {
  return pin_call(args[0], n_args - 1, 0, args + 1);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(pin_value_obj, 1, 2, pin_value);

static const mp_rom_map_elem_t pin_locals_table[] = {
    {MP_ROM_QSTR(MP_QSTR_value), MP_ROM_PTR(&pin_value_obj)},
};
static MP_DEFINE_CONST_DICT(pin_locals, pin_locals_table);

MP_DEFINE_CONST_OBJ_TYPE(machine_pin_type, MP_QSTR_Pin, MP_TYPE_FLAG_NONE, make_new, pin_make_new,
                         call, pin_call, locals_dict, &pin_locals);

mp_hal_pin_obj_t mp_hal_get_pin_obj(mp_obj_t object) {
  if (!mp_obj_is_type(object, &machine_pin_type)) {
    mp_raise_TypeError(MP_ERROR_TEXT("a Pin is wanted"));
  }
  return MP_OBJ_TO_PTR(object);
}

// command(): the next byte of the second serial line, -1: none.
static mp_obj_t mps2_command(void) { return MP_OBJ_NEW_SMALL_INT(board_uart1_read()); }
static MP_DEFINE_CONST_FUN_OBJ_0(mps2_command_obj, mps2_command);

// address(): the IP address, None before there is one.
static mp_obj_t mps2_address(void) {
  char text[16];
  return ethernet_address(text) ? mp_obj_new_str(text, strlen(text)) : mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(mps2_address_obj, mps2_address);

// gates(mux[, bits]) -> which channels of this multiplexer have their board, a bit each. Outlives a
// reset: nobody pulls boards then.
#define GATES_VALID (0x6d707964u)
static struct {
  uint32_t valid;
  uint8_t bits[8];
} gates __attribute__((section(".noinit")));

// set_gates(bits) -> True: nothing is known of the gates, and these are taken: it is the first
// start.
static mp_obj_t mps2_set_gates(mp_obj_t bits_in) {
  if (gates.valid == GATES_VALID) {
    return mp_const_false;
  }
  mp_buffer_info_t bits;
  mp_get_buffer_raise(bits_in, &bits, MP_BUFFER_READ);
  memset(gates.bits, 0, sizeof(gates.bits));
  memcpy(gates.bits, bits.buf, MIN(bits.len, sizeof(gates.bits)));
  gates.valid = GATES_VALID;
  return mp_const_true;
}
static MP_DEFINE_CONST_FUN_OBJ_1(mps2_set_gates_obj, mps2_set_gates);

static mp_obj_t mps2_gates(size_t n_args, const mp_obj_t* args) {
  mp_int_t mux = mp_obj_get_int(args[0]);
  if (mux < 0 || mux >= (mp_int_t)MP_ARRAY_SIZE(gates.bits)) {
    mp_raise_ValueError(MP_ERROR_TEXT("no such multiplexer"));
  }
  uint8_t* bits = &gates.bits[mux];
  if (n_args > 1) {
    *bits = (uint8_t)mp_obj_get_int(args[1]);
  }
  return MP_OBJ_NEW_SMALL_INT(*bits);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(mps2_gates_obj, 1, 2, mps2_gates);

// CMSDK watchdog (Arm DDI 0479): counts down twice; the first end is an NMI, which already starts
// the motherboard anew.
typedef struct _watchdog_t {
  volatile uint32_t load, value, control, intclr;
} watchdog_t;
#define WATCHDOG        ((watchdog_t*)0x40008000)
#define WATCHDOG_LOCK   (*(volatile uint32_t*)0x40008c00)
#define WATCHDOG_UNLOCK (0x1acce551u)
#define WATCHDOG_ON     (3u)

// watchdog(ms): from now on feed() wants to be called that often.
static mp_obj_t mps2_watchdog(mp_obj_t timeout_ms) {
  WATCHDOG_LOCK = WATCHDOG_UNLOCK;
  WATCHDOG->load = (uint32_t)mp_obj_get_int(timeout_ms) * (BOARD_CLOCK_HZ / 1000);
  WATCHDOG->control = WATCHDOG_ON;
  return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(mps2_watchdog_obj, mps2_watchdog);

static mp_obj_t mps2_feed(void) {
  WATCHDOG->load = WATCHDOG->load;
  return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(mps2_feed_obj, mps2_feed);

static mp_obj_t mps2_exit(mp_obj_t status) { host_exit(mp_obj_get_int(status)); }
static MP_DEFINE_CONST_FUN_OBJ_1(mps2_exit_obj, mps2_exit);

static const mp_rom_map_elem_t mps2_globals_table[] = {
    {MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR__mps2)},
    {MP_ROM_QSTR(MP_QSTR_Flash), MP_ROM_PTR(&host_flash_type)},
    {MP_ROM_QSTR(MP_QSTR_command), MP_ROM_PTR(&mps2_command_obj)},
    {MP_ROM_QSTR(MP_QSTR_address), MP_ROM_PTR(&mps2_address_obj)},
    {MP_ROM_QSTR(MP_QSTR_host_file), MP_ROM_PTR(&host_file_obj)},
    {MP_ROM_QSTR(MP_QSTR_gates), MP_ROM_PTR(&mps2_gates_obj)},
    {MP_ROM_QSTR(MP_QSTR_set_gates), MP_ROM_PTR(&mps2_set_gates_obj)},
    {MP_ROM_QSTR(MP_QSTR_watchdog), MP_ROM_PTR(&mps2_watchdog_obj)},
    {MP_ROM_QSTR(MP_QSTR_feed), MP_ROM_PTR(&mps2_feed_obj)},
    {MP_ROM_QSTR(MP_QSTR_exit), MP_ROM_PTR(&mps2_exit_obj)},
};
static MP_DEFINE_CONST_DICT(mps2_globals, mps2_globals_table);

const mp_obj_module_t mps2_module = {
    .base = {&mp_type_module},
    .globals = (mp_obj_dict_t*)&mps2_globals,
};
MP_REGISTER_MODULE(MP_QSTR__mps2, mps2_module);
