#include "board.h"
#include "py/gc.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "py/stackctrl.h"
#include "shared/readline/readline.h"
#include "shared/runtime/gchelper.h"
#include "shared/runtime/pyexec.h"

#define STACK_BYTES  (64 * 1024)  // of what mps2.ld keeps for it
#define HOST_HANDLES (32)

static uint32_t gc_heap[MICROPY_HEAP_SIZE / sizeof(uint32_t)];

void board_poll(void) {
  static bool busy;
  if (!busy) {
    busy = true;
    ethernet_poll();
    busy = false;
  }
}

int main(void) {
  board_time_init();
  mp_stack_ctrl_init();
  mp_stack_set_limit(STACK_BYTES);
  ethernet_init();
  for (;;) {
    // What was open before the reset, which the host does not hear of.
    for (int handle = 0; handle < HOST_HANDLES; ++handle) {
      host_close(handle);
    }
    gc_init(gc_heap, (uint8_t*)gc_heap + sizeof(gc_heap));
    mp_init();
    pyexec_frozen_module("_boot.py", false);
    int outcome = pyexec_frozen_module("main.py", false);
    while (!(outcome & PYEXEC_FORCED_EXIT)) {
      outcome =
          pyexec_mode_kind == PYEXEC_MODE_RAW_REPL ? pyexec_raw_repl() : pyexec_friendly_repl();
      if (outcome != 0) {
        break;
      }
    }
    mp_hal_stdout_tx_str("MPY: soft reboot\r\n");
    gc_sweep_all();
    mp_deinit();
  }
}

void gc_collect(void) {
  gc_collect_start();
  gc_helper_collect_regs_and_stack();
  gc_collect_end();
}

void nlr_jump_fail(void* value) {
  (void)value;
  board_write("uncaught exception\n");
  board_reset();
}

void mpyd_no_base_mult(void);
void mpyd_no_base_mult(void) {
  board_write("X25519 with the base point is not part of this firmware\n");
  board_reset();
}

// libsodium's way out when it is misused.
void abort(void);
void abort(void) {
  board_write("abort\n");
  board_reset();
}
