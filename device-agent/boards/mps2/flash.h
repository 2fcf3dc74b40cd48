#pragma once
#include "py/obj.h"
extern const mp_obj_type_t mps2_flash_type;
