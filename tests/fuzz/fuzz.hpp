// What every fuzz target uses. A target is one function over bytes; tests/fuzz/CMakeLists.txt
// builds it twice: with libFuzzer, and with replay.cpp, which runs it over kept files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "protocol/bytes.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace mpyd::fuzz {

// A promise that is broken is a finding, whatever the sanitizers say.
#define FUZZ_CHECK(condition)                                                      \
  do {                                                                             \
    if (!(condition)) {                                                            \
      std::fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                \
    }                                                                              \
  } while (false)

// Takes choices off the front of the input; zeros when it is used up.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : rest_(as_bytes(data, size)) {}

  std::uint8_t byte() { return rest_.empty() ? std::uint8_t{0} : u8(take(1))[0]; }
  std::uint32_t u16() {
    const std::uint32_t low = byte();
    return low | std::uint32_t{byte()} << 8;
  }
  Bytes take(std::size_t size) {
    const Bytes out = rest_.first(size < rest_.size() ? size : rest_.size());
    rest_ = rest_.subspan(out.size());
    return out;
  }
  Bytes rest() const { return rest_; }

 private:
  Bytes rest_;
};

}  // namespace mpyd::fuzz
