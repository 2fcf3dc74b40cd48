// A driver's module: loaded from a stream, run in a context of its own, never entered in
// sys.modules.
#pragma once

#include "host_call.h"

#ifdef __cplusplus
extern "C" {
#endif

#include "exec_memory.h"

// Where a .mpy comes from, piece by piece.
typedef struct _mpyd_stream_t {
  // The next piece, valid until the next call; *len == 0 at the end. False: there is none that
  // could be trusted, and there will be none.
  bool (*next)(void* self, const uint8_t** data, size_t* len);
  void* self;
} mpyd_stream_t;

typedef enum {
  MPYD_MODULE_OK,
  MPYD_MODULE_STREAM,  // the stream failed; nothing of the driver ran
  MPYD_MODULE_MEMORY,
  MPYD_MODULE_REFUSED,  // MicroPython's loader did not take it, or bytes were left over
  MPYD_MODULE_RAISED,   // the driver's own code raised; *exception says what
} mpyd_outcome_t;

// Loads the stream to its end and makes the function that is the module's body; nothing of it runs
// yet. After a failure drop *code, if it was set; then nothing refers to the module's memory any
// more.
mpyd_outcome_t mpyd_module_load(mpyd_hosts_t* hosts, const char* name, size_t name_len,
                                mpyd_stream_t stream, mpyd_code_t** code, mp_obj_t* body,
                                mp_obj_t* exception);

// Runs the module's body.
mpyd_outcome_t mpyd_module_run(mpyd_hosts_t* hosts, mpyd_code_t* code, mp_obj_t body,
                               mp_obj_t* exception);

// attach(board): the driver's object for this board, and a new handle for it. REFUSED: there is no
// attach.
mpyd_outcome_t mpyd_module_attach(mpyd_hosts_t* hosts, mpyd_code_t* code, mp_obj_t board,
                                  mp_obj_t* object, mp_obj_t* handle, mp_obj_t* exception);

// detach(object); a driver without one is none the worse for it.
mpyd_outcome_t mpyd_module_detach(mpyd_hosts_t* hosts, mpyd_code_t* code, mp_obj_t object,
                                  mp_obj_t* exception);

// Is this module built into the firmware, in C or frozen? Longer names are no modules we know.
#define MPYD_MODULE_NAME_MAX (24)
bool mpyd_has_builtin_module(const char* name, size_t len);

// The handle of a driver's object: forwards everything to it between mpyd_handle_open() and
// mpyd_handle_close(), and raises OSError(ENODEV) otherwise. Making one raises MemoryError.
mp_obj_t mpyd_handle_new(void);
void mpyd_handle_open(mp_obj_t handle, mp_obj_t object);
void mpyd_handle_close(mp_obj_t handle);

#ifdef __cplusplus
}
#endif
