// Making the documents of trust: serialise by libprotobuf, sign, and read back by protocol/trust,
// so that nothing is signed which a device would not read the same way.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "protocol/trust/documents.hpp"
#include "server/crypto/key_file.hpp"
#include "server/util/bytes.hpp"
#include "server/util/error.hpp"

namespace mpyd::server {

using Signers = std::span<const SigningKeyPair* const>;

// Unsigned bodies. Errors: malformed, limit, as the parser of each says.
Result<ByteVector> format_root(const trust::Root& root);
Result<ByteVector> format_head(const trust::TargetsHead& head);
Result<ByteVector> format_entry(const trust::PolicyEntry& entry);

// A SignedDocument over prefix || body, one signature per signer, in the signers' order.
// Errors: invalid_argument (no signer, or one twice), limit.
Result<ByteVector> sign_document(Bytes body, std::string_view prefix, Signers signers);
Result<ByteVector> sign_root(const trust::Root& root, Signers signers);

// The document with the signers' signatures added to those it has; none may be there yet, and a
// signature by the same key is replaced. Errors: malformed, limit (more than 8 signatures).
Result<ByteVector> add_signatures(Bytes document, std::string_view prefix, Signers signers);

// How many distinct keys of the role have signed, validly. Errors: malformed, limit.
Result<std::uint32_t> count_signatures(Bytes document, std::string_view prefix,
                                       const trust::RoleKeys& role);

// The same over a body nobody signed yet. Errors: limit.
Result<ByteVector> unsigned_document(Bytes body);

// All policy entries of an operator, as the bytes that are hashed.
class EntrySet {
 public:
  // Any order; sorted by hardware ID. Errors: those of parse_entry; conflict if two entries are of
  // one hardware ID.
  static Result<EntrySet> make(std::vector<ByteVector> entries);

  // Adds the entry, or replaces the one of its hardware ID. Errors: as format_entry.
  Result<void> put(const trust::PolicyEntry& entry);

  // Null if there is none.
  const trust::PolicyEntry* find(const HardwareId& hardware_id) const;
  const ByteVector* find_bytes(const HardwareId& hardware_id) const;
  Digest merkle_root() const;
  // A serialised EntryProof. Errors: not_found.
  Result<ByteVector> proof(const HardwareId& hardware_id) const;

  std::size_t size() const { return entries_.size(); }
  const ByteVector& bytes(std::size_t index) const { return entries_[index].bytes; }
  const trust::PolicyEntry& entry(std::size_t index) const { return entries_[index].entry; }

 private:
  struct Item {
    ByteVector bytes;
    trust::PolicyEntry entry;
    Digest leaf;
  };
  std::vector<Digest> leaves() const;
  std::size_t position(const HardwareId& hardware_id) const;

  std::vector<Item> entries_;
};

// A signed head over `entries`: merkle_root and entry_count are filled in here.
Result<ByteVector> sign_head(trust::TargetsHead head, const EntrySet& entries, Signers signers);

// Walks roots[0] (pinned: it must verify by itself) to the last, each by the rules of its
// predecessor. Errors: those of trust::verify_next_root; limit for more than kRootsMax.
inline constexpr std::size_t kRootsMax = 4096;
Result<trust::Root> walk_roots(std::span<const ByteVector> roots);

// What people compare: lower-case hex SHA-256 of the root's signed body.
// Errors: malformed, limit.
Result<std::string> root_fingerprint(Bytes signed_root);

}  // namespace mpyd::server
