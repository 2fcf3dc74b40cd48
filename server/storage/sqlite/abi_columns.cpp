#include "server/storage/sqlite/abi_columns.hpp"

namespace mpyd::server::sqlite {

Abi read_abi(const Statement& row, int first) {
  return Abi{.mpy_version = row.u8(first),
             .sub_version = row.u8(first + 1),
             .arch = static_cast<Arch>(row.u8(first + 2)),
             .arch_flags = row.u32(first + 3),
             .small_int_bits = row.u8(first + 4),
             .float_abi = static_cast<FloatAbi>(row.u8(first + 5)),
             .object_repr = static_cast<ObjectRepr>(row.u8(first + 6))};
}

Statement& bind_abi(Statement& statement, const Abi& abi) {
  return statement.bind(std::uint32_t{abi.mpy_version})
      .bind(std::uint32_t{abi.sub_version})
      .bind(static_cast<std::uint32_t>(abi.arch))
      .bind(abi.arch_flags)
      .bind(std::uint32_t{abi.small_int_bits})
      .bind(static_cast<std::uint32_t>(abi.float_abi))
      .bind(static_cast<std::uint32_t>(abi.object_repr));
}

}  // namespace mpyd::server::sqlite
