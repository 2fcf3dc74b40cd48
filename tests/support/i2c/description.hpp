// A bus as a text describes it; for programs that meet the simulated bus from outside.
//
//   # a comment
//   part 24c64 0x50 board.eep channel=3 protected     a memory; its file holds it, absent: blank
//   registers 0x48 19 00 55                            a register for each byte, reading moves on
//   stream 0x51                                        other bytes at each reading
//   mux 0x70                                           channels for channel=0 ... 7
//
// Words behind a part: channel=N; protected (it takes data and keeps none), refusing (it does not
// take them either); width=1|2, size=N, page=N (of a part that is none of the family);
// gone=N, garbage=N, stuck=N, stretches=N: from the N-th clock on that it sees.
#pragma once

#include <string>
#include <vector>

#include "tests/support/i2c/bus.hpp"
#include "tests/support/i2c/parts.hpp"

namespace mpyd::test::i2c {

struct DescribedMemory {
  Memory* memory = nullptr;
  std::string file;
};

// Files are relative to the description's folder. Throws std::runtime_error with the line.
std::vector<DescribedMemory> describe(const std::string& path, Bus& bus);
// Writes what each memory holds into its file, if that is other than it was.
void save(const std::vector<DescribedMemory>& memories);

}  // namespace mpyd::test::i2c
