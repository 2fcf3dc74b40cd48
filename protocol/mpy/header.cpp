#include "protocol/mpy/header.hpp"

namespace mpyd::mpy {
namespace {

constexpr std::uint32_t kFlagArchFlags = 0x40;  // MPY_FEATURE_ARCH_FLAGS
constexpr std::uint32_t kArchMask = 0xf;
constexpr std::uint32_t kNewestArch = static_cast<std::uint32_t>(Arch::rv64imc);
constexpr std::size_t kFlagBytesMax = 5;  // a vuint of 32 bits

// The feature byte: bits 0-1 sub-version, 2-5 arch, 6 "arch flags follow", 7 reserved.
Result<Abi> parse_features(std::uint32_t version, std::uint32_t features) {
  if (version != 6) return fail(Errc::unsupported);
  const std::uint32_t arch = features >> 2 & kArchMask;
  if (arch > kNewestArch || (features & 0x80) != 0) return fail(Errc::unsupported);
  Abi abi;
  abi.mpy_version = static_cast<std::uint8_t>(version);
  abi.arch = static_cast<Arch>(arch);
  abi.sub_version = abi.is_native() ? static_cast<std::uint8_t>(features & 3) : std::uint8_t{0};
  return abi;
}

// Flags are of RV32's extensions; others are of an instruction set this build does not know, and a
// file without any has no place for them.
Result<Header> check_flags(const Header& header) {
  const std::uint32_t flags = header.abi.arch_flags;
  if (header.abi.arch != Arch::rv32imc || (flags & ~(kFlagZba | kFlagZcmp)) != 0)
    return fail(Errc::unsupported);
  if (flags == 0) return fail(Errc::malformed);
  return header;
}

}  // namespace

Result<Header> parse_header(Bytes file) {
  if (file.size() < kHeaderBytesMin) return fail(Errc::truncated);
  if (file[0] != std::byte{'M'}) return fail(Errc::bad_magic);
  const std::uint32_t features = load_u8(file, 2);
  Header header;
  MPYD_TRY_ASSIGN(header.abi, parse_features(load_u8(file, 1), features));
  header.abi.small_int_bits = static_cast<std::uint8_t>(load_u8(file, 3));
  if (header.abi.small_int_bits == 0 || header.abi.small_int_bits > 63)
    return fail(Errc::malformed);
  header.size = kHeaderBytesMin;
  if ((features & kFlagArchFlags) == 0) return header;
  for (std::size_t used = 0; used < kFlagBytesMax; ++used) {
    if (header.size == file.size()) return fail(Errc::truncated);
    if (header.abi.arch_flags >> 25 != 0) return fail(Errc::malformed);  // above 32 bits
    const std::uint32_t byte = load_u8(file, header.size++);
    header.abi.arch_flags = header.abi.arch_flags << 7 | (byte & 0x7f);
    if ((byte & 0x80) == 0) return check_flags(header);
  }
  return fail(Errc::malformed);
}

Result<Abi> abi_of_implementation(std::uint32_t implementation_mpy) {
  MPYD_TRY_ASSIGN(Abi abi,
                  parse_features(implementation_mpy & 0xff, implementation_mpy >> 8 & 0x3f));
  abi.sub_version = static_cast<std::uint8_t>(implementation_mpy >> 8 & 3);
  abi.arch_flags = implementation_mpy >> 16;
  return abi;
}

}  // namespace mpyd::mpy
