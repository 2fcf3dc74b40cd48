// Bounds of a request that hold whatever route it takes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mpyd::server::http {

inline constexpr std::uint32_t kHeaderBytesMax = 8192;
// Twice the header: a connection can make us hold this much without a route that takes a body.
inline constexpr std::size_t kBufferBytesMax = 16384;

}  // namespace mpyd::server::http
