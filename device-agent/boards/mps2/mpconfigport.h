// MicroPython for MPS2: what a small board with a network has.
#pragma once

#include <alloca.h>
#include <stdint.h>

#define MICROPY_CONFIG_ROM_LEVEL                (MICROPY_CONFIG_ROM_LEVEL_EXTRA_FEATURES)
#define MICROPY_HW_BOARD_NAME                   "mps2-an385"
#define MICROPY_HW_MCU_NAME                     "Cortex-M3"
#define MICROPY_PY_SYS_PLATFORM                 "mps2"

#define MICROPY_EMIT_THUMB                      (1)
#define MICROPY_EMIT_INLINE_THUMB               (1)
#define MICROPY_MAKE_POINTER_CALLABLE(p)        ((void*)((mp_uint_t)(p) | 1))

#define MICROPY_PERSISTENT_CODE_LOAD            (1)
#define MICROPY_ENABLE_GC                       (1)
#define MICROPY_STACK_CHECK                     (1)
#define MICROPY_ENABLE_FINALISER                (1)
#define MICROPY_ENABLE_EMERGENCY_EXCEPTION_BUF  (1)
#define MICROPY_LONGINT_IMPL                    (MICROPY_LONGINT_IMPL_MPZ)
#define MICROPY_FLOAT_IMPL                      (MICROPY_FLOAT_IMPL_FLOAT)
#define MICROPY_KBD_EXCEPTION                   (1)
#define MICROPY_ENABLE_SCHEDULER                (1)

#define MICROPY_VFS                             (1)
#define MICROPY_READER_VFS                      (1)
#define MICROPY_PY_TIME                         (1)
#define MICROPY_PY_TIME_GMTIME_LOCALTIME_MKTIME (1)
#define MICROPY_PY_TIME_TIME_TIME_NS            (1)
#define MICROPY_PY_TIME_INCLUDEFILE             "modtime_mps2.c"
#define MICROPY_EPOCH_IS_1970                   (1)
#define MICROPY_PY_OS_URANDOM                   (1)
#define MICROPY_PY_OS_INCLUDEFILE               "modos_mps2.c"
#define MICROPY_PY_MACHINE                      (1)
#define MICROPY_PY_MACHINE_INCLUDEFILE          "modmachine_mps2.c"
#define MICROPY_PY_MACHINE_RESET                (1)
#define MICROPY_PY_MACHINE_PIN_BASE             (1)
#define MICROPY_PY_MACHINE_I2C                  (0)
#define MICROPY_PY_MACHINE_SOFTI2C              (1)
#define MICROPY_PY_MACHINE_SPI                  (0)
#define MICROPY_PY_MACHINE_SOFTSPI              (0)
#define MICROPY_PY_MACHINE_SIGNAL               (0)
#define MICROPY_PY_MACHINE_PULSE                (0)
#define MICROPY_PY_MACHINE_BITSTREAM            (0)
#define MICROPY_PY_SSL                          (0)
#define MICROPY_PY_ONEWIRE                      (0)
#define MICROPY_PY_FRAMEBUF                     (0)
#define MICROPY_PY_SYS_STDIO_BUFFER             (0)
#define MICROPY_PY_LWIP_SOCK_RAW                (0)
#define MICROPY_PY_NETWORK                      (1)
#define MICROPY_PY_NETWORK_HOSTNAME_DEFAULT     "motherboard"

// Everything on one thread: the network is looked at whenever the interpreter turns a corner or
// waits.
void board_poll(void);
#define MICROPY_VM_HOOK_COUNT (64)
#define MICROPY_VM_HOOK_INIT  static unsigned int vm_hook_divisor;
#define MICROPY_VM_HOOK_POLL                        \
  if (++vm_hook_divisor >= MICROPY_VM_HOOK_COUNT) { \
    vm_hook_divisor = 0;                            \
    board_poll();                                   \
  }
#define MICROPY_VM_HOOK_LOOP             MICROPY_VM_HOOK_POLL
#define MICROPY_VM_HOOK_RETURN           MICROPY_VM_HOOK_POLL
#define MICROPY_INTERNAL_WFE(timeout_ms) board_poll()
#define MICROPY_INTERNAL_EVENT_HOOK      board_poll()

typedef int32_t mp_int_t;
typedef uint32_t mp_uint_t;
typedef long mp_off_t;
#define MP_SSIZE_MAX  (0x7fffffff)
#define MP_NEED_LOG2  (1)
#define MP_STATE_PORT MP_STATE_VM
