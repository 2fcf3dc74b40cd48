// What differs between two policies, entry by entry: how a signer sees what a server, another
// signer or a draft made of the policy he knows.
#pragma once

#include <string>

#include "protocol/trust/documents.hpp"
#include "server/services/documents.hpp"

namespace mpyd::server::cli {

using RevokedKeys = decltype(trust::TargetsHead::revoked_keys);

// What a targets head says besides its version and time.
struct Policy {
  EntrySet entries;
  RevokedKeys revoked_keys;
};

struct PolicyDifference {
  std::string text;      // for people: "new:", "changed:", "dropped:" and lines with - and +
  std::string sentence;  // names the first hardware IDs and what happened to each
  std::size_t count = 0;
  std::size_t backward = 0;  // of them dropped, or with a lower floor, or with less revoked

  bool empty() const { return count == 0; }
};

PolicyDifference compare_policies(const Policy& before, const Policy& after);

}  // namespace mpyd::server::cli
