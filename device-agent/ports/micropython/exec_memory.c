// See exec_memory.h. Knows the garbage collector's tables (py/gc.c) and where ports keep native
// code.
#include "exec_memory.h"

#include <string.h>

#include "py/gc.h"
#include "py/mpstate.h"
#include "py/objlist.h"
#include "py/objmodule.h"
#include "py/runtime.h"

#if !MICROPY_ENABLE_GC
#error "mpyd needs MicroPython's garbage collector (MICROPY_ENABLE_GC)"
#endif

// Does the loader leave anything outside ordinary objects?
#define TRACKS_CODE \
  (MICROPY_PERSISTENT_CODE_TRACK_FUN_DATA || MICROPY_PERSISTENT_CODE_TRACK_BSS_RODATA)

// Ports with the default allocator keep text on the GC heap and list it like data. The unix port
// maps pages and lists them apart. Of any other port we do not know where text lies: its modules
// stay.
#define TEXT_IS_ON_HEAP (MICROPY_PERSISTENT_CODE_TRACK_FUN_DATA)
#if TEXT_IS_ON_HEAP
#define TEXT_IS_MAPPED (0)
#define TEXT_IS_KNOWN  (1)
#elif defined(UNIX) && !defined(MP_PLAT_COMMIT_EXEC)
#define TEXT_IS_MAPPED (1)
#define TEXT_IS_KNOWN  (1)
#else
#define TEXT_IS_MAPPED (0)
#define TEXT_IS_KNOWN  (0)
#endif

#if TEXT_IS_MAPPED
#include <sys/mman.h>

// As in ports/unix/alloc.c.
typedef struct _mapped_region_t {
  void* ptr;
  size_t len;
  struct _mapped_region_t* next;
} mapped_region_t;
#endif

// A pointer as the collector must not see it.
static inline uintptr_t hide(const void* ptr) { return ~(uintptr_t)ptr; }
static inline void* reveal(uintptr_t hidden) { return (void*)~hidden; }

typedef struct _hidden_block_t {
  uintptr_t hidden;
  size_t len;
} hidden_block_t;

// What the collector may know of a module that nobody uses: all pointers are hidden, so that a
// record keeps nothing alive and is itself no reason to keep the module.
typedef struct _code_record_t {
  struct _code_record_t* next;
  uintptr_t anchor;
  size_t n_blocks;  // blocks on the GC heap
  hidden_block_t* blocks;
#if TEXT_IS_MAPPED
  mapped_region_t* regions;  // ptr hidden
#endif
  bool sealed;  // before that nothing of the module ran, so nothing can refer to it
  bool pinned;
} code_record_t;

struct _mpyd_code_t {
  mp_module_context_t* context;
  code_record_t* record;
  mp_obj_t blocks;  // a list in the clear: the registry, and what the loader entered after it
  mp_obj_t outer;   // while the loader runs: the list that `blocks` stands in for, else MP_OBJ_NULL
#if TEXT_IS_MAPPED
  mapped_region_t* watched_head;
#endif
};

mp_module_context_t* mpyd_code_context(const mpyd_code_t* code) { return code->context; }

#if TRACKS_CODE

// The list of records hangs in persistent_code_root_pointers: mp_init() clears that, so after a
// soft reset no record of the old heap is left.
typedef struct _registry_t {
  const void* tag;
  code_record_t* head;
} registry_t;

static const char registry_tag[1];

// What the last collection had to keep.
static size_t kept_modules, kept_bytes;

// Both hooks were seen at work. Never cleared: it is a property of the firmware.
static bool saw_root, saw_end;

// Every block of every record lies in [lowest, highest).
static uintptr_t lowest = UINTPTR_MAX, highest = 0;

static mp_obj_list_t* tracked_list(void) {
  mp_obj_t list = MP_STATE_PORT(persistent_code_root_pointers);
  return list == MP_OBJ_NULL ? NULL : MP_OBJ_TO_PTR(list);
}

static registry_t* find_registry(void) {
  mp_obj_list_t* list = tracked_list();
  for (size_t i = 0; list != NULL && i < list->len; ++i) {
    registry_t* registry = MP_OBJ_TO_PTR(list->items[i]);
    if (registry->tag == registry_tag) {
      return registry;
    }
  }
  return NULL;
}

