// Result<T>: a value or an error code, and the two macros that pass errors upwards.
#pragma once

#include <tl/expected.hpp>
#include <type_traits>
#include <utility>

#include "protocol/errc.hpp"

namespace mpyd {

template <class T, class E = Errc>
using Result = tl::expected<T, E>;

template <class E>
using Unexpected = tl::unexpected<E>;

template <class E>
[[nodiscard]] constexpr Unexpected<std::decay_t<E>> fail(E&& e) {
  return Unexpected<std::decay_t<E>>(std::forward<E>(e));
}

}  // namespace mpyd

#define MPYD_CAT_(a, b) a##b
#define MPYD_CAT(a, b)  MPYD_CAT_(a, b)

// Returns the error of `expr` from the enclosing function, if it has one.
#define MPYD_TRY(expr)                                                                 \
  do {                                                                                 \
    if (auto mpyd_r = (expr); !mpyd_r) return ::mpyd::fail(std::move(mpyd_r).error()); \
  } while (false)

// Declares `decl` with the value of `expr`, or returns its error.
// __COUNTER__ because __LINE__ fails for two on one line.
#define MPYD_TRY_ASSIGN(decl, expr) MPYD_TRY_ASSIGN_(MPYD_CAT(mpyd_r_, __COUNTER__), decl, expr)
#define MPYD_TRY_ASSIGN_(tmp, decl, expr)                \
  auto tmp = (expr);                                     \
  if (!tmp) return ::mpyd::fail(std::move(tmp).error()); \
  decl = *std::move(tmp)
