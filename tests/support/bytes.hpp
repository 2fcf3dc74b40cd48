// Bytes for tests: hex, repeatable random bytes, damaged copies, and the files of tests/vectors.
#pragma once

#include <cstdint>
#include <fstream>
#include <iterator>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/bytes.hpp"
#include "protocol/result.hpp"
#include "tests/support/source_dir.hpp"

namespace mpyd::test {

// For preparations that cannot fail unless the test itself is wrong.
inline void must(const Result<void>& result) {
  if (!result) throw std::logic_error(std::string(name(result.error())));
}

using Buffer = std::vector<std::byte>;

inline Buffer copy(Bytes bytes) { return {bytes.begin(), bytes.end()}; }
inline Buffer copy(std::string_view text) { return copy(as_bytes(text)); }

inline Buffer concat(Bytes first, Bytes second) {
  Buffer out = copy(first);
  out.insert(out.end(), second.begin(), second.end());
  return out;
}

// Spaces are ignored.
inline Buffer from_hex(std::string_view hex) {
  std::string digits;
  for (char c : hex)
    if (c != ' ') digits += c;
  if (digits.size() % 2 != 0) throw std::invalid_argument("odd number of hex digits");
  Buffer out;
  for (std::size_t i = 0; i < digits.size(); i += 2)
    out.push_back(static_cast<std::byte>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  return out;
}

template <class Fixed>
Fixed fixed_from_hex(std::string_view hex) {
  return Fixed::from(from_hex(hex)).value();
}

// splitmix64: the same numbers on every machine and in every run.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15U;
    std::uint64_t z = state_;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return z ^ z >> 31;
  }
  std::size_t below(std::size_t bound) { return static_cast<std::size_t>(next() % bound); }
  Buffer bytes(std::size_t size) {
    Buffer out(size);
    for (std::byte& b : out) b = static_cast<std::byte>(next());
    return out;
  }

 private:
  std::uint64_t state_;
};

template <class Fixed>
Fixed random_fixed(std::uint64_t seed) {
  return Fixed::from(Random(seed).bytes(Fixed::kSize)).value();
}

inline Buffer with_flipped_bit(Bytes bytes, std::size_t bit) {
  Buffer out = copy(bytes);
  out[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
  return out;
}

// A file of tests/vectors.
inline Buffer read_vector(const std::string& name) {
  std::ifstream file(source_path("tests/vectors/" + name), std::ios::binary);
  if (!file) throw std::runtime_error("tests/vectors/" + name + " cannot be read");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  return copy(text);
}

}  // namespace mpyd::test