static registry_t* make_registry(void) {
  registry_t* registry = find_registry();
  if (registry == NULL) {
    registry = m_new0(registry_t, 1);
    registry->tag = registry_tag;
    if (tracked_list() == NULL) {
      MP_STATE_PORT(persistent_code_root_pointers) = mp_obj_new_list(0, NULL);
    }
    mp_obj_list_append(MP_STATE_PORT(persistent_code_root_pointers), MP_OBJ_FROM_PTR(registry));
    lowest = UINTPTR_MAX;
    highest = 0;
    kept_modules = kept_bytes = 0;
  }
  return registry;
}

size_t mpyd_code_kept(size_t* bytes) {
  bool counted = find_registry() != NULL;  // not before a soft reset
  *bytes = counted ? kept_bytes : 0;
  return counted ? kept_modules : 0;
}

static void check_hooks(void) {
  if (!saw_root || !saw_end) {
    gc_collect();
  }
  if (!saw_root || !saw_end) {
    mp_raise_msg(&mp_type_RuntimeError,
                 MP_ERROR_TEXT(
                     "mpyd: firmware linked without --wrap=gc_collect_root,--wrap=gc_collect_end"));
  }
}

static void widen(const void* ptr, size_t len) {
  uintptr_t start = (uintptr_t)ptr;
  lowest = start < lowest ? start : lowest;
  highest = start + len > highest ? start + len : highest;
}

/******************************************************************************/
// Loading

mpyd_code_t* mpyd_code_new(mp_module_context_t* context) {
  registry_t* registry = make_registry();
  mp_obj_t first = MP_OBJ_FROM_PTR(registry);
  check_hooks();
  mpyd_code_t* code = m_new0(mpyd_code_t, 1);
  code->context = context;
  code->blocks = mp_obj_new_list(1, &first);
  code->record = m_new0(code_record_t, 1);
  code->record->anchor = hide(code);
  code->record->next = registry->head;
  registry->head = code->record;
  return code;
}

// The loader enters what it allocates in a list of ours, which also leads to the registry. So
// taking it over later costs no memory.
void mpyd_code_watch(mpyd_code_t* code) {
  code->outer = MP_STATE_PORT(persistent_code_root_pointers);
  MP_STATE_PORT(persistent_code_root_pointers) = code->blocks;
#if TEXT_IS_MAPPED
  code->watched_head = MP_STATE_VM(mmap_region_head);
#endif
}

void mpyd_code_adopt(mpyd_code_t* code) {
  if (code->outer == MP_OBJ_NULL) {
    return;
  }
  MP_STATE_PORT(persistent_code_root_pointers) = code->outer;
  code->outer = MP_OBJ_NULL;
#if TEXT_IS_MAPPED
  // mp_unix_alloc_exec pushes at the front. Its own list is no place for these any more:
  // mp_unix_free_exec would drop all entries in front of the one it looks for.
  while (MP_STATE_VM(mmap_region_head) != code->watched_head) {
    mapped_region_t* region = MP_STATE_VM(mmap_region_head);
    MP_STATE_VM(mmap_region_head) = region->next;
    region->ptr = (void*)hide(region->ptr);
    region->next = code->record->regions;
    code->record->regions = region;
  }
#endif
}

void mpyd_code_seal(mpyd_code_t* code) {
  code_record_t* record = code->record;
  mp_obj_list_t* list = MP_OBJ_TO_PTR(code->blocks);
  record->blocks = m_new(hidden_block_t, list->len - 1);
  record->n_blocks = list->len - 1;
  for (size_t i = 0; i < record->n_blocks; ++i) {
    void* block = MP_OBJ_TO_PTR(list->items[i + 1]);
    record->blocks[i].hidden = hide(block);
    record->blocks[i].len = gc_nbytes(block);
    widen(block, record->blocks[i].len);
  }
#if TEXT_IS_MAPPED
  for (mapped_region_t* region = record->regions; region != NULL; region = region->next) {
    widen(reveal((uintptr_t)region->ptr), region->len);
  }
#endif
  record->sealed = true;
}

