// The GC heap's height while a driver is loaded: what is reachable at each allocation, garbage
// apart.
#pragma once

#include <cstdint>

namespace mpyd::bench {

struct HeapUse {
  std::uint32_t before = 0;
  std::uint32_t peak = 0;
  std::uint32_t after = 0;
};

void watch_heap();
// Only inside the agent is there anything to see.
void heap_is_of_interest(bool is);
HeapUse finish_heap();

}  // namespace mpyd::bench
