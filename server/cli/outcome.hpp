// What a command returns: nothing, or a failure with a hint; and how failures become exit codes.
#pragma once

#include <string>

#include "protocol/hardware_id.hpp"
#include "server/util/error.hpp"

namespace mpyd::server::cli {

// Converts from Errc and Error, so that MPYD_TRY lifts what lower layers return.
struct Failure {
  Error error;
  std::string hint;   // what to do; empty: default_hint(error.code) is asked
  bool told = false;  // by the command's result; only the exit code is left

  Failure(Errc code) : error(code) {}        // NOLINT(google-explicit-constructor)
  Failure(Error e) : error(std::move(e)) {}  // NOLINT(google-explicit-constructor)
  Failure(Error e, std::string h) : error(std::move(e)), hint(std::move(h)) {}
};

template <class T>
using Outcome = mpyd::Result<T, Failure>;

inline Unexpected<Failure> failure(Errc code, std::string message, std::string hint = {}) {
  return Unexpected<Failure>(Failure(Error(code, std::move(message)), std::move(hint)));
}

// The command's result says what is wrong; the exit code is that of `code`.
inline Unexpected<Failure> told_already(Errc code) {
  Failure failed(code);
  failed.told = true;
  return Unexpected<Failure>(std::move(failed));
}

// Puts what was being done in front of the message.
template <class T>
Outcome<T> explain_as(Outcome<T> outcome, std::string_view doing) {
  if (outcome) return outcome;
  Failure failed = std::move(outcome).error();
  failed.error = std::move(failed.error).with(doing);
  return mpyd::fail(std::move(failed));
}

// What to do about failures of this code, where the command knows it better than who failed.
template <class T>
Outcome<T> advise(Outcome<T> outcome, Errc code, std::string hint) {
  if (outcome || outcome.error().error.code != code) return outcome;
  Failure failed = std::move(outcome).error();
  failed.hint = std::move(hint);
  return mpyd::fail(std::move(failed));
}

// The value of --hardware-id.
Outcome<HardwareId> parse_hardware_id_option(const std::string& text);

// The contract of the command line (cli.hpp).
inline constexpr int kExitUsage = 2;
int exit_code(Errc code);
// What usually helps; empty if nothing general does.
std::string default_hint(Errc code);

// The code with this name (problem+json carries it); internal if this build does not know it.
Errc errc_named(std::string_view name);

}  // namespace mpyd::server::cli
