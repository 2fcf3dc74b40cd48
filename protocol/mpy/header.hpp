// The header of a .mpy file (MicroPython py/persistentcode.c, mp_raw_code_load).
#pragma once

#include "protocol/abi.hpp"
#include "protocol/bytes.hpp"

namespace mpyd::mpy {

// "M", version, feature byte, small-int bits, optional arch flags.
inline constexpr std::size_t kHeaderBytesMin = 4;

struct Header {
  Abi abi;  // float ABI and object representation are unspecified: the file does not say
  std::size_t size = 0;  // bytes of the header
};

// Errors: truncated, bad_magic, unsupported (a version before 6, an arch or flags nobody knows),
// malformed.
Result<Header> parse_header(Bytes file);

// `sys.implementation._mpy` of a device -> the part of its Abi it tells. Errors: unsupported.
Result<Abi> abi_of_implementation(std::uint32_t implementation_mpy);

}  // namespace mpyd::mpy
