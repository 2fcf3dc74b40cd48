// The module `mpyd_test`: what tests need to see and do inside MicroPython. Only
// build/micropython-unix-test has it.
//
//   load(mpy)              loads without running, or raises what MicroPython's loader raises
//   fail_after(n, times)   lets the n-th allocation from now (1: the next) and the times - 1 after
//   it fail hold(True)             until hold(False), allocations are not counted and do not fail:
//   they are the test's own allocations()          how many there were since the last fail_after(),
//   the failed ones included used()                 bytes of the heap in use, after a collection
//   largest_free()         bytes of the largest free block of the heap, after a collection
//   mapped()               bytes mapped for native code
//   watch_peak()           from here, collects before each allocation, so that only what is needed
//   counts peak()                 the most bytes in use at once since then, of heap and mappings;
//   ends the watch
//
// An allocation is a call of gc_alloc() or gc_realloc(), or a mapping for native code.
#include <sys/mman.h>

#include "device-agent/ports/micropython/exec_memory.h"
#include "py/gc.h"
#include "py/objmodule.h"
#include "py/persistentcode.h"
#include "py/runtime.h"

static size_t n_allocations;
static size_t first_to_fail;  // 0: none
static size_t n_to_fail;
static size_t mapped_bytes;
static size_t peak_bytes;
static bool is_held;
static bool is_watching;

static bool must_fail(void) {
  if (is_held) {
    return false;
  }
  n_allocations += 1;
  return first_to_fail != 0 && n_allocations >= first_to_fail &&
         n_allocations - first_to_fail < n_to_fail;
}

static void before_allocation(void) {
  if (is_watching) {
    gc_collect();
  }
}

static void after_allocation(void) {
  if (is_watching) {
    gc_info_t info;
    gc_info(&info);
    size_t bytes = info.used + mapped_bytes;
    peak_bytes = bytes > peak_bytes ? bytes : peak_bytes;
  }
}

/******************************************************************************/
// What the linker puts in place of the allocators

void* __real_gc_alloc(size_t n_bytes, unsigned int flags);
void* __wrap_gc_alloc(size_t n_bytes, unsigned int flags);
void* __real_gc_realloc(void* ptr, size_t n_bytes, bool allow_move);
void* __wrap_gc_realloc(void* ptr, size_t n_bytes, bool allow_move);
void* __real_mmap64(void* addr, size_t len, int prot, int flags, int fd, off_t offset);
void* __wrap_mmap64(void* addr, size_t len, int prot, int flags, int fd, off_t offset);
int __real_munmap(void* addr, size_t len);
int __wrap_munmap(void* addr, size_t len);

void* __wrap_gc_alloc(size_t n_bytes, unsigned int flags) {
  if (must_fail()) {
    return NULL;
  }
  before_allocation();
  void* ptr = __real_gc_alloc(n_bytes, flags);
  after_allocation();
  return ptr;
}

void* __wrap_gc_realloc(void* ptr, size_t n_bytes, bool allow_move) {
  // Freeing and shrinking never fail.
  bool grows = ptr == NULL || n_bytes > gc_nbytes(ptr);
  if (grows && must_fail()) {
    return NULL;
  }
  before_allocation();
  void* moved = __real_gc_realloc(ptr, n_bytes, allow_move);
  after_allocation();
  return moved;
}

static size_t whole_pages(size_t len) { return (len + 4095) & ~(size_t)4095; }

void* __wrap_mmap64(void* addr, size_t len, int prot, int flags, int fd, off_t offset) {
  if (!(prot & PROT_EXEC)) {
    return __real_mmap64(addr, len, prot, flags, fd, offset);
  }
  if (must_fail()) {
    return MAP_FAILED;
  }
  before_allocation();
  void* ptr = __real_mmap64(addr, len, prot, flags, fd, offset);
  mapped_bytes += ptr == MAP_FAILED ? 0 : whole_pages(len);
  after_allocation();
  return ptr;
}

// Only native code is ever unmapped while Python runs.
int __wrap_munmap(void* addr, size_t len) {
  mapped_bytes -= whole_pages(len);
  return __real_munmap(addr, len);
}

/******************************************************************************/
// The module

