// The documents of trust, parsed: root, targets head, policy entry. Parsing proves nothing;
// trust/verify.hpp does.
#pragma once

#include "protocol/digest.hpp"
#include "protocol/hardware_id.hpp"
#include "protocol/limits.hpp"

namespace mpyd::trust {

struct RoleKeys {
  InlineVector<SigningKey, kRoleKeysMax> keys;
  std::uint32_t threshold = 0;
};

struct Root {
  std::uint32_t version = 0;
  RoleKeys root;
  RoleKeys targets;
  ExchangeKey server_key;
  std::uint32_t targets_epoch = 0;
  std::uint64_t expires_unix_s = 0;  // 0: never
};

struct TargetsHead {
  std::uint32_t epoch = 0;
  std::uint32_t version = 0;
  std::uint64_t expires_unix_s = 0;
  InlineVector<SigningKey, kRevokedKeysMax> revoked_keys;
  Digest merkle_root;
  std::uint32_t entry_count = 0;
};

enum class ReleaseMode : std::uint8_t { publisher = 0, approved_only = 1 };

struct PolicyEntry {
  HardwareId hardware_id;
  DriverName driver_name;
  InlineVector<SigningKey, kPublisherKeysMax> publisher_keys;
  std::uint32_t threshold = 1;
  std::uint32_t floor_release = 0;
  InlineVector<Digest, kEntryDigestsMax> revoked_digests;
  ReleaseMode mode = ReleaseMode::publisher;
  InlineVector<Digest, kEntryDigestsMax> approved_digests;
  InlineVector<Digest, kEntryPinsMax> pinned_digests;
  bool eeprom_packages = true;
  bool unchecked_packages = false;
  bool board_refused = false;  // nothing is loaded for this board
};

// Errors of all three: malformed (for a root also: one key in two roles), limit, unsupported
// (format or min_reader).
Result<Root> parse_root(Bytes body);
Result<TargetsHead> parse_head(Bytes body);
Result<PolicyEntry> parse_entry(Bytes body);
// The same into a fresh value that is already there, for a motherboard's small stack.
Result<void> read_root(Bytes body, Root& out);
Result<void> read_head(Bytes body, TargetsHead& out);
Result<void> read_entry(Bytes body, PolicyEntry& out);

// A signed document, split into views; see schema/mpyd/v1/trust.proto.
struct DocumentSignature {
  SigningKey key;
  SignatureBytes signature;
};
struct SignedDocument {
  Bytes body;  // view into the parsed bytes
  InlineVector<DocumentSignature, kDocumentSignaturesMax> signatures;
};
Result<SignedDocument> parse_signed(Bytes bytes);  // malformed, limit
Result<void> read_signed(Bytes bytes, SignedDocument& out);

// A proof that an entry is in a head; the path's digests are copied, the entry is a view.
struct EntryProof {
  Bytes entry;
  std::uint32_t index = 0;
  InlineVector<Digest, kProofDigestsMax> path;
};
Result<EntryProof> parse_proof(Bytes bytes);  // malformed, limit
Result<void> read_proof(Bytes bytes, EntryProof& out);

}  // namespace mpyd::trust
