// Linux's I2C buses, /dev/i2c-N, for mpyd.DevBus.
#include "linux_i2c.h"

#if MPYD_HAS_LINUX_I2C
#include <errno.h>
#include <linux/i2c-dev.h>
#include <linux/i2c.h>
#include <sys/ioctl.h>

#include "py/mperrno.h"
#include "py/mphal.h"
#include "py/mpthread.h"
#include "py/runtime.h"

// A transfer here is an address and a few pieces; the kernel takes up to I2C_RDWR_IOCTL_MAX_MSGS.
#define MESSAGES_MAX (8)
// In the kernel's units of 10 ms: long enough for any clock stretching, short for a watchdog.
#define TIMEOUT_10MS (10)
_Static_assert(MESSAGES_MAX <= I2C_RDWR_IOCTL_MAX_MSGS, "more than the kernel takes");

// Adapters say that nobody acknowledged in several ways; a part that is not there has one here.
static int errno_of(int error) { return error == ENXIO || error == EREMOTEIO ? MP_ENODEV : error; }

// i2c_transfer(fd, [(address, buffer, is_read)...]): one transfer, with a repeated START before
// each message but the first and a STOP at the end. The driver of the adapter bounds the time.
// Raises OSError: ENODEV (no ACK), ETIMEDOUT, EIO and what else the adapter's driver returns.
static mp_obj_t i2c_transfer(mp_obj_t fd_in, mp_obj_t messages_in) {
  struct i2c_msg messages[MESSAGES_MAX];
  size_t n_messages;
  mp_obj_t* items;
  int fd = mp_obj_get_int(fd_in);
  mp_obj_get_array(messages_in, &n_messages, &items);
  if (n_messages > MESSAGES_MAX) {
    mp_raise_OSError(MP_EINVAL);
  }
  for (size_t i = 0; i < n_messages; ++i) {
    mp_obj_t* fields;
    mp_buffer_info_t buffer;
    mp_obj_get_array_fixed_n(items[i], 3, &fields);
    bool is_read = mp_obj_is_true(fields[2]);
    mp_get_buffer_raise(fields[1], &buffer, is_read ? MP_BUFFER_WRITE : MP_BUFFER_READ);
    mp_int_t address = mp_obj_get_int(fields[0]);
    if (address < 0 || address > 0x7f || buffer.len > UINT16_MAX) {
      mp_raise_OSError(MP_EINVAL);
    }
    messages[i] = (struct i2c_msg){address, is_read ? I2C_M_RD : 0, buffer.len, buffer.buf};
  }
  struct i2c_rdwr_ioctl_data all = {messages, n_messages};
  MP_THREAD_GIL_EXIT();
  (void)ioctl(fd, I2C_TIMEOUT, TIMEOUT_10MS);  // adapters that cannot do that keep their own
  int done = ioctl(fd, I2C_RDWR, &all);
  int error = errno;
  MP_THREAD_GIL_ENTER();
  if (done < 0) {
    mp_raise_OSError(errno_of(error));
  }
  return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_2(mpyd_i2c_transfer_obj, i2c_transfer);
#endif
