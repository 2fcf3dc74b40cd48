// Of QEMU's RISC-V machine `virt` what MicroPython's port for it has no use for: time; and ways out
// for libsodium.
#include <stdint.h>
#include <stdlib.h>

#include "board.h"
#include "py/mphal.h"

// mtime of the core-local interruptor, 10 MHz; its halves are read one by one.
#define MTIME_LOW    (*(volatile uint32_t*)0x0200bff8)
#define MTIME_HIGH   (*(volatile uint32_t*)0x0200bffc)
#define TICKS_PER_MS (10000u)

mp_uint_t mp_hal_ticks_ms(void) {
  for (;;) {
    uint32_t high = MTIME_HIGH;
    uint32_t low = MTIME_LOW;
    if (high == MTIME_HIGH) {
      return (mp_uint_t)(((uint64_t)high << 32 | low) / TICKS_PER_MS);
    }
  }
}

// What the file system writes beside a file.
uint64_t mp_hal_time_ns(void) { return host_unix_s() * 1000000000ull; }

void abort(void) {
  mp_hal_stdout_tx_strn("abort\r\n", 7);
  exit(1);
}

// X25519 with the base point is not part of this firmware.
void mpyd_no_base_mult(void);
void mpyd_no_base_mult(void) { abort(); }
