// The rules of trust. Whatever a device refuses by these functions, the server refuses by them too.
#pragma once

#include <string_view>

#include "protocol/package/package.hpp"
#include "protocol/trust/documents.hpp"

namespace mpyd::trust {

// Prefixes of signatures; the NUL is part of each.
inline constexpr std::string_view kRootPrefix{"mpyd root v1\0", 13};
inline constexpr std::string_view kTargetsPrefix{"mpyd targets v1\0", 16};
inline constexpr std::string_view kManifestPrefix{"mpyd manifest v1\0", 17};

// Room verify functions need for prefix || body.
inline constexpr std::size_t kScratchBytes = 32 + kDocumentBytesMax;

// Counts distinct keys of the role whose signature over prefix || body verifies; signatures by
// other keys are ignored, invalid ones do not count. Duplicate keys in the role count once.
// Errors: threshold, or bad_signature if none verified; limit if `scratch` is too small.
Result<void> verify_threshold(const SignedDocument& document, std::string_view prefix,
                              const RoleKeys& role, MutableBytes scratch);

// The first root a device or client pins: self-consistent, signed by its own threshold.
Result<Root> verify_first_root(Bytes signed_root, MutableBytes scratch);
// Root N+1, signed by the thresholds of N and N+1. Errors: also rollback (not version N+1).
Result<Root> verify_next_root(const Root& current, Bytes signed_root, MutableBytes scratch);

// SHA-256 of the body of a signed document; all zero if it is none. What fingerprints show and what
// tells two documents of one version apart: signatures may differ.
Digest body_digest(Bytes signed_document);

struct HeadInForce {
  std::uint32_t epoch = 0;
  std::uint32_t version = 0;
  Digest body_digest;  // SHA-256 of its body; all zero: not compared
};
// A head counts if the root's targets keys signed it and its epoch is the root's. Errors: also
// rollback (older than `in_force` of the same epoch; another epoch than the root's), equivocation
// (the version in force with another body), expired (against `now_unix_s`, 0: not judged).
Result<TargetsHead> verify_head(const Root& root, HeadInForce in_force, Bytes signed_head,
                                std::uint64_t now_unix_s, MutableBytes scratch);

// The entry of a hardware ID, proved under a head. Errors: untrusted (no proof, or another
// hardware ID), limit, malformed.
Result<PolicyEntry> verify_entry(const TargetsHead& head, const EntryProof& proof,
                                 const HardwareId& hardware_id);

// Of a root or a head; 0: it never does.
constexpr bool has_expired(std::uint64_t expires_unix_s, std::uint64_t now_unix_s) {
  return expires_unix_s != 0 && now_unix_s >= expires_unix_s;
}

enum class PackageOrigin : std::uint8_t { network, cache, eeprom };

// May this package run for this board, as far as its head tells? Checks publisher threshold
// (revoked keys never count), hardware ID, revision, driver name, floor and origin;
// verify_digest_policy adds revoked digests, mode and pins. ABI and content key are checked
// elsewhere.
// Errors: wrong_hardware, untrusted, threshold, bad_signature, revoked, rollback, policy, limit.
Result<void> verify_release(const PackageHead& head, const PolicyEntry& entry,
                            std::span<const SigningKey> revoked_keys, const HardwareId& hardware_id,
                            std::uint32_t revision, PackageOrigin origin, MutableBytes scratch);
// The part that needs the whole package's digest; known after pass 1. Errors: revoked, policy.
Result<void> verify_digest_policy(const Digest& digest, const PolicyEntry& entry);

// Why verify_release or verify_digest_policy refused a package, as a sentence without a full stop;
// what an explanation by the server and a motherboard's refusal both say.
std::string_view describe_refusal(Errc error);

}  // namespace mpyd::trust
