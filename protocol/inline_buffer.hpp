// Text and vectors with storage inside: bounded, no heap. Values; copying copies everything.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "protocol/bytes.hpp"
#include "protocol/result.hpp"

namespace mpyd {

// At most N bytes of text, NUL-terminated for C neighbours.
template <std::size_t N>
class InlineText {
 public:
  constexpr InlineText() = default;

  // Errors: limit.
  static constexpr Result<InlineText> make(std::string_view text) {
    InlineText out;
    if (!out.append(text)) return fail(Errc::limit);
    return out;
  }

  // False, and unchanged, if it does not fit.
  constexpr bool append(std::string_view text) {
    if (text.size() > N - size_) return false;
    for (char c : text) data_[size_++] = c;
    data_[size_] = '\0';
    return true;
  }
  constexpr bool append(char c) { return append(std::string_view(&c, 1)); }

  constexpr std::string_view view() const { return {data_.data(), size_}; }
  constexpr const char* c_str() const { return data_.data(); }
  constexpr bool empty() const { return size_ == 0; }
  constexpr std::size_t size() const { return size_; }
  constexpr void clear() {
    size_ = 0;
    data_[0] = '\0';
  }
  friend constexpr bool operator==(const InlineText& a, const InlineText& b) {
    return a.view() == b.view();
  }

 private:
  std::size_t size_ = 0;
  std::array<char, N + 1> data_{};
};

// At most N values.
template <class T, std::size_t N>
class InlineVector {
 public:
  // False, and unchanged, if full.
  constexpr bool push_back(const T& value) {
    if (size_ == N) return false;
    data_[size_++] = value;
    return true;
  }
  constexpr void clear() { size_ = 0; }
  constexpr std::size_t size() const { return size_; }
  constexpr bool empty() const { return size_ == 0; }
  constexpr bool full() const { return size_ == N; }
  constexpr T& operator[](std::size_t i) { return data_[i]; }
  constexpr const T& operator[](std::size_t i) const { return data_[i]; }
  constexpr T* begin() { return data_.data(); }
  constexpr T* end() { return data_.data() + size_; }
  constexpr const T* begin() const { return data_.data(); }
  constexpr const T* end() const { return data_.data() + size_; }

 private:
  std::size_t size_ = 0;
  std::array<T, N> data_{};
};

using Serial = InlineVector<std::byte, 16>;

}  // namespace mpyd
