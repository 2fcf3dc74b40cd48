#include "host_call.h"

#include <string.h>

#include "py/gc.h"
#include "py/mperrno.h"
#include "py/objarray.h"
#include "py/objexcept.h"
#include "py/runtime.h"

static bool is_a(mp_obj_t exception, const mp_obj_type_t* type) {
  return mp_obj_is_subclass_fast(MP_OBJ_FROM_PTR(mp_obj_get_type(exception)),
                                 MP_OBJ_FROM_PTR(type));
}

int mpyd_sort_exception(mpyd_hosts_t* hosts, mp_obj_t exception) {
  if (is_a(exception, &mp_type_KeyboardInterrupt) || is_a(exception, &mp_type_SystemExit)) {
    hosts->interrupt = exception;
    return MPYD_CALL_RAISED;
  }
  if (is_a(exception, &mp_type_MemoryError)) {
    return MPYD_CALL_NO_MEMORY;
  }
  if (is_a(exception, &mp_type_OSError)) {
    mp_obj_t value = mp_obj_exception_get_value(exception);
    if (mp_obj_is_small_int(value) && MP_OBJ_SMALL_INT_VALUE(value) > 0) {
      return (int)MP_OBJ_SMALL_INT_VALUE(value);
    }
    return MP_EIO;
  }
  return MPYD_CALL_RAISED;
}

static mp_obj_t make_argument(const mpyd_arg_t* arg) {
  switch (arg->kind) {
    case MPYD_ARG_UINT:
      return mp_obj_new_int_from_uint(arg->number);
    case MPYD_ARG_TEXT:
      return mp_obj_new_str(arg->data, arg->len);
    case MPYD_ARG_READ:
      return mp_obj_new_memoryview('B', arg->len, (void*)arg->data);
    case MPYD_ARG_WRITE:
      return mp_obj_new_memoryview('B' | MP_OBJ_ARRAY_TYPECODE_FLAG_RW, arg->len, (void*)arg->data);
    default:
      return arg->object;
  }
}

// A view must not outlive the memory it shows, whoever kept it.
static void close_views(const mpyd_arg_t* args, const mp_obj_t* objects, size_t n_args) {
  for (size_t i = 0; i < n_args; ++i) {
    if ((args[i].kind == MPYD_ARG_READ || args[i].kind == MPYD_ARG_WRITE) &&
        objects[i] != MP_OBJ_NULL) {
      mp_obj_array_t* view = MP_OBJ_TO_PTR(objects[i]);
      view->len = 0;
    }
  }
}

static int take_result(const mpyd_result_t* result, mp_obj_t value) {
  if (result == NULL) {
    return MPYD_CALL_OK;
  }
  if (result->object != NULL) {
    *result->object = value;
  }
  if (result->number != NULL) {
    *result->number = value == mp_const_none ? 0 : (uint32_t)mp_obj_get_int_truncated(value);
  }
  if (result->text != NULL) {
    size_t room = *result->text_len;
    size_t len = 0;
    const char* text = value == mp_const_none ? "" : mp_obj_str_get_data(value, &len);
    if (len >= room) {
      return MPYD_CALL_TOO_LONG;
    }
    memcpy(result->text, text, len);
    result->text[len] = '\0';
    *result->text_len = len;
  }
  return MPYD_CALL_OK;
}

int mpyd_call(mpyd_hosts_t* hosts, mpyd_method_t method, const mpyd_arg_t* args, size_t n_args,
              const mpyd_result_t* result) {
  const mpyd_method_row_t* row = &mpyd_methods[method];
  mp_obj_t call[2 + MPYD_ARGS_MAX] = {MP_OBJ_NULL};
  nlr_buf_t nlr;
  int outcome;
  if (nlr_push(&nlr) == 0) {
    mp_load_method(*(mp_obj_t*)((uint8_t*)hosts + row->object), row->name, call);
    for (size_t i = 0; i < n_args; ++i) {
      call[2 + i] = make_argument(&args[i]);
    }
    outcome = take_result(result, mp_call_method_n_kw(n_args, 0, call));
    nlr_pop();
  } else {
    outcome = mpyd_sort_exception(hosts, MP_OBJ_FROM_PTR(nlr.ret_val));
  }
  close_views(args, call + 2, n_args);
  return outcome;
}

void mpyd_collect(void) { gc_collect(); }
