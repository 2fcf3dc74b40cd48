// Driver of eight relays behind a MAX7310-class GPIO expander: native code, works wherever
// `board.bus` has the methods of machine.I2C. relay.py is its bytecode twin and says what the
// methods do.
#include "py/dynruntime.h"

#define ADDRESS (0x18)
#define RELAYS  (8)

enum { INPUT, OUTPUT, POLARITY, CONFIG };

typedef struct _relay_t {
  mp_obj_base_t base;
  mp_obj_t bus;
} relay_t;

mp_obj_full_type_t relay_type;  // not static: mpy_ld.py cannot relocate to static variables

// bus.NAME(ADDRESS, reg, argument)
static mp_obj_t call_bus(relay_t* self, qstr name, int reg, mp_obj_t argument) {
  mp_obj_t call[5];
  mp_load_method(self->bus, name, call);
  call[2] = MP_OBJ_NEW_SMALL_INT(ADDRESS);
  call[3] = MP_OBJ_NEW_SMALL_INT(reg);
  call[4] = argument;
  return mp_fun_table.call_method_n_kw(3, 0, call);
}

static void write_register(relay_t* self, int reg, int value) {
  const uint8_t data = value;
  call_bus(self, MP_QSTR_writeto_mem, reg, mp_obj_new_bytes(&data, 1));
}

static int read_register(relay_t* self, int reg) {
  mp_buffer_info_t data;
  mp_get_buffer_raise(call_bus(self, MP_QSTR_readfrom_mem, reg, MP_OBJ_NEW_SMALL_INT(1)), &data,
                      MP_BUFFER_READ);
  if (data.len != 1) {
    mp_raise_ValueError(MP_ERROR_TEXT("relay: the bus returned another number of bytes"));
  }
  return ((const uint8_t*)data.buf)[0];
}

static int bit_of(mp_obj_t number_in) {
  mp_int_t number = mp_obj_get_int(number_in);
  if (number < 0 || number >= RELAYS) {
    mp_raise_ValueError(MP_ERROR_TEXT("relay: the relays are 0 to 7"));
  }
  return 1 << number;
}

static mp_obj_t relay_set(mp_obj_t self_in, mp_obj_t number, mp_obj_t on) {
  relay_t* self = MP_OBJ_TO_PTR(self_in);
  const int bit = bit_of(number);
  const int others = read_register(self, OUTPUT) & ~bit;
  write_register(self, OUTPUT, mp_obj_is_true(on) ? others | bit : others);
  return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(relay_set_obj, relay_set);

static mp_obj_t relay_get(mp_obj_t self_in, mp_obj_t number) {
  const int bit = bit_of(number);
  return mp_obj_new_bool(read_register(MP_OBJ_TO_PTR(self_in), OUTPUT) & bit);
}
static MP_DEFINE_CONST_FUN_OBJ_2(relay_get_obj, relay_get);

static mp_obj_t relay_state(size_t n_args, const mp_obj_t* args) {
  relay_t* self = MP_OBJ_TO_PTR(args[0]);
  if (n_args > 1) {
    mp_int_t mask = mp_obj_get_int(args[1]);
    if (mask < 0 || mask >= 1 << RELAYS) {
      mp_raise_ValueError(MP_ERROR_TEXT("relay: a state is 0 to 255"));
    }
    write_register(self, OUTPUT, mask);
  }
  return mp_obj_new_int(read_register(self, OUTPUT));
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(relay_state_obj, 1, 2, relay_state);

// All off before the pins become outputs, so that no relay clicks while it is attached.
static mp_obj_t attach(mp_obj_t board) {
  relay_t* self = mp_obj_malloc(relay_t, (const mp_obj_type_t*)&relay_type);
  self->bus = mp_load_attr(board, MP_QSTR_bus);
  write_register(self, OUTPUT, 0);
  write_register(self, POLARITY, 0);
  write_register(self, CONFIG, 0);
  return MP_OBJ_FROM_PTR(self);
}
static MP_DEFINE_CONST_FUN_OBJ_1(attach_obj, attach);

// All off, and the pins stay outputs that hold them off. Raises ENODEV when the relays went with
// their board, which is as good.
static mp_obj_t detach(mp_obj_t self_in) {
  write_register(MP_OBJ_TO_PTR(self_in), OUTPUT, 0);
  return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(detach_obj, detach);

mp_map_elem_t relay_methods[3];
static MP_DEFINE_CONST_DICT(relay_locals, relay_methods);

mp_obj_t mpy_init(mp_obj_fun_bc_t* self, size_t n_args, size_t n_kw, mp_obj_t* args) {
  MP_DYNRUNTIME_INIT_ENTRY

  relay_methods[0] = (mp_map_elem_t){MP_OBJ_NEW_QSTR(MP_QSTR_set), MP_OBJ_FROM_PTR(&relay_set_obj)};
  relay_methods[1] = (mp_map_elem_t){MP_OBJ_NEW_QSTR(MP_QSTR_get), MP_OBJ_FROM_PTR(&relay_get_obj)};
  relay_methods[2] =
      (mp_map_elem_t){MP_OBJ_NEW_QSTR(MP_QSTR_state), MP_OBJ_FROM_PTR(&relay_state_obj)};
  relay_type.base.type = (void*)&mp_type_type;
  relay_type.flags = MP_TYPE_FLAG_NONE;
  relay_type.name = MP_QSTR_Relay;
  MP_OBJ_TYPE_SET_SLOT(&relay_type, locals_dict, (void*)&relay_locals, 0);

  mp_store_global(MP_QSTR_attach, MP_OBJ_FROM_PTR(&attach_obj));
  mp_store_global(MP_QSTR_detach, MP_OBJ_FROM_PTR(&detach_obj));

  MP_DYNRUNTIME_INIT_EXIT
}
