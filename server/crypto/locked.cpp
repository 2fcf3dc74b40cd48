#include "server/crypto/locked.hpp"

#include <sodium.h>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "server/crypto/random.hpp"

namespace mpyd::server {

namespace detail {

void* locked_allocate(std::size_t size) {
  init_crypto();
  void* memory = sodium_malloc(size);
  if (memory == nullptr) std::abort();
  std::memset(memory, 0, size);
  return memory;
}

void LockedFree::operator()(void* memory) const { sodium_free(memory); }

}  // namespace detail

LockedBytes::LockedBytes(std::size_t size)
    : memory_(static_cast<std::byte*>(detail::locked_allocate(size))), size_(size) {}

LockedBytes::LockedBytes(LockedBytes&& other) noexcept
    : memory_(std::move(other.memory_)), size_(std::exchange(other.size_, 0)) {}

LockedBytes& LockedBytes::operator=(LockedBytes&& other) noexcept {
  memory_ = std::move(other.memory_);
  size_ = std::exchange(other.size_, 0);
  return *this;
}

}  // namespace mpyd::server
