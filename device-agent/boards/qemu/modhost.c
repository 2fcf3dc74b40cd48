// The module _host: what lies on the emulator's host, for a machine without a disk and without a
// network.
#include "host_files.h"
#include "py/runtime.h"

static const mp_rom_map_elem_t host_globals_table[] = {
    {MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR__host)},
    {MP_ROM_QSTR(MP_QSTR_Flash), MP_ROM_PTR(&host_flash_type)},
    {MP_ROM_QSTR(MP_QSTR_file), MP_ROM_PTR(&host_file_obj)},
};
static MP_DEFINE_CONST_DICT(host_globals, host_globals_table);

const mp_obj_module_t host_module = {
    .base = {&mp_type_module},
    .globals = (mp_obj_dict_t*)&host_globals,
};
MP_REGISTER_MODULE(MP_QSTR__host, host_module);
