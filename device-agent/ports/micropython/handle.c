// The handle of a driver's object, which applications keep: see driver_module.h.
#include "driver_module.h"

#include "py/mperrno.h"
#include "py/runtime.h"

typedef struct _mpyd_handle_t {
  mp_obj_base_t base;
  mp_obj_t object;  // MP_OBJ_NULL: the board is gone
} mpyd_handle_t;

static mp_obj_t target(mp_obj_t self_in) {
  mpyd_handle_t* self = MP_OBJ_TO_PTR(self_in);
  if (self->object == MP_OBJ_NULL) {
    mp_raise_OSError(MP_ENODEV);
  }
  return self->object;
}

static void handle_print(const mp_print_t* print, mp_obj_t self_in, mp_print_kind_t kind) {
  mpyd_handle_t* self = MP_OBJ_TO_PTR(self_in);
  (void)kind;
  mp_print_str(print, "<device ");
  if (self->object == MP_OBJ_NULL) {
    mp_print_str(print, "removed");
  } else {
    mp_obj_print_helper(print, self->object, PRINT_REPR);
  }
  mp_print_str(print, ">");
}

static void handle_attr(mp_obj_t self_in, qstr attr, mp_obj_t* dest) {
  if (dest[0] == MP_OBJ_NULL) {
    mp_load_method_maybe(target(self_in), attr, dest);
  } else {
    mp_store_attr(target(self_in), attr, dest[1]);
    dest[0] = MP_OBJ_NULL;  // done
  }
}

static mp_obj_t handle_call(mp_obj_t self_in, size_t n_args, size_t n_kw, const mp_obj_t* args) {
  return mp_call_function_n_kw(target(self_in), n_args, n_kw, args);
}

static mp_obj_t handle_subscr(mp_obj_t self_in, mp_obj_t index, mp_obj_t value) {
  return mp_obj_subscr(target(self_in), index, value);
}

static mp_obj_t handle_unary_op(mp_unary_op_t op, mp_obj_t self_in) {
  // A handle is a key of its own and always true, also when the board is gone.
  if (op == MP_UNARY_OP_LEN) {
    return mp_unary_op(op, target(self_in));
  }
  return MP_OBJ_NULL;
}

static mp_obj_t handle_iter(mp_obj_t self_in, mp_obj_iter_buf_t* iter_buf) {
  return mp_getiter(target(self_in), iter_buf);
}

// A slot and its function per line.
// clang-format off
static MP_DEFINE_CONST_OBJ_TYPE(mpyd_handle_type, MP_QSTR_Device, MP_TYPE_FLAG_ITER_IS_GETITER,
                                print, handle_print,
                                attr, handle_attr,
                                call, handle_call,
                                subscr, handle_subscr,
                                unary_op, handle_unary_op,
                                iter, handle_iter);
// clang-format on

mp_obj_t mpyd_handle_new(void) {
  mpyd_handle_t* self = mp_obj_malloc(mpyd_handle_t, &mpyd_handle_type);
  self->object = MP_OBJ_NULL;
  return MP_OBJ_FROM_PTR(self);
}

void mpyd_handle_open(mp_obj_t handle, mp_obj_t object) {
  mpyd_handle_t* self = MP_OBJ_TO_PTR(handle);
  self->object = object;
}

void mpyd_handle_close(mp_obj_t handle) { mpyd_handle_open(handle, MP_OBJ_NULL); }
