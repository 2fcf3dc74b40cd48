// MicroPython's qemu port as it is, plus what the agent wants of any firmware: entropy.
#pragma once
#include <mpconfigport.h>

#define MICROPY_PY_OS_URANDOM     (1)
#define MICROPY_PY_OS_INCLUDEFILE "modos_mps2.c"
