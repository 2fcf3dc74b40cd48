// How deep the agent's own stack grows: below its entry the stack is painted, and what is no longer
// painted was used. Python called by the agent is the application's and the motherboard's, not the
// agent's: after it the paint is renewed.
#pragma once

#include "ledger.hpp"

namespace mpyd::bench {

// Called by the ledger. Cheap unless watch_depth() was.
void note_leaving(Part part);
void note_back(Part part);

// From here on; `entry` is the stack's end at the entry into the agent.
void watch_depth(std::uintptr_t entry);
void forget_depth();
// Bytes from the entry to the deepest point that was reached in this part; with Python: 0.
std::uint32_t deepest(Part part);
// And with all Python below.
std::uint32_t deepest_of_all();
// The agent's stack as it was found after its deepest point, deepest word first: the return
// addresses in it say who was there.
std::span<const std::uint32_t> deepest_words();

}  // namespace mpyd::bench
