// An ABI as columns; releases and devices have the same seven, devices their core beside them.
#pragma once

#include "protocol/abi.hpp"
#include "server/storage/sqlite/connection.hpp"

// In the order in which read_abi and bind_abi take them.
#define MPYD_ABI_COLUMNS \
  "mpy_version, sub_version, arch, arch_flags, small_int_bits, float_abi, object_repr"

namespace mpyd::server::sqlite {

inline constexpr int kAbiColumns = 7;

// From column `first` on.
Abi read_abi(const Statement& row, int first);

// The next seven parameters.
Statement& bind_abi(Statement& statement, const Abi& abi);

}  // namespace mpyd::server::sqlite
