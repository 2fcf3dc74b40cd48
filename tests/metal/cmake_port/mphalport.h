#pragma once
#include "py/mpconfig.h"
mp_uint_t mp_hal_ticks_ms(void);
