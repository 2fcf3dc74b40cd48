// Hex and base64, by libsodium. Not constant time where the length is concerned; the content is.
#pragma once

#include <string>

#include "protocol/digest.hpp"
#include "server/util/bytes.hpp"
#include "server/util/error.hpp"

namespace mpyd::server {

std::string to_hex(Bytes bytes);        // lower case
std::string to_base64(Bytes bytes);     // RFC 4648, with padding
std::string to_base64url(Bytes bytes);  // RFC 4648 section 5, without padding

// Errors: malformed, also for anything after the digits.
Result<ByteVector> from_hex(std::string_view text);
Result<ByteVector> from_base64(std::string_view text);

// Hex of exactly T::kSize bytes -> a digest, a key ... Errors: malformed.
template <class Fixed>
Result<Fixed> fixed_from_hex(std::string_view text) {
  if (text.size() != Fixed::kSize * 2)
    return fail(Errc::malformed, "expected " + std::to_string(Fixed::kSize * 2) + " hex digits");
  MPYD_TRY_ASSIGN(const ByteVector bytes, from_hex(text));
  return lift(Fixed::from(bytes), "hex");
}

}  // namespace mpyd::server
