#pragma once
#include "py/obj.h"

// file(path) -> bytes, None: there is no such file. What a programming adapter writes on real
// boards.
MP_DECLARE_CONST_FUN_OBJ_1(host_file_obj);

// Flash(path): a file as a block device.
extern const mp_obj_type_t host_flash_type;
