// Driver of a panel without a bus: the two LEDs and buttons of Arm's MPS2 board (AN385), reached by
// address in the registers of its FPGA (Arm DAI 0385, "FPGA system control and I/O"). Native code
// only, and for that motherboard only: README.md says why and how it is tied to it.
//
// attach(board) -> an object with
//   set(led, on)   switches LED 0 or 1
//   state()        the LEDs that are on, a bit each
//   buttons()      the buttons that are pressed, a bit each
//   ticks()        hundredths of a second since power-on
#include "py/dynruntime.h"

#if !defined(__ARM_ARCH_7M__)
#error "panel is for the Cortex-M3 of MPS2 AN385: deploy/driver build --arch armv7m"
#endif

#define LEDS (2)

typedef struct _fpgaio_t {
  volatile uint32_t led, reserved, button, reserved2, clk1hz, clk100hz;
} fpgaio_t;
#define FPGAIO ((fpgaio_t*)0x40028000)

mp_obj_full_type_t panel_type;  // not static: mpy_ld.py cannot relocate to static variables

static mp_obj_t panel_set(mp_obj_t self, mp_obj_t led_in, mp_obj_t on) {
  (void)self;
  mp_int_t led = mp_obj_get_int(led_in);
  if (led < 0 || led >= LEDS) {
    mp_raise_ValueError(MP_ERROR_TEXT("panel: the LEDs are 0 and 1"));
  }
  const uint32_t others = FPGAIO->led & ~(1u << led);
  FPGAIO->led = mp_obj_is_true(on) ? others | 1u << led : others;
  return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(panel_set_obj, panel_set);

static mp_obj_t panel_state(mp_obj_t self) {
  (void)self;
  return mp_obj_new_int(FPGAIO->led);
}
static MP_DEFINE_CONST_FUN_OBJ_1(panel_state_obj, panel_state);

static mp_obj_t panel_buttons(mp_obj_t self) {
  (void)self;
  return mp_obj_new_int(FPGAIO->button);
}
static MP_DEFINE_CONST_FUN_OBJ_1(panel_buttons_obj, panel_buttons);

static mp_obj_t panel_ticks(mp_obj_t self) {
  (void)self;
  return mp_obj_new_int_from_uint(FPGAIO->clk100hz);
}
static MP_DEFINE_CONST_FUN_OBJ_1(panel_ticks_obj, panel_ticks);

// Before the first access: elsewhere these addresses are another part's, or nobody's.
static void check_motherboard(void) {
  mp_obj_t sys = mp_import_name(MP_QSTR_sys, mp_const_none, MP_OBJ_NEW_SMALL_INT(0));
  mp_obj_t platform = mp_load_attr(sys, MP_QSTR_platform);
  if (!mp_obj_is_true(mp_binary_op(MP_BINARY_OP_EQUAL, platform, MP_OBJ_NEW_QSTR(MP_QSTR_mps2)))) {
    mp_raise_ValueError(MP_ERROR_TEXT("panel: this is no MPS2 motherboard"));
  }
}

static mp_obj_t attach(mp_obj_t board) {
  (void)board;
  check_motherboard();
  mp_obj_base_t* self = mp_obj_malloc(mp_obj_base_t, (const mp_obj_type_t*)&panel_type);
  FPGAIO->led = 0;
  return MP_OBJ_FROM_PTR(self);
}
static MP_DEFINE_CONST_FUN_OBJ_1(attach_obj, attach);

// The registers are the motherboard's and stay when the board goes.
static mp_obj_t detach(mp_obj_t self) {
  (void)self;
  FPGAIO->led = 0;
  return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(detach_obj, detach);

mp_map_elem_t panel_methods[4];
static MP_DEFINE_CONST_DICT(panel_locals, panel_methods);

mp_obj_t mpy_init(mp_obj_fun_bc_t* self, size_t n_args, size_t n_kw, mp_obj_t* args) {
  MP_DYNRUNTIME_INIT_ENTRY

  panel_methods[0] = (mp_map_elem_t){MP_OBJ_NEW_QSTR(MP_QSTR_set), MP_OBJ_FROM_PTR(&panel_set_obj)};
  panel_methods[1] =
      (mp_map_elem_t){MP_OBJ_NEW_QSTR(MP_QSTR_state), MP_OBJ_FROM_PTR(&panel_state_obj)};
  panel_methods[2] =
      (mp_map_elem_t){MP_OBJ_NEW_QSTR(MP_QSTR_buttons), MP_OBJ_FROM_PTR(&panel_buttons_obj)};
  panel_methods[3] =
      (mp_map_elem_t){MP_OBJ_NEW_QSTR(MP_QSTR_ticks), MP_OBJ_FROM_PTR(&panel_ticks_obj)};
  panel_type.base.type = (void*)&mp_type_type;
  panel_type.flags = MP_TYPE_FLAG_NONE;
  panel_type.name = MP_QSTR_Panel;
  MP_OBJ_TYPE_SET_SLOT(&panel_type, locals_dict, (void*)&panel_locals, 0);

  mp_store_global(MP_QSTR_attach, MP_OBJ_FROM_PTR(&attach_obj));
  mp_store_global(MP_QSTR_detach, MP_OBJ_FROM_PTR(&detach_obj));

  MP_DYNRUNTIME_INIT_EXIT
}
