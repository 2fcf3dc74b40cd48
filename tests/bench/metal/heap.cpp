#include "heap.hpp"

#include <algorithm>
#include <cstddef>

extern "C" {
#include "py/gc.h"
#include "py/mpstate.h"
void* __real_gc_alloc(size_t bytes, unsigned int flags);
void* __wrap_gc_alloc(size_t bytes, unsigned int flags);
void* __real_gc_realloc(void* block, size_t bytes, bool may_move);
void* __wrap_gc_realloc(void* block, size_t bytes, bool may_move);
}

namespace mpyd::bench {
namespace {

HeapUse use;
bool is_watching = false;
bool is_of_interest = false;

std::uint32_t reachable() {
  gc_collect();
  gc_info_t info;
  gc_info(&info);
  return static_cast<std::uint32_t>(info.used);
}

void note(std::size_t bytes) {
  if (!is_watching || !is_of_interest || gc_is_locked()) return;
  const std::size_t blocks = (bytes + MICROPY_BYTES_PER_GC_BLOCK - 1) / MICROPY_BYTES_PER_GC_BLOCK;
  const std::size_t then = reachable() + blocks * MICROPY_BYTES_PER_GC_BLOCK;
  use.peak = std::max(use.peak, static_cast<std::uint32_t>(then));
}

}  // namespace

void watch_heap() {
  use.before = use.peak = reachable();
  is_watching = true;
}

void heap_is_of_interest(bool is) { is_of_interest = is; }

HeapUse finish_heap() {
  is_watching = false;
  use.after = reachable();
  return use;
}

}  // namespace mpyd::bench

void* __wrap_gc_alloc(size_t bytes, unsigned int flags) {
  mpyd::bench::note(bytes);
  return __real_gc_alloc(bytes, flags);
}

// The new block is there beside the old one, if it cannot grow where it is.
void* __wrap_gc_realloc(void* block, size_t bytes, bool may_move) {
  if (block != nullptr && bytes != 0) mpyd::bench::note(bytes);
  return __real_gc_realloc(block, bytes, may_move);
}
