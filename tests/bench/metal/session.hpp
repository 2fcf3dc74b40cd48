// A session: from the event `plugged` to the event `loaded`. What is measured in it is told as a
// line of JSON.
#pragma once

#include <cstdint>

namespace mpyd::bench {

// One at a time, since each takes time and stack of its own. QEMU's -append says which.
enum class Mode : std::uint8_t { cycles, stack, heap };

Mode mode();

}  // namespace mpyd::bench
