#include "protocol/abi_codec.hpp"

namespace mpyd {

Result<Abi> abi_from_message(const mpyd_v1_Abi& m) {
  constexpr auto kArchMax = static_cast<std::uint32_t>(Arch::rv64imc);
  if (m.mpy_version > 255 || m.sub_version > 255 || m.arch > kArchMax || m.core > kArchMax ||
      m.small_int_bits > 63 || m.float_abi > 3 || m.object_repr > 4)
    return fail(Errc::malformed);
  return Abi{.mpy_version = static_cast<std::uint8_t>(m.mpy_version),
             .sub_version = static_cast<std::uint8_t>(m.sub_version),
             .arch = static_cast<Arch>(m.arch),
             .arch_flags = m.arch_flags,
             .small_int_bits = static_cast<std::uint8_t>(m.small_int_bits),
             .float_abi = static_cast<FloatAbi>(m.float_abi),
             .object_repr = static_cast<ObjectRepr>(m.object_repr),
             .core = static_cast<Arch>(m.core)};
}

mpyd_v1_Abi abi_to_message(const Abi& abi) {
  mpyd_v1_Abi m{};
  m.mpy_version = abi.mpy_version;
  m.sub_version = abi.sub_version;
  m.arch = static_cast<std::uint32_t>(abi.arch);
  m.arch_flags = abi.arch_flags;
  m.small_int_bits = abi.small_int_bits;
  m.float_abi = static_cast<std::uint32_t>(abi.float_abi);
  m.object_repr = static_cast<std::uint32_t>(abi.object_repr);
  m.core = static_cast<std::uint32_t>(abi.core);
  return m;
}

}  // namespace mpyd
