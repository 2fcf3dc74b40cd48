// Linux's I2C buses, on the unix port.
#pragma once

#include "py/obj.h"

#if defined(UNIX) && defined(__linux__)
#define MPYD_HAS_LINUX_I2C (1)
MP_DECLARE_CONST_FUN_OBJ_2(mpyd_i2c_transfer_obj);
#else
#define MPYD_HAS_LINUX_I2C (0)
#endif
