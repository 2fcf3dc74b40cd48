// Memory for secrets and plaintext: guarded, not swapped, left out of core dumps, wiped on release.
//
// Every allocation takes at least four pages (libsodium's guard pages): right for a key pair or a
// package being opened, wrong for one small key each of very many. Put many small secrets into one
// LockedBytes.
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>

#include "protocol/bytes.hpp"

namespace mpyd::server {

namespace detail {
// Never null: a process that gets no locked memory ends.
void* locked_allocate(std::size_t size);
struct LockedFree {
  void operator()(void* memory) const;
};
}  // namespace detail

// `size` bytes, zeroed at first. Movable; a moved-from object is empty.
class LockedBytes {
 public:
  LockedBytes() = default;
  explicit LockedBytes(std::size_t size);

  LockedBytes(LockedBytes&& other) noexcept;
  LockedBytes& operator=(LockedBytes&& other) noexcept;
  ~LockedBytes() = default;

  MutableBytes span() { return {memory_.get(), size_}; }
  Bytes span() const { return {memory_.get(), size_}; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // Keeps the first `size` bytes; the rest is wiped when all is released.
  void shrink(std::size_t size) {
    if (size < size_) size_ = size;
  }

 private:
  std::unique_ptr<std::byte, detail::LockedFree> memory_;
  std::size_t size_ = 0;
};

// One value of a fixed-size type (protocol/digest.hpp) in locked memory. Movable; a moved-from
// object may only be destroyed or assigned to.
template <class T>
class Locked {
  static_assert(std::is_trivially_copyable_v<T> && alignof(T) == 1);

 public:
  Locked() : value_(new (detail::locked_allocate(sizeof(T))) T{}) {}

  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return value_.get(); }
  const T* operator->() const { return value_.get(); }

 private:
  std::unique_ptr<T, detail::LockedFree> value_;
};

}  // namespace mpyd::server
