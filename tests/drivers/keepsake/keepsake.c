// A driver for tests, in native code: hands out everything that an application might keep when its
// board is gone. What needs the board asks a sensor at 0x48; the rest works for ever.
//
//   device.keep()   (function, bound method, instance of a native type, iterator)
#include "py/dynruntime.h"

#define ADDRESS (0x48)

typedef struct _keeper_t {
  mp_obj_base_t base;
  mp_obj_t bus;
} keeper_t;

mp_obj_full_type_t keeper_type;  // not static: mpy_ld.py cannot relocate to static variables
mp_obj_full_type_t reading_type;
mp_obj_full_type_t readings_type;

static mp_obj_t read_sensor(keeper_t* self) {
  mp_obj_t call[5];
  mp_load_method(self->bus, MP_QSTR_readfrom_mem, call);
  call[2] = MP_OBJ_NEW_SMALL_INT(ADDRESS);
  call[3] = MP_OBJ_NEW_SMALL_INT(0);
  call[4] = MP_OBJ_NEW_SMALL_INT(2);
  return mp_fun_table.call_method_n_kw(3, 0, call);
}

// The same for all three types, which differ in what they offer.
static mp_obj_t make(keeper_t* self, mp_obj_full_type_t* type) {
  keeper_t* made = mp_obj_malloc(keeper_t, (const mp_obj_type_t*)type);
  made->bus = self->bus;
  return MP_OBJ_FROM_PTR(made);
}

static mp_obj_t read(mp_obj_t self_in) { return read_sensor(MP_OBJ_TO_PTR(self_in)); }
static MP_DEFINE_CONST_FUN_OBJ_1(read_obj, read);

static mp_obj_t twice(mp_obj_t value) { return mp_obj_new_int(2 * mp_obj_get_int(value)); }
static MP_DEFINE_CONST_FUN_OBJ_1(twice_obj, twice);

static mp_obj_t readings_next(mp_obj_t self_in) { return read_sensor(MP_OBJ_TO_PTR(self_in)); }

static mp_obj_t keep(mp_obj_t self_in) {
  keeper_t* self = MP_OBJ_TO_PTR(self_in);
  mp_obj_t things[4] = {MP_OBJ_FROM_PTR(&twice_obj), mp_load_attr(self_in, MP_QSTR_read),
                        make(self, &reading_type), make(self, &readings_type)};
  return mp_obj_new_tuple(4, things);
}
static MP_DEFINE_CONST_FUN_OBJ_1(keep_obj, keep);

static mp_obj_t attach(mp_obj_t board) {
  keeper_t* self = mp_obj_malloc(keeper_t, (const mp_obj_type_t*)&keeper_type);
  self->bus = mp_load_attr(board, MP_QSTR_bus);
  return MP_OBJ_FROM_PTR(self);
}
static MP_DEFINE_CONST_FUN_OBJ_1(attach_obj, attach);

static mp_obj_t detach(mp_obj_t self_in) {
  (void)self_in;
  return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(detach_obj, detach);

mp_map_elem_t keeper_methods[2];
static MP_DEFINE_CONST_DICT(keeper_locals, keeper_methods);
mp_map_elem_t reading_methods[1];
static MP_DEFINE_CONST_DICT(reading_locals, reading_methods);

static void make_type(mp_obj_full_type_t* type, qstr name, uint16_t flags) {
  type->base.type = (void*)&mp_type_type;
  type->flags = flags;
  type->name = name;
}

mp_obj_t mpy_init(mp_obj_fun_bc_t* self, size_t n_args, size_t n_kw, mp_obj_t* args) {
  MP_DYNRUNTIME_INIT_ENTRY

  keeper_methods[0] = (mp_map_elem_t){MP_OBJ_NEW_QSTR(MP_QSTR_read), MP_OBJ_FROM_PTR(&read_obj)};
  keeper_methods[1] = (mp_map_elem_t){MP_OBJ_NEW_QSTR(MP_QSTR_keep), MP_OBJ_FROM_PTR(&keep_obj)};
  make_type(&keeper_type, MP_QSTR_Keeper, MP_TYPE_FLAG_NONE);
  MP_OBJ_TYPE_SET_SLOT(&keeper_type, locals_dict, (void*)&keeper_locals, 0);

  reading_methods[0] = (mp_map_elem_t){MP_OBJ_NEW_QSTR(MP_QSTR_read), MP_OBJ_FROM_PTR(&read_obj)};
  make_type(&reading_type, MP_QSTR_Reading, MP_TYPE_FLAG_NONE);
  MP_OBJ_TYPE_SET_SLOT(&reading_type, locals_dict, (void*)&reading_locals, 0);

  make_type(&readings_type, MP_QSTR_Readings, MP_TYPE_FLAG_ITER_IS_ITERNEXT);
  MP_OBJ_TYPE_SET_SLOT(&readings_type, iter, readings_next, 0);

  mp_store_global(MP_QSTR_attach, MP_OBJ_FROM_PTR(&attach_obj));
  mp_store_global(MP_QSTR_detach, MP_OBJ_FROM_PTR(&detach_obj));

  MP_DYNRUNTIME_INIT_EXIT
}