#if TEXT_IS_MAPPED
// In place of the port's own, which maps first and loses the pages when there is no memory for the
// entry, and which reports a mapping that failed as one at address 0.
void __wrap_mp_unix_alloc_exec(size_t min_size, void** ptr, size_t* size);
void __wrap_mp_unix_alloc_exec(size_t min_size, void** ptr, size_t* size) {
  mapped_region_t* region = m_new_obj(mapped_region_t);
  *size = (min_size + 0xfff) & ~(size_t)0xfff;
  *ptr = mmap(NULL, *size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (*ptr == MAP_FAILED) {
    m_malloc_fail(*size);
  }
  region->ptr = *ptr;
  region->len = min_size;
  region->next = MP_STATE_VM(mmap_region_head);
  MP_STATE_VM(mmap_region_head) = region;
}
#endif

/******************************************************************************/
// Inside a collection

#define BLOCKS_PER_BYTE (4)
#define KIND_TAIL       (2)
#define KIND_MARK       (3)

#if MICROPY_GC_SPLIT_HEAP
#define NEXT_AREA(area) ((area)->next)
#else
#define NEXT_AREA(area) (NULL)
#endif

void __real_gc_collect_root(void** ptrs, size_t len);
void __real_gc_collect_end(void);
void __wrap_gc_collect_root(void** ptrs, size_t len);
void __wrap_gc_collect_end(void);

static unsigned int kind_of(const mp_state_mem_area_t* area, size_t block) {
  return area->gc_alloc_table_start[block / BLOCKS_PER_BYTE] >> (2 * (block % BLOCKS_PER_BYTE)) & 3;
}

static bool is_marked(const void* ptr) {
  for (mp_state_mem_area_t* area = &MP_STATE_MEM(area); area != NULL; area = NEXT_AREA(area)) {
    if ((byte*)ptr >= area->gc_pool_start && (byte*)ptr < area->gc_pool_end) {
      return kind_of(area, ((byte*)ptr - area->gc_pool_start) / MICROPY_BYTES_PER_GC_BLOCK) ==
             KIND_MARK;
    }
  }
  return false;
}

// Calls `visit` with the words of every block that has been found reachable so far.
static void for_each_marked(void (*visit)(void** words, size_t n)) {
  for (mp_state_mem_area_t* area = &MP_STATE_MEM(area); area != NULL; area = NEXT_AREA(area)) {
    size_t n_blocks = area->gc_alloc_table_byte_len * BLOCKS_PER_BYTE;
    for (size_t block = 0; block < n_blocks;) {
      if (kind_of(area, block) != KIND_MARK) {
        block += 1;
        continue;
      }
      size_t end = block + 1;
      while (end < n_blocks && kind_of(area, end) == KIND_TAIL) {
        end += 1;
      }
      visit((void**)(area->gc_pool_start + block * MICROPY_BYTES_PER_GC_BLOCK),
            (end - block) * MICROPY_BYTES_PER_GC_BLOCK / sizeof(void*));
      block = end;
    }
  }
}

// Completes marking; gc_collect_end() would do so too late for us.
static void settle_marks(void) {
  while (MP_STATE_MEM(gc_stack_overflow)) {
    MP_STATE_MEM(gc_stack_overflow) = 0;
    for_each_marked(__real_gc_collect_root);
  }
}

static bool points_into(const code_record_t* record, uintptr_t word) {
  for (size_t i = 0; i < record->n_blocks; ++i) {
    if (word - (uintptr_t)reveal(record->blocks[i].hidden) < record->blocks[i].len) {
      return true;
    }
  }
#if TEXT_IS_MAPPED
  for (mapped_region_t* region = record->regions; region != NULL; region = region->next) {
    if (word - (uintptr_t)reveal((uintptr_t)region->ptr) < region->len) {
      return true;
    }
  }
#endif
  return false;
}

// Pins every module that one of the words points into. Stacks are read past what the sanitizer
// likes.
__attribute__((no_sanitize_address)) static void pin_from(void** words, size_t n) {
  registry_t* registry = find_registry();
  if (registry == NULL || registry->head == NULL) {
    return;
  }
  for (size_t i = 0; i < n; ++i) {
    uintptr_t word = (uintptr_t)words[i];
    if (word < lowest || word >= highest) {
      continue;
    }
    for (code_record_t* record = registry->head; record != NULL; record = record->next) {
      record->pinned = record->pinned || (record->sealed && points_into(record, word));
    }
  }
}

// gc_collect_start() scans these by itself, without passing our hook.
static void pin_from_roots(void) {
  size_t start = offsetof(mp_state_ctx_t, thread.dict_locals);
  size_t end = offsetof(mp_state_ctx_t, vm.qstr_last_chunk);
  pin_from((void**)((byte*)&mp_state_ctx + start), (end - start) / sizeof(void*));
#if MICROPY_ENABLE_PYSTACK
  pin_from((void**)(void*)MP_STATE_THREAD(pystack_start),
           (MP_STATE_THREAD(pystack_cur) - MP_STATE_THREAD(pystack_start)) / sizeof(void*));
#endif
}

static size_t bytes_of(const code_record_t* record) {
  size_t bytes = 0;
  for (size_t i = 0; i < record->n_blocks; ++i) {
    bytes += record->blocks[i].len;
  }
#if TEXT_IS_MAPPED
  for (mapped_region_t* region = record->regions; region != NULL; region = region->next) {
    bytes += region->len;
  }
#endif
  return bytes;
}

// Marks the anchors of pinned modules. Returns whether any module is still unmarked, and in `*more`
// whether new blocks were marked.
static bool mark_pinned(registry_t* registry, bool* more) {
  bool unused = false;
  *more = false;
  for (code_record_t* record = registry->head; record != NULL; record = record->next) {
    void* anchor = reveal(record->anchor);
    if (is_marked(anchor)) {
      continue;
    }
    if (record->pinned || !TEXT_IS_KNOWN) {
      __real_gc_collect_root(&anchor, 1);
      settle_marks();
      *more = true;
      kept_modules += 1;
      kept_bytes += bytes_of(record);
    } else {
      unused = true;
    }
  }
  return unused;
}

// Takes the modules that nothing reachable needs off the registry.
static code_record_t* take_unused(registry_t* registry) {
  settle_marks();
  pin_from_roots();
  kept_modules = kept_bytes = 0;
  bool more = true;
  while (mark_pinned(registry, &more)) {
    for_each_marked(pin_from);
    bool pinned_any = false;
    for (code_record_t* record = registry->head; record != NULL; record = record->next) {
      pinned_any = pinned_any || (record->pinned && !is_marked(reveal(record->anchor)));
    }
    if (!pinned_any) {
      break;
    }
  }
  code_record_t* unused = NULL;
  for (code_record_t** link = &registry->head; *link != NULL;) {
    code_record_t* record = *link;
    record->pinned = false;
    if (is_marked(reveal(record->anchor))) {
      link = &record->next;
    } else {
      *link = record->next;
      record->next = unused;
      unused = record;
    }
  }
  return unused;
}

void __wrap_gc_collect_root(void** ptrs, size_t len) {
  saw_root = true;
  __real_gc_collect_root(ptrs, len);
  pin_from(ptrs, len);
}

void __wrap_gc_collect_end(void) {
  saw_end = true;
  registry_t* registry = find_registry();
  code_record_t* unused = registry != NULL && registry->head != NULL ? take_unused(registry) : NULL;
  // Finalisers run in here and may still call the driver's code.
  __real_gc_collect_end();
#if TEXT_IS_MAPPED
  for (; unused != NULL; unused = unused->next) {
    for (mapped_region_t* region = unused->regions; region != NULL; region = region->next) {
      munmap(reveal((uintptr_t)region->ptr), region->len);
    }
  }
#endif
  (void)unused;  // elsewhere the sweep has freed everything
}

#else  // TRACKS_CODE: this firmware loads bytecode only, and that is ordinary objects

mpyd_code_t* mpyd_code_new(mp_module_context_t* context) {
  mpyd_code_t* code = m_new0(mpyd_code_t, 1);
  code->context = context;
  return code;
}

void mpyd_code_watch(mpyd_code_t* code) { (void)code; }

void mpyd_code_adopt(mpyd_code_t* code) { (void)code; }

void mpyd_code_seal(mpyd_code_t* code) { (void)code; }

size_t mpyd_code_kept(size_t* bytes) {
  *bytes = 0;
  return 0;
}

#endif  // TRACKS_CODE

/******************************************************************************/
// Room

void mpyd_code_room(bool is_native, size_t* free_bytes, size_t* largest_block) {
  gc_info_t info;
  gc_collect();
  gc_info(&info);
  *free_bytes = info.free;
  *largest_block = info.max_free * MICROPY_BYTES_PER_GC_BLOCK;
#if MICROPY_GC_SPLIT_HEAP_AUTO
  *free_bytes += info.max_new_split;
  *largest_block = MAX(*largest_block, info.max_new_split);
#endif
  if (is_native && !TEXT_IS_ON_HEAP) {
    *free_bytes = SIZE_MAX;
  }
}

bool mpyd_code_has_room(bool is_native, size_t bytes) {
  if (is_native && !TEXT_IS_ON_HEAP) {
    return true;
  }
#if !MICROPY_GC_SPLIT_HEAP_AUTO  // there a failing allocation takes memory from the system
  // Walking the whole heap, as mpyd_code_room() does, costs more than loading a small driver.
  void* const block = gc_alloc(bytes, 0);
  if (block != NULL) {
    gc_free(block);
    return true;
  }
#endif
  size_t free_bytes;
  size_t largest_block;
  mpyd_code_room(is_native, &free_bytes, &largest_block);
  return free_bytes >= bytes;
}
