// Driver of a TMP105-class temperature sensor: native code, works wherever `board.bus` has the
// methods of machine.I2C. thermo.py is its bytecode twin and says what the methods do.
#include "py/dynruntime.h"

#define ADDRESS  (0x48)
#define BITS_12  (0x60)  // R1 R0 = 11: steps of 1/16 degree
#define SHUTDOWN (0x01)

enum { TEMPERATURE, CONFIG, LOW, HIGH };

typedef struct _thermo_t {
  mp_obj_base_t base;
  mp_obj_t bus;
} thermo_t;

mp_obj_full_type_t thermo_type;  // not static: mpy_ld.py cannot relocate to static variables

// bus.NAME(ADDRESS, reg, argument)
static mp_obj_t call_bus(thermo_t* self, qstr name, int reg, mp_obj_t argument) {
  mp_obj_t call[5];
  mp_load_method(self->bus, name, call);
  call[2] = MP_OBJ_NEW_SMALL_INT(ADDRESS);
  call[3] = MP_OBJ_NEW_SMALL_INT(reg);
  call[4] = argument;
  return mp_fun_table.call_method_n_kw(3, 0, call);
}

static void write_register(thermo_t* self, int reg, const uint8_t* data, size_t len) {
  call_bus(self, MP_QSTR_writeto_mem, reg, mp_obj_new_bytes(data, len));
}

static int read_register(thermo_t* self, int reg, size_t len) {
  mp_buffer_info_t data;
  mp_get_buffer_raise(call_bus(self, MP_QSTR_readfrom_mem, reg, MP_OBJ_NEW_SMALL_INT(len)), &data,
                      MP_BUFFER_READ);
  if (data.len != len) {
    mp_raise_ValueError(MP_ERROR_TEXT("thermo: the bus returned another number of bytes"));
  }
  const uint8_t* bytes = data.buf;
  return len == 1 ? bytes[0] : bytes[0] << 8 | bytes[1];
}

static int floor_div(int a, int b) { return a / b - (a % b < 0); }

// 12 bits with sign, left-aligned in 16.
static int from_register(int value) { return floor_div(((int16_t)value >> 4) * 125, 2); }

// To the nearest step, within what the register can say.
static int to_register(int mdeg) {
  int steps = floor_div(mdeg * 2 + 62, 125);
  steps = steps < -2048 ? -2048 : steps > 2047 ? 2047 : steps;
  return (steps & 0xfff) << 4;
}

static mp_obj_t read_mdeg(thermo_t* self, int reg) {
  return mp_obj_new_int(from_register(read_register(self, reg, 2)));
}

static void write_mdeg(thermo_t* self, int reg, mp_obj_t mdeg) {
  int value = to_register(mp_obj_get_int(mdeg));
  uint8_t data[2] = {value >> 8, value & 0xff};
  write_register(self, reg, data, sizeof(data));
}

static mp_obj_t thermo_temperature(mp_obj_t self_in) {
  return read_mdeg(MP_OBJ_TO_PTR(self_in), TEMPERATURE);
}
static MP_DEFINE_CONST_FUN_OBJ_1(thermo_temperature_obj, thermo_temperature);

static mp_obj_t thermo_config(mp_obj_t self_in) {
  return mp_obj_new_int(read_register(MP_OBJ_TO_PTR(self_in), CONFIG, 1));
}
static MP_DEFINE_CONST_FUN_OBJ_1(thermo_config_obj, thermo_config);

static mp_obj_t thermo_limits(size_t n_args, const mp_obj_t* pos_args, mp_map_t* kw_args) {
  const mp_arg_t allowed[] = {
      {MP_QSTR_low, MP_ARG_OBJ, {.u_obj = mp_const_none}},
      {MP_QSTR_high, MP_ARG_OBJ, {.u_obj = mp_const_none}},
  };
  mp_arg_val_t limits[MP_ARRAY_SIZE(allowed)];
  mp_arg_parse_all(n_args - 1, pos_args + 1, kw_args, MP_ARRAY_SIZE(allowed), allowed, limits);
  thermo_t* self = MP_OBJ_TO_PTR(pos_args[0]);
  for (size_t i = 0; i < MP_ARRAY_SIZE(limits); ++i) {
    if (limits[i].u_obj != mp_const_none) {
      write_mdeg(self, LOW + i, limits[i].u_obj);
    }
  }
  mp_obj_t both[2] = {read_mdeg(self, LOW), read_mdeg(self, HIGH)};
  return mp_obj_new_tuple(2, both);
}
static MP_DEFINE_CONST_FUN_OBJ_KW(thermo_limits_obj, 1, thermo_limits);

static mp_obj_t attach(mp_obj_t board) {
  thermo_t* self = mp_obj_malloc(thermo_t, (const mp_obj_type_t*)&thermo_type);
  self->bus = mp_load_attr(board, MP_QSTR_bus);
  const uint8_t config = BITS_12;
  write_register(self, CONFIG, &config, 1);
  return MP_OBJ_FROM_PTR(self);
}
static MP_DEFINE_CONST_FUN_OBJ_1(attach_obj, attach);

// Raises ENODEV when the sensor went with its board, which is as good as a shutdown.
static mp_obj_t detach(mp_obj_t self_in) {
  const uint8_t config = BITS_12 | SHUTDOWN;
  write_register(MP_OBJ_TO_PTR(self_in), CONFIG, &config, 1);
  return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(detach_obj, detach);

mp_map_elem_t thermo_methods[3];
static MP_DEFINE_CONST_DICT(thermo_locals, thermo_methods);

mp_obj_t mpy_init(mp_obj_fun_bc_t* self, size_t n_args, size_t n_kw, mp_obj_t* args) {
  MP_DYNRUNTIME_INIT_ENTRY

  thermo_methods[0] = (mp_map_elem_t){MP_OBJ_NEW_QSTR(MP_QSTR_temperature),
                                      MP_OBJ_FROM_PTR(&thermo_temperature_obj)};
  thermo_methods[1] =
      (mp_map_elem_t){MP_OBJ_NEW_QSTR(MP_QSTR_limits), MP_OBJ_FROM_PTR(&thermo_limits_obj)};
  thermo_methods[2] =
      (mp_map_elem_t){MP_OBJ_NEW_QSTR(MP_QSTR_config), MP_OBJ_FROM_PTR(&thermo_config_obj)};
  thermo_type.base.type = (void*)&mp_type_type;
  thermo_type.flags = MP_TYPE_FLAG_NONE;
  thermo_type.name = MP_QSTR_Thermo;
  MP_OBJ_TYPE_SET_SLOT(&thermo_type, locals_dict, (void*)&thermo_locals, 0);

  mp_store_global(MP_QSTR_attach, MP_OBJ_FROM_PTR(&attach_obj));
  mp_store_global(MP_QSTR_detach, MP_OBJ_FROM_PTR(&detach_obj));

  MP_DYNRUNTIME_INIT_EXIT
}
