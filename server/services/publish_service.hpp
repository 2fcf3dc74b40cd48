// Taking releases in: every package is checked as a motherboard would check it, opened once in
// locked memory, and stored as ciphertext. The server signs nothing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/services/resolve_service.hpp"
#include "server/services/server_keys.hpp"
#include "server/services/trust_service.hpp"
#include "server/storage/store.hpp"

namespace mpyd::server {

inline constexpr std::size_t kVariantsPerReleaseMax = 32;

// What to do with a package that is not sealed to this server's key: whatever can be checked
// without the key is checked either way.
enum class Acceptance : std::uint8_t {
  checked,    // refuse it
  unchecked,  // take it, where the policy entry allows it, and mark it
};

struct PublishReport {
  Release release;  // as published; its variants as stored
  struct Item {
    Variant variant;
    bool existed = false;
  };
  std::vector<Item> items;  // in the order they came
  bool all_existed() const;
};

// What a publisher asks before building: is this driver here already?
struct MatchQuery {
  HardwareId hardware_id;
  DriverName driver_name;
  VersionText version;
  std::optional<std::uint32_t> release;  // absent: any
  std::uint32_t revision_min = 0;
  std::uint32_t revision_max = 0xffffffff;
  struct Item {
    Abi abi;
    Digest plain_digest;
    std::uint32_t plain_bytes = 0;
    std::vector<std::string> required_modules;
    std::uint32_t driver_interface = kDriverInterface;
    Encryption encryption = Encryption::secretstream;
  };
  std::vector<Item> items;
};

struct MatchReport {
  enum class Status : std::uint8_t { absent, same, differs };
  struct Item {
    Abi abi;
    Status status = Status::absent;
    std::optional<Digest> digest;  // of the stored package
  };
  std::optional<std::uint32_t> release;  // of this version, if it is published
  std::string deprecated;                // why nobody should take it; empty: it is not
  std::uint32_t highest_release = 0;     // of this hardware ID; 0: nothing is published
  std::string highest_version;           // of that release
  std::vector<Item> items;
};

class PublishService {
 public:
  PublishService(Store& store, const TrustService& trust, ResolveService& resolve,
                 const ServerKeys& server_keys, const Clock& clock)
      : store_(store), trust_(trust), resolve_(resolve), server_keys_(server_keys), clock_(clock) {}

  // `body` is concatenated .mpkg, all of one release, one per ABI; in one transaction all of it is
  // stored or nothing. Repeating the same bytes is a success; an ABI that a published release lacks
  // is added to it, one it has is never replaced.
  // `reach`: what whoever publishes is limited to.
  // Errors: forbidden (`reach` does not cover the hardware ID; said before anything else of it);
  // those of split_mpkg, open_package, trust::verify_release; untrusted (no policy entry);
  // revoked; no_key (not sealed to this server), policy (unchecked packages are not allowed);
  // malformed (not one release, an ABI twice); limit; conflict (version, release number or
  // ABI is taken by other content; the server's key is being changed).
  Result<PublishReport> publish(Bytes body, const std::string& actor,
                                Acceptance acceptance = Acceptance::checked,
                                const HardwareReach& reach = {});

  // Opens stored packages in locked memory to compare. Errors: limit, not_found (damaged store).
  Result<MatchReport> match(const MatchQuery& query) const;

 private:
  Store& store_;
  const TrustService& trust_;
  ResolveService& resolve_;
  const ServerKeys& server_keys_;
  const Clock& clock_;
};

}  // namespace mpyd::server
