// Files of the emulator's host: read whole, or as the flash chip that state outlives the emulator
// on.
#include "host_files.h"

#include "board.h"
#include "extmod/vfs.h"
#include "py/mperrno.h"
#include "py/runtime.h"

#define BLOCK_BYTES (4096)

static mp_obj_t host_file(mp_obj_t path) {
  int handle = host_open(mp_obj_str_get_str(path), false);
  if (handle < 0) {
    return mp_const_none;
  }
  vstr_t bytes;
  vstr_init_len(&bytes, MAX(host_size(handle), 0));
  bool is_good = host_read(handle, 0, bytes.buf, bytes.len) == 0;
  host_close(handle);
  if (!is_good) {
    mp_raise_OSError(MP_EIO);
  }
  return mp_obj_new_bytes_from_vstr(&bytes);
}
MP_DEFINE_CONST_FUN_OBJ_1(host_file_obj, host_file);

typedef struct _flash_obj_t {
  mp_obj_base_t base;
  int handle;
  uint32_t blocks;
} flash_obj_t;

// Flash(path): the file exists, and its size is what the chip has.
static mp_obj_t flash_make_new(const mp_obj_type_t* type, size_t n_args, size_t n_kw,
                               const mp_obj_t* args) {
  mp_arg_check_num(n_args, n_kw, 1, 1, false);
  flash_obj_t* self = mp_obj_malloc(flash_obj_t, type);
  self->handle = host_open(mp_obj_str_get_str(args[0]), true);
  if (self->handle < 0) {
    mp_raise_OSError(MP_ENODEV);
  }
  self->blocks = (uint32_t)host_size(self->handle) / BLOCK_BYTES;
  return MP_OBJ_FROM_PTR(self);
}

static uint32_t position(flash_obj_t* self, size_t n_args, const mp_obj_t* args, size_t len) {
  uint32_t offset =
      mp_obj_get_int(args[1]) * BLOCK_BYTES + (n_args > 3 ? mp_obj_get_int(args[3]) : 0);
  if (offset > self->blocks * BLOCK_BYTES || len > self->blocks * BLOCK_BYTES - offset) {
    mp_raise_OSError(MP_EINVAL);
  }
  return offset;
}

// args: self, block, buffer[, offset in the block].
static mp_obj_t transfer(size_t n_args, const mp_obj_t* args, bool writes) {
  flash_obj_t* self = MP_OBJ_TO_PTR(args[0]);
  mp_buffer_info_t buffer;
  mp_get_buffer_raise(args[2], &buffer, writes ? MP_BUFFER_READ : MP_BUFFER_WRITE);
  uint32_t at = position(self, n_args, args, buffer.len);
  int status = writes ? host_write(self->handle, at, buffer.buf, buffer.len)
                      : host_read(self->handle, at, buffer.buf, buffer.len);
  return MP_OBJ_NEW_SMALL_INT(status == 0 ? 0 : -MP_EIO);
}

static mp_obj_t flash_readblocks(size_t n_args, const mp_obj_t* args) {
  return transfer(n_args, args, false);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(flash_readblocks_obj, 3, 4, flash_readblocks);

static mp_obj_t flash_writeblocks(size_t n_args, const mp_obj_t* args) {
  return transfer(n_args, args, true);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(flash_writeblocks_obj, 3, 4, flash_writeblocks);

static mp_obj_t flash_ioctl(mp_obj_t self_in, mp_obj_t operation, mp_obj_t argument) {
  (void)argument;
  flash_obj_t* self = MP_OBJ_TO_PTR(self_in);
  switch (mp_obj_get_int(operation)) {
    case MP_BLOCKDEV_IOCTL_BLOCK_COUNT:
      return MP_OBJ_NEW_SMALL_INT(self->blocks);
    case MP_BLOCKDEV_IOCTL_BLOCK_SIZE:
      return MP_OBJ_NEW_SMALL_INT(BLOCK_BYTES);
    case MP_BLOCKDEV_IOCTL_INIT:
    case MP_BLOCKDEV_IOCTL_DEINIT:
    case MP_BLOCKDEV_IOCTL_SYNC:
    case MP_BLOCKDEV_IOCTL_BLOCK_ERASE:
      return MP_OBJ_NEW_SMALL_INT(0);
    default:
      return mp_const_none;
  }
}
static MP_DEFINE_CONST_FUN_OBJ_3(flash_ioctl_obj, flash_ioctl);

static const mp_rom_map_elem_t flash_locals_table[] = {
    {MP_ROM_QSTR(MP_QSTR_readblocks), MP_ROM_PTR(&flash_readblocks_obj)},
    {MP_ROM_QSTR(MP_QSTR_writeblocks), MP_ROM_PTR(&flash_writeblocks_obj)},
    {MP_ROM_QSTR(MP_QSTR_ioctl), MP_ROM_PTR(&flash_ioctl_obj)},
};
static MP_DEFINE_CONST_DICT(flash_locals, flash_locals_table);

MP_DEFINE_CONST_OBJ_TYPE(host_flash_type, MP_QSTR_Flash, MP_TYPE_FLAG_NONE, make_new,
                         flash_make_new, locals_dict, &flash_locals);
