// The server's error: a code for machines and a sentence for people, grown on the way up.
#pragma once

#include <string>
#include <utility>

#include "protocol/result.hpp"

namespace mpyd::server {

// Converts from Errc, so the same MPYD_TRY lifts protocol errors into server errors.
struct Error {
  Errc code;
  std::string message;  // for people; empty: describe(code) says it all

  Error(Errc c, std::string text = {})  // NOLINT(google-explicit-constructor): see above
      : code(c), message(text.empty() ? std::string(describe(c)) : std::move(text)) {}

  // Puts what was being done in front: "publish thermo 1.4.0: the signature does not verify".
  Error with(std::string_view context) && {
    message = std::string(context) + ": " + message;
    return std::move(*this);
  }
  Error with(std::string_view context) const& { return Error(*this).with(context); }
};

template <class T>
using Result = mpyd::Result<T, Error>;

inline Unexpected<Error> fail(Errc code, std::string message) {
  return Unexpected<Error>(Error(code, std::move(message)));
}
using mpyd::fail;

// For results of `protocol/`: the same value, its error code lifted, with context.
template <class T>
Result<T> lift(mpyd::Result<T> result, std::string_view context) {
  if (result) {
    if constexpr (std::is_void_v<T>)
      return {};
    else
      return *std::move(result);
  }
  return mpyd::fail(Error(result.error()).with(context));
}

template <class T>
Result<T> with_context(Result<T> result, std::string_view context) {
  if (result) return result;
  return mpyd::fail(std::move(result).error().with(context));
}

}  // namespace mpyd::server
