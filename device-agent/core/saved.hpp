// Small things a device keeps besides trust: its own key, where its server moved to, and what was
// loaded before.
#pragma once

#include "device-agent/core/trust_store.hpp"

namespace mpyd::agent {

// --- file "device": the key of a device whose identity brings none

// The kept key, or a fresh one from `entropy`, kept before it is returned: old or new, never
// neither. Errors: io (storage, or entropy that is not good: then nothing is kept), memory,
// malformed, unsupported.
Result<SecretKey> own_device_key(Store& store, Entropy& entropy);

// --- file "server", sealed: where the server said it is from now on

inline constexpr const char* kMovedServerFile = "server";
struct ServerAddress {
  InlineText<64> host;
  std::uint16_t port = 0;
  friend bool operator==(const ServerAddress&, const ServerAddress&) = default;
};
// Errors: malformed.
Result<ServerAddress> make_address(std::string_view host, std::uint32_t port);

// Counts for the provisioned address it was told under only. Errors: not_found, io, memory, and
// whatever is wrong with the file.
Result<ServerAddress> load_moved_server(const TrustStore& trust, const ServerAddress& provisioned,
                                        MutableBytes buffer);
Result<void> save_moved_server(TrustStore& trust, const ServerAddress& provisioned,
                               const ServerAddress& moved, MutableBytes buffer);

// --- files "l-<hardware>", sealed: the packages that were loaded for a hardware ID

using LoadedList = InlineVector<Digest, 8>;  // newest first

// Under the authority in force; empty if there is none.
LoadedList load_loaded(const TrustStore& trust, const char* loaded_file, MutableBytes buffer);
bool was_loaded(const TrustStore& trust, const HardwareId& hardware_id, const Digest& digest,
                MutableBytes buffer);
// What falls out of the list, and is no longer in the cache, loses its content key, too.
// Errors: io, limit.
Result<void> save_loaded(TrustStore& trust, Store& store, const HardwareId& hardware_id,
                         const Digest& digest, MutableBytes buffer);

}  // namespace mpyd::agent
