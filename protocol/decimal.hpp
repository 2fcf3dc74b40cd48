// Numbers in texts of bounded size.
#pragma once

#include "protocol/inline_buffer.hpp"

namespace mpyd {

// False, and `out` unchanged, if it does not fit.
template <std::size_t N>
bool append_decimal(InlineText<N>& out, std::size_t value) {
  char digits[20];
  std::size_t at = sizeof digits;
  do {
    digits[--at] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
  return out.append(std::string_view(digits + at, sizeof digits - at));
}

}  // namespace mpyd
