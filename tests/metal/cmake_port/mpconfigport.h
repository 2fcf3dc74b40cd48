// What the agent wants of a MicroPython, and no more.
#pragma once

#include <alloca.h>
#include <stdint.h>

#define MICROPY_CONFIG_ROM_LEVEL         (MICROPY_CONFIG_ROM_LEVEL_CORE_FEATURES)
#define MICROPY_PY_SYS_PLATFORM          "cmake"
#define MICROPY_ENABLE_GC                (1)
#define MICROPY_ENABLE_FINALISER         (1)
#define MICROPY_PY_BUILTINS_MEMORYVIEW   (1)
#define MICROPY_EMIT_THUMB               (1)
#define MICROPY_PERSISTENT_CODE_LOAD     (1)
#define MICROPY_MAKE_POINTER_CALLABLE(p) ((void*)((mp_uint_t)(p) | 1))

typedef int32_t mp_int_t;
typedef uint32_t mp_uint_t;
typedef long mp_off_t;
#define MP_SSIZE_MAX  (0x7fffffff)
#define MP_STATE_PORT MP_STATE_VM
