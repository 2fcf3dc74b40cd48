// extmod/modmachine.c includes this.
#include "board.h"

#define MICROPY_PY_MACHINE_EXTRA_GLOBALS {MP_ROM_QSTR(MP_QSTR_Pin), MP_ROM_PTR(&machine_pin_type)},

static void mp_machine_idle(void) { board_poll(); }

static void mp_machine_reset(void) { board_reset(); }

static mp_int_t mp_machine_reset_cause(void) { return 0; }
