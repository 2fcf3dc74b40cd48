#include "driver_module.h"

#include <string.h>

#include "py/builtin.h"
#include "py/frozenmod.h"
#include "py/gc.h"
#include "py/objexcept.h"
#include "py/objmodule.h"
#include "py/persistentcode.h"
#include "py/reader.h"
#include "py/runtime.h"

/******************************************************************************/
// Loading

typedef struct _feed_t {
  mpyd_stream_t stream;
  mpyd_code_t* code;
  const uint8_t* at;
  const uint8_t* end;
  bool failed;
} feed_t;

// Fetches the next piece. What the loader allocated so far is taken over first: while the piece is
// being fetched, other Python code may run and load modules of its own.
static bool refill(feed_t* feed) {
  size_t len = 0;
  mpyd_code_adopt(feed->code);
  if (!feed->stream.next(feed->stream.self, &feed->at, &len)) {
    feed->failed = true;
    len = 0;
  }
  feed->end = feed->at + len;
  mpyd_code_watch(feed->code);
  return len != 0;
}

// The loader never asks whether there is more; so its end is an exception, one that needs no
// memory.
static mp_uint_t feed_readbyte(void* self) {
  feed_t* feed = self;
  if (feed->at == feed->end && !refill(feed)) {
    nlr_raise(MP_OBJ_FROM_PTR(&mp_const_GeneratorExit_obj));
  }
  return *feed->at++;
}

static void feed_close(void* self) { (void)self; }

static mpyd_code_t* make_code(const char* name, size_t name_len) {
  mp_module_context_t* context = m_new_obj(mp_module_context_t);
  context->module.base.type = &mp_type_module;
  context->module.globals = MP_OBJ_TO_PTR(mp_obj_new_dict(MICROPY_MODULE_DICT_SIZE));
  mp_obj_dict_store(MP_OBJ_FROM_PTR(context->module.globals), MP_OBJ_NEW_QSTR(MP_QSTR___name__),
                    mp_obj_new_str(name, name_len));
  return mpyd_code_new(context);
}

static mpyd_outcome_t outcome_of(mpyd_hosts_t* hosts, const feed_t* feed, mp_obj_t exception) {
  if (feed->failed) {
    return MPYD_MODULE_STREAM;
  }
  return mpyd_sort_exception(hosts, exception) == MPYD_CALL_NO_MEMORY ? MPYD_MODULE_MEMORY
                                                                      : MPYD_MODULE_REFUSED;
}

static mpyd_outcome_t load_into(mpyd_hosts_t* hosts, feed_t* feed, mp_obj_t* body,
                                mp_obj_t* exception) {
  mp_reader_t reader = {feed, feed_readbyte, feed_close};
  nlr_buf_t nlr;
  if (nlr_push(&nlr) == 0) {
    mp_compiled_module_t module = {.context = mpyd_code_context(feed->code)};
    mpyd_code_watch(feed->code);
    mp_raw_code_load(&reader, &module);
    // Only the end of the stream proves that all of it was genuine.
    bool left_over = feed->at != feed->end || refill(feed);
    mpyd_code_adopt(feed->code);
    *body = mp_make_function_from_proto_fun(module.rc, module.context, NULL);
    mpyd_code_seal(feed->code);
    nlr_pop();
    return feed->failed ? MPYD_MODULE_STREAM : left_over ? MPYD_MODULE_REFUSED : MPYD_MODULE_OK;
  }
  mpyd_code_adopt(feed->code);
  *exception = MP_OBJ_FROM_PTR(nlr.ret_val);
  return outcome_of(hosts, feed, *exception);
}

mpyd_outcome_t mpyd_module_load(mpyd_hosts_t* hosts, const char* name, size_t name_len,
                                mpyd_stream_t stream, mpyd_code_t** code, mp_obj_t* body,
                                mp_obj_t* exception) {
  feed_t feed = {.stream = stream};
  nlr_buf_t nlr;
  if (nlr_push(&nlr) == 0) {
    *code = make_code(name, name_len);
    nlr_pop();
  } else {
    *exception = MP_OBJ_FROM_PTR(nlr.ret_val);
    return outcome_of(hosts, &feed, *exception);
  }
  feed.code = *code;
  return load_into(hosts, &feed, body, exception);
}

/******************************************************************************/
// Running

