// The module _host: what lies on the emulator's host, for a machine without a disk and without a
// network.
#include "board.h"
#include "flash.h"
#include "py/mperrno.h"
#include "py/runtime.h"

// file(path) -> bytes
static mp_obj_t host_file(mp_obj_t path) {
  int handle = host_open(mp_obj_str_get_str(path), false);
  if (handle < 0) {
    mp_raise_OSError(MP_ENOENT);
  }
  vstr_t bytes;
  vstr_init_len(&bytes, host_size(handle));
  bool good = host_read(handle, 0, bytes.buf, bytes.len) == 0;
  host_close(handle);
  if (!good) {
    mp_raise_OSError(MP_EIO);
  }
  return mp_obj_new_bytes_from_vstr(&bytes);
}
static MP_DEFINE_CONST_FUN_OBJ_1(host_file_obj, host_file);

static const mp_rom_map_elem_t host_globals_table[] = {
    {MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR__host)},
    {MP_ROM_QSTR(MP_QSTR_Flash), MP_ROM_PTR(&mps2_flash_type)},
    {MP_ROM_QSTR(MP_QSTR_file), MP_ROM_PTR(&host_file_obj)},
};
static MP_DEFINE_CONST_DICT(host_globals, host_globals_table);

const mp_obj_module_t host_module = {
    .base = {&mp_type_module},
    .globals = (mp_obj_dict_t*)&host_globals,
};
MP_REGISTER_MODULE(MP_QSTR__host, host_module);
