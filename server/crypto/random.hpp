// Random bytes of the operating system, through libsodium.
#pragma once

#include "protocol/bytes.hpp"

namespace mpyd::server {

// Starts libsodium, once per process and from any thread; ends the process if that fails, because
// nothing here may go on without randomness. Everything in server/crypto calls it by itself.
void init_crypto();

void random_bytes(MutableBytes out);

// A fixed-size value (protocol/digest.hpp) filled with random bytes. Not for secrets that live
// longer than a call: those belong into Locked<T>.
template <class T>
T random_value() {
  T value;
  random_bytes(value.mutable_bytes());
  return value;
}

}  // namespace mpyd::server
