// Large values made where their owner wants them: on a motherboard, a copy on its way up costs a
// kilobyte of stack in every function it passes.
#pragma once

#include "protocol/result.hpp"

namespace mpyd {

// A T that `fill(T&)` has filled, or its error.
template <class T, class Fill>
Result<T> made_in_place(const Fill& fill) {
  Result<T> out{tl::in_place};
  if (const Result<void> filled = fill(*out); !filled) out = fail(filled.error());
  return out;
}

}  // namespace mpyd
