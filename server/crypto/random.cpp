#include "server/crypto/random.hpp"

#include <sodium.h>
#include <cstdlib>

namespace mpyd::server {

void init_crypto() {
  static const bool started = sodium_init() >= 0;
  if (!started) std::abort();
}

void random_bytes(MutableBytes out) {
  init_crypto();
  randombytes_buf(out.data(), out.size());
}

}  // namespace mpyd::server
