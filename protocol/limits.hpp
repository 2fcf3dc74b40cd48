// Every bound of the formats, in one place. schema/mpyd/v1/*.options repeats those nanopb needs;
// protocol/limits.cpp asserts that both agree.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mpyd {

// The newest format this build reads, and the oldest: 0 was never released. See schema/README.md.
inline constexpr std::uint32_t kFormat = 1;
inline constexpr std::uint32_t kFormatOldest = 1;
constexpr bool is_known_format(std::uint32_t format) {
  return format >= kFormatOldest && format <= kFormat;
}
// The driver interface (attach, detach, board) of this build.
inline constexpr std::uint32_t kDriverInterface = 1;

inline constexpr std::size_t kHardwareIdMax = 96;
inline constexpr std::size_t kDriverNameMax = 32;
inline constexpr std::size_t kVersionMax = 32;
inline constexpr std::size_t kSerialMax = 16;
inline constexpr std::size_t kConfigMax = 1024;
inline constexpr std::size_t kRequiresMax = 8;
inline constexpr std::size_t kModuleNameMax = 24;

inline constexpr std::size_t kManifestBytesMax = 768;
inline constexpr std::size_t kManifestSignaturesMax = 4;
inline constexpr std::uint32_t kChunkBytesDefault = 2048;
inline constexpr std::uint32_t kChunkBytesMin = 256;
inline constexpr std::uint32_t kChunkBytesMax = 4096;
inline constexpr std::uint32_t kPlainBytesMax = 1U << 20;  // a .mpy of a megabyte is a mistake
inline constexpr std::uint32_t kChunkCountMax = kPlainBytesMax / kChunkBytesMin;
inline constexpr std::size_t kKeyBlockEntriesMax = 8;

inline constexpr std::size_t kRoleKeysMax = 8;
inline constexpr std::size_t kDocumentSignaturesMax = 8;
inline constexpr std::size_t kDocumentBytesMax = 2560;  // a signed root or head
inline constexpr std::size_t kRevokedKeysMax = 32;
inline constexpr std::size_t kEntryBytesMax = 2048;
inline constexpr std::size_t kProofDigestsMax = 32;
inline constexpr std::size_t kPublisherKeysMax = 4;
inline constexpr std::size_t kFleetKeysMax = 4;  // that a device holds: the current and older ones
inline constexpr std::size_t kSavedEntriesMax = 64;  // policy entries that a device keeps
inline constexpr std::size_t kEntryDigestsMax = 16;
inline constexpr std::size_t kEntryPinsMax = 4;
inline constexpr std::uint32_t kRootWalkMax = 32;  // roots walked in one go

inline constexpr std::size_t kSyncBytesMax = 16384;  // a sync message, either direction
inline constexpr std::size_t kBoardsPerSyncMax = 64;
inline constexpr std::size_t kEepromBytesMax = 65536;

}  // namespace mpyd
