// Fixed-size values of cryptography, each a type of its own so that none is taken for another.
#pragma once

#include <array>
#include <compare>
#include <cstddef>

#include "protocol/bytes.hpp"
#include "protocol/inline_buffer.hpp"
#include "protocol/result.hpp"

namespace mpyd {

template <class Tag, std::size_t N>
struct FixedBytes {
  static constexpr std::size_t kSize = N;
  std::array<std::byte, N> data{};

  // Errors: malformed if the size differs.
  static constexpr Result<FixedBytes> from(Bytes bytes) {
    if (bytes.size() != N) return fail(Errc::malformed);
    FixedBytes out;
    copy_bytes(bytes, out.data);
    return out;
  }
  constexpr Bytes bytes() const { return data; }
  constexpr MutableBytes mutable_bytes() { return data; }
  constexpr bool is_zero() const {
    for (std::byte b : data)
      if (b != std::byte{0}) return false;
    return true;
  }
  friend constexpr auto operator<=>(const FixedBytes&, const FixedBytes&) = default;
};

using Digest = FixedBytes<struct DigestTag, 32>;          // SHA-256
using KeyId = FixedBytes<struct KeyIdTag, 8>;             // first 8 bytes of SHA-256(public key)
using SigningKey = FixedBytes<struct SigningKeyTag, 32>;  // Ed25519, public
using SignatureBytes = FixedBytes<struct SignatureTag, 64>;
using ExchangeKey = FixedBytes<struct ExchangeKeyTag, 32>;  // X25519, public
using SecretKey = FixedBytes<struct SecretKeyTag, 32>;      // X25519, secret
using ContentKey = FixedBytes<struct ContentKeyTag, 32>;
using SharedKey = FixedBytes<struct SharedKeyTag, 32>;
using StreamHeader = FixedBytes<struct StreamHeaderTag, 24>;
using Nonce = FixedBytes<struct NonceTag, 24>;

using HexDigest = InlineText<64>;

// Lower-case hex. `parse_digest` errors: malformed.
HexDigest format_digest(const Digest& digest);
Result<Digest> parse_digest(std::string_view hex);

}  // namespace mpyd
