// A driver whose attach() calls itself until the stack is used up.
#include "py/dynruntime.h"

static int go_deeper(const volatile int* above) {
  volatile int here[64];
  here[0] = *above + 1;
  return *above < 0 ? 0 : go_deeper(here) + here[0];
}

static mp_obj_t attach(mp_obj_t board) {
  volatile int zero = 0;
  return go_deeper(&zero) ? board : mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(attach_obj, attach);

static mp_obj_t detach(mp_obj_t board) { return board; }
static MP_DEFINE_CONST_FUN_OBJ_1(detach_obj, detach);

mp_obj_t mpy_init(mp_obj_fun_bc_t* self, size_t n_args, size_t n_kw, mp_obj_t* args) {
  MP_DYNRUNTIME_INIT_ENTRY
  mp_store_global(MP_QSTR_attach, MP_OBJ_FROM_PTR(&attach_obj));
  mp_store_global(MP_QSTR_detach, MP_OBJ_FROM_PTR(&detach_obj));
  MP_DYNRUNTIME_INIT_EXIT
}