static mpyd_outcome_t raised(mpyd_hosts_t* hosts, void* value, mp_obj_t* exception) {
  *exception = MP_OBJ_FROM_PTR(value);
  return mpyd_sort_exception(hosts, *exception) == MPYD_CALL_NO_MEMORY ? MPYD_MODULE_MEMORY
                                                                       : MPYD_MODULE_RAISED;
}

mpyd_outcome_t mpyd_module_run(mpyd_hosts_t* hosts, mpyd_code_t* code, mp_obj_t body,
                               mp_obj_t* exception) {
  mp_obj_dict_t* globals = mpyd_code_context(code)->module.globals;
  mp_obj_dict_t* old_globals = mp_globals_get();
  mp_obj_dict_t* old_locals = mp_locals_get();
  mpyd_outcome_t outcome = MPYD_MODULE_OK;
  nlr_buf_t nlr;
  mp_globals_set(globals);
  mp_locals_set(globals);
  if (nlr_push(&nlr) == 0) {
    mp_call_function_0(body);
    nlr_pop();
  } else {
    outcome = raised(hosts, nlr.ret_val, exception);
  }
  mp_globals_set(old_globals);
  mp_locals_set(old_locals);
  return outcome;
}

static mp_obj_t find_function(mpyd_code_t* code, qstr name) {
  mp_map_t* map = &mpyd_code_context(code)->module.globals->map;
  mp_map_elem_t* elem = mp_map_lookup(map, MP_OBJ_NEW_QSTR(name), MP_MAP_LOOKUP);
  return elem == NULL ? MP_OBJ_NULL : elem->value;
}

mpyd_outcome_t mpyd_module_attach(mpyd_hosts_t* hosts, mpyd_code_t* code, mp_obj_t board,
                                  mp_obj_t* object, mp_obj_t* handle, mp_obj_t* exception) {
  mp_obj_t attach = find_function(code, MP_QSTR_attach);
  nlr_buf_t nlr;
  if (attach == MP_OBJ_NULL) {
    return MPYD_MODULE_REFUSED;
  }
  if (nlr_push(&nlr) == 0) {
    // Made first: once attach() has returned, nothing may fail before detach() can be called.
    *handle = mpyd_handle_new();
    *object = mp_call_function_1(attach, board);
    mpyd_handle_open(*handle, *object);
    nlr_pop();
    return MPYD_MODULE_OK;
  }
  return raised(hosts, nlr.ret_val, exception);
}

mpyd_outcome_t mpyd_module_detach(mpyd_hosts_t* hosts, mpyd_code_t* code, mp_obj_t object,
                                  mp_obj_t* exception) {
  mp_obj_t detach = find_function(code, MP_QSTR_detach);
  nlr_buf_t nlr;
  if (detach == MP_OBJ_NULL) {
    return MPYD_MODULE_OK;
  }
  if (nlr_push(&nlr) == 0) {
    mp_call_function_1(detach, object);
    nlr_pop();
    return MPYD_MODULE_OK;
  }
  return raised(hosts, nlr.ret_val, exception);
}

static bool is_frozen(const char* path, mp_import_stat_t kind) {
#if MICROPY_MODULE_FROZEN
  return mp_find_frozen_module(path, NULL, NULL) == kind;
#else
  (void)path;
  (void)kind;
  return false;
#endif
}

bool mpyd_has_builtin_module(const char* name, size_t len) {
  char path[MPYD_MODULE_NAME_MAX + sizeof(".py")];
  if (len > MPYD_MODULE_NAME_MAX) {
    return false;
  }
  // Looked up in the tables, not imported: a module's start-up code is no business of a question.
  qstr known = qstr_find_strn(name, len);
  mp_map_t* fixed = (mp_map_t*)&mp_builtin_module_map;
  mp_map_t* extensible = (mp_map_t*)&mp_builtin_extensible_module_map;
  if (known != MP_QSTRnull &&
      (mp_map_lookup(fixed, MP_OBJ_NEW_QSTR(known), MP_MAP_LOOKUP) != NULL ||
       mp_map_lookup(extensible, MP_OBJ_NEW_QSTR(known), MP_MAP_LOOKUP) != NULL)) {
    return true;
  }
  memcpy(path, name, len);
  strcpy(path + len, ".py");
  if (is_frozen(path, MP_IMPORT_STAT_FILE)) {
    return true;
  }
  path[len] = '\0';
  return is_frozen(path, MP_IMPORT_STAT_DIR);
}
