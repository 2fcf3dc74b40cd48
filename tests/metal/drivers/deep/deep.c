// A driver whose attach() calls itself until the stack is used up. Its frames are full of machine
// code that returns: were they ever written over this function, which lies in the heap, it would
// turn on the spot for ever and not fault.
#include "py/dynruntime.h"

#define FRAME_WORDS 64
#define BX_LR_TWICE 0x47704770

static int go_deeper(const volatile int* above) {
  volatile int here[FRAME_WORDS];
  for (int i = 0; i < FRAME_WORDS; ++i) {
    here[i] = BX_LR_TWICE;
  }
  return *above == 0 ? 0 : go_deeper(here) + here[0];
}

static mp_obj_t attach(mp_obj_t board) {
  volatile int start = 1;
  return go_deeper(&start) ? board : mp_const_none;
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
