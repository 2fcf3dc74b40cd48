// Calls of Python methods from C and C++ that never raise: everything that may raise happens
// inside.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "py/obj.h"

// The Python objects behind the agent's ports, and what the application must still be told.
typedef struct _mpyd_hosts_t {
  mp_obj_t host;  // time, random bytes, watchdog, events, boards
  mp_obj_t bus;
  mp_obj_t net;
  mp_obj_t store;
  mp_obj_t interrupt;  // a KeyboardInterrupt or SystemExit met on the way; MP_OBJ_NULL: none
} mpyd_hosts_t;

// One row each in modmpyd.c: the object it is called on, and its name.
typedef enum {
  MPYD_BUS_TRANSFER,
  MPYD_BUS_PRESENCE,
  MPYD_BUS_RECOVER,
  MPYD_NET_OPEN,
  MPYD_NET_SEND,
  MPYD_NET_RECEIVE,
  MPYD_NET_CLOSE,
  MPYD_STORE_SIZE,
  MPYD_STORE_READ,
  MPYD_STORE_WRITE,
  MPYD_STORE_BEGIN,
  MPYD_STORE_APPEND,
  MPYD_STORE_COMMIT,
  MPYD_STORE_ABORT,
  MPYD_STORE_REMOVE,
  MPYD_STORE_FIND,
  MPYD_HOST_UNIX_TIME,
  MPYD_HOST_FEED,
  MPYD_HOST_ENTROPY,
  MPYD_HOST_EVENT,
  MPYD_HOST_MAKE_BOARD,
  MPYD_HOST_ATTACHED,
  MPYD_HOST_DETACHED,
  MPYD_HOST_RAISED,
  MPYD_METHODS,
} mpyd_method_t;

typedef struct _mpyd_method_row_t {
  uint16_t object;  // offset in mpyd_hosts_t
  uint16_t name;    // qstr
} mpyd_method_row_t;
extern const mpyd_method_row_t mpyd_methods[MPYD_METHODS];

typedef enum {
  MPYD_ARG_UINT,
  MPYD_ARG_TEXT,   // copied into a str
  MPYD_ARG_READ,   // a read-only view, valid during the call
  MPYD_ARG_WRITE,  // a writable view, valid during the call
  MPYD_ARG_OBJECT,
} mpyd_arg_kind_t;

typedef struct _mpyd_arg_t {
  mpyd_arg_kind_t kind;
  uint32_t number;
  const void* data;
  size_t len;
  mp_obj_t object;
} mpyd_arg_t;
#define MPYD_ARGS_MAX (5)

// What is wanted of the returned value; the rest is left alone.
typedef struct _mpyd_result_t {
  uint32_t* number;  // an int, modulo 2^32; None is 0
  char* text;        // a str, with NUL; *text_len is the room, then the length. None: length 0.
  size_t* text_len;
  mp_obj_t* object;
} mpyd_result_t;

// Outcomes besides an errno of an OSError.
#define MPYD_CALL_OK        (0)
#define MPYD_CALL_RAISED    (-1)
#define MPYD_CALL_NO_MEMORY (-2)
#define MPYD_CALL_TOO_LONG  (-3)

int mpyd_call(mpyd_hosts_t* hosts, mpyd_method_t method, const mpyd_arg_t* args, size_t n_args,
              const mpyd_result_t* result);

// Sorts an exception: one of the outcomes above. Keeps a KeyboardInterrupt or SystemExit for later.
int mpyd_sort_exception(mpyd_hosts_t* hosts, mp_obj_t exception);

// Collects now, so that the memory of what was just dropped is back.
void mpyd_collect(void);

#ifdef __cplusplus
}
#endif