static mp_obj_t load(mp_obj_t mpy_in) {
  mp_buffer_info_t mpy;
  mp_get_buffer_raise(mpy_in, &mpy, MP_BUFFER_READ);
  mp_module_context_t* context = m_new_obj(mp_module_context_t);
  context->module.base.type = &mp_type_module;
  context->module.globals = MP_OBJ_TO_PTR(mp_obj_new_dict(0));
  // Owns what the loader allocates; when we return, nothing refers to it.
  mpyd_code_t* code = mpyd_code_new(context);
  mp_compiled_module_t module = {.context = context};
  nlr_buf_t nlr;
  mpyd_code_watch(code);
  if (nlr_push(&nlr) == 0) {
    mp_raw_code_load_mem(mpy.buf, mpy.len, &module);
    mp_make_function_from_proto_fun(module.rc, context, NULL);
    nlr_pop();
    mpyd_code_adopt(code);
    return mp_const_none;
  }
  mpyd_code_adopt(code);
  nlr_jump(nlr.ret_val);
}
static MP_DEFINE_CONST_FUN_OBJ_1(load_obj, load);

static mp_obj_t fail_after(mp_obj_t n, mp_obj_t times) {
  first_to_fail = mp_obj_get_int(n);
  n_to_fail = mp_obj_get_int(times);
  n_allocations = 0;
  return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(fail_after_obj, fail_after);

static mp_obj_t hold(mp_obj_t on) {
  is_held = mp_obj_is_true(on);
  return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(hold_obj, hold);

static mp_obj_t allocations(void) { return mp_obj_new_int_from_uint(n_allocations); }
static MP_DEFINE_CONST_FUN_OBJ_0(allocations_obj, allocations);

static gc_info_t info_after_collection(void) {
  gc_info_t info;
  gc_collect();
  gc_collect();  // what a finaliser or the records of native code let go
  gc_info(&info);
  return info;
}

static mp_obj_t used(void) { return mp_obj_new_int_from_uint(info_after_collection().used); }
static MP_DEFINE_CONST_FUN_OBJ_0(used_obj, used);

static mp_obj_t largest_free(void) {
  return mp_obj_new_int_from_uint(info_after_collection().max_free * MICROPY_BYTES_PER_GC_BLOCK);
}
static MP_DEFINE_CONST_FUN_OBJ_0(largest_free_obj, largest_free);

static mp_obj_t mapped(void) { return mp_obj_new_int_from_uint(mapped_bytes); }
static MP_DEFINE_CONST_FUN_OBJ_0(mapped_obj, mapped);

static mp_obj_t watch_peak(void) {
  is_watching = true;
  peak_bytes = 0;
  return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_0(watch_peak_obj, watch_peak);

static mp_obj_t peak(void) {
  is_watching = false;
  return mp_obj_new_int_from_uint(peak_bytes);
}
static MP_DEFINE_CONST_FUN_OBJ_0(peak_obj, peak);

static const mp_rom_map_elem_t module_globals_table[] = {
    {MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_mpyd_test)},
    {MP_ROM_QSTR(MP_QSTR_load), MP_ROM_PTR(&load_obj)},
    {MP_ROM_QSTR(MP_QSTR_fail_after), MP_ROM_PTR(&fail_after_obj)},
    {MP_ROM_QSTR(MP_QSTR_hold), MP_ROM_PTR(&hold_obj)},
    {MP_ROM_QSTR(MP_QSTR_allocations), MP_ROM_PTR(&allocations_obj)},
    {MP_ROM_QSTR(MP_QSTR_used), MP_ROM_PTR(&used_obj)},
    {MP_ROM_QSTR(MP_QSTR_largest_free), MP_ROM_PTR(&largest_free_obj)},
    {MP_ROM_QSTR(MP_QSTR_mapped), MP_ROM_PTR(&mapped_obj)},
    {MP_ROM_QSTR(MP_QSTR_watch_peak), MP_ROM_PTR(&watch_peak_obj)},
    {MP_ROM_QSTR(MP_QSTR_peak), MP_ROM_PTR(&peak_obj)},
};
static MP_DEFINE_CONST_DICT(module_globals, module_globals_table);

const mp_obj_module_t mpyd_test_module = {
    .base = {&mp_type_module},
    .globals = (mp_obj_dict_t*)&module_globals,
};
MP_REGISTER_MODULE(MP_QSTR_mpyd_test, mpyd_test_module);
