// The memory a driver's code lies in: who owns it, and when it may go.
//
// MicroPython never frees loaded native code. Here each module has an anchor, an ordinary block of
// the GC heap that its user keeps; all code and data of the module lives as long as the anchor is
// reachable, and longer if anything else that is reachable (objects, roots, stacks, registers)
// holds a word pointing *into* it: a method, a type or a return address. That is decided inside
// each garbage collection, so no one has to ask: drop the anchor, and the next collection that
// finds nothing frees everything.
//
// The collector is entered through the linker: -Wl,--wrap=gc_collect_root,--wrap=gc_collect_end.
// The unix port's allocator of native code is replaced that way too: --wrap=mp_unix_alloc_exec.
#pragma once

#include "py/bc.h"

typedef struct _mpyd_code_t mpyd_code_t;

// An anchor for the module that will run in `context`, owning nothing else yet.
// Raises MemoryError; RuntimeError if the firmware was linked without the two options above.
mpyd_code_t* mpyd_code_new(mp_module_context_t* context);

// From here to mpyd_code_adopt() only MicroPython's loader runs, for this module.
void mpyd_code_watch(mpyd_code_t* code);

// Hands everything the loader allocated since mpyd_code_watch() to the anchor: executable memory,
// and what it entered in persistent_code_root_pointers. Never raises; harmless without a watch.
void mpyd_code_adopt(mpyd_code_t* code);

// The module is complete and may run: from here pointers into its code keep it. Raises MemoryError.
void mpyd_code_seal(mpyd_code_t* code);

// What a module may take now, after a collection: bytes in all (SIZE_MAX: not bounded by the heap,
// where native code lies elsewhere) and in the largest free block of the heap.
void mpyd_code_room(bool is_native, size_t* free_bytes, size_t* largest_block);
// Whether a module may take so many bytes: in one piece as things are, or in all after a
// collection.
bool mpyd_code_has_room(bool is_native, size_t bytes);

// Modules whose anchor was not reachable at the last collection, and which were kept because
// something else pointed into them; and how many bytes of code and data those take.
size_t mpyd_code_kept(size_t* bytes);

mp_module_context_t* mpyd_code_context(const mpyd_code_t* code);
