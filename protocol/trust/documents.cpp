#include "protocol/trust/documents.hpp"

#include "mpyd/v1/trust.npb.h"
#include "protocol/in_place.hpp"
#include "protocol/nanopb_io.hpp"

namespace mpyd::trust {
namespace {

// A repeated bytes field of fixed-size values.
template <class Fixed, std::size_t N, class Array>
Result<void> read_list(const Array* items, pb_size_t count, InlineVector<Fixed, N>& out) {
  out.clear();
  for (pb_size_t i = 0; i < count; ++i) {
    MPYD_TRY_ASSIGN(const Fixed value, Fixed::from(pb::view_of(items[i])));
    if (!out.push_back(value)) return fail(Errc::limit);
  }
  return {};
}

// A threshold nobody can reach, or none at all, is a broken document.
Result<RoleKeys> read_role(const mpyd_v1_RoleKeys& m) {
  RoleKeys out;
  MPYD_TRY(read_list(m.keys, m.keys_count, out.keys));
  out.threshold = m.threshold;
  if (out.threshold == 0 || out.threshold > out.keys.size()) return fail(Errc::malformed);
  return out;
}

}  // namespace

Result<void> read_root(Bytes body, Root& out) {
  if (body.size() > kDocumentBytesMax) return fail(Errc::limit);
  mpyd_v1_Root m{};
  MPYD_TRY(pb::decode(body, mpyd_v1_Root_fields, m));
  MPYD_TRY(pb::check_format(m.format, m.min_reader));
  out.version = m.version;
  MPYD_TRY_ASSIGN(out.root, read_role(m.root));
  MPYD_TRY_ASSIGN(out.targets, read_role(m.targets));
  MPYD_TRY_ASSIGN(out.server_key, pb::fixed_of<ExchangeKey>(m.server_key));
  out.targets_epoch = m.targets_epoch;
  out.expires_unix_s = m.expires_unix_s;
  // No key serves two purposes: who signs policy must not sign roots.
  for (const SigningKey& key : out.root.keys)
    for (const SigningKey& other : out.targets.keys)
      if (key == other) return fail(Errc::malformed);
  return out.version != 0 ? Result<void>{} : fail(Errc::malformed);
}

Result<void> read_head(Bytes body, TargetsHead& out) {
  if (body.size() > kDocumentBytesMax) return fail(Errc::limit);
  mpyd_v1_TargetsHead m{};
  MPYD_TRY(pb::decode(body, mpyd_v1_TargetsHead_fields, m));
  MPYD_TRY(pb::check_format(m.format, m.min_reader));
  out.epoch = m.epoch;
  out.version = m.version;
  out.expires_unix_s = m.expires_unix_s;
  MPYD_TRY(read_list(m.revoked_keys, m.revoked_keys_count, out.revoked_keys));
  MPYD_TRY_ASSIGN(out.merkle_root, pb::fixed_of<Digest>(m.merkle_root));
  out.entry_count = m.entry_count;
  if (out.version == 0) return fail(Errc::malformed);
  return {};
}

Result<void> read_entry(Bytes body, PolicyEntry& out) {
  if (body.size() > kEntryBytesMax) return fail(Errc::limit);
  mpyd_v1_PolicyEntry m{};
  MPYD_TRY(pb::decode(body, mpyd_v1_PolicyEntry_fields, m));
  MPYD_TRY(pb::check_format(m.format, m.min_reader));
  MPYD_TRY_ASSIGN(const auto hardware_id, pb::text_of(m.hardware_id));
  MPYD_TRY_ASSIGN(out.hardware_id, HardwareId::parse(hardware_id));
  MPYD_TRY_ASSIGN(const auto driver_name, pb::text_of(m.driver_name));
  MPYD_TRY_ASSIGN(out.driver_name, parse_driver_name(driver_name));
  MPYD_TRY(read_list(m.publisher_keys, m.publisher_keys_count, out.publisher_keys));
  MPYD_TRY(read_list(m.revoked_digests, m.revoked_digests_count, out.revoked_digests));
  MPYD_TRY(read_list(m.approved_digests, m.approved_digests_count, out.approved_digests));
  MPYD_TRY(read_list(m.pinned_digests, m.pinned_digests_count, out.pinned_digests));
  out.threshold = m.threshold;
  out.floor_release = m.floor_release;
  if (out.threshold == 0 || out.threshold > out.publisher_keys.size()) return fail(Errc::malformed);
  if (m.mode > 1 || m.eeprom_packages > 1 || m.unchecked_packages > 1 || m.board_refused > 1)
    return fail(Errc::unsupported);
  out.mode = static_cast<ReleaseMode>(m.mode);
  out.eeprom_packages = m.eeprom_packages == 1;
  out.unchecked_packages = m.unchecked_packages == 1;
  out.board_refused = m.board_refused == 1;
  return {};
}

Result<void> read_signed(Bytes bytes, SignedDocument& out) {
  if (bytes.size() > kDocumentBytesMax) return fail(Errc::limit);
  mpyd_v1_SignedDocument m{};
  pb::want_view(m.body, out.body);
  MPYD_TRY(pb::decode(bytes, mpyd_v1_SignedDocument_fields, m));
  for (pb_size_t i = 0; i < m.signatures_count; ++i) {
    DocumentSignature signature;
    MPYD_TRY_ASSIGN(signature.key, pb::fixed_of<SigningKey>(m.signatures[i].key));
    MPYD_TRY_ASSIGN(signature.signature, pb::fixed_of<SignatureBytes>(m.signatures[i].signature));
    out.signatures.push_back(signature);
  }
  return {};
}

Result<void> read_proof(Bytes bytes, EntryProof& out) {
  mpyd_v1_EntryProof m{};
  pb::want_view(m.entry, out.entry);
  MPYD_TRY(pb::decode(bytes, mpyd_v1_EntryProof_fields, m));
  if (out.entry.size() > kEntryBytesMax) return fail(Errc::limit);
  out.index = m.index;
  MPYD_TRY(read_list(m.path, m.path_count, out.path));
  return {};
}

Result<Root> parse_root(Bytes body) {
  return made_in_place<Root>([&](Root& out) { return read_root(body, out); });
}
Result<TargetsHead> parse_head(Bytes body) {
  return made_in_place<TargetsHead>([&](TargetsHead& out) { return read_head(body, out); });
}
Result<PolicyEntry> parse_entry(Bytes body) {
  return made_in_place<PolicyEntry>([&](PolicyEntry& out) { return read_entry(body, out); });
}
Result<SignedDocument> parse_signed(Bytes bytes) {
  return made_in_place<SignedDocument>(
      [&](SignedDocument& out) { return read_signed(bytes, out); });
}
Result<EntryProof> parse_proof(Bytes bytes) {
  return made_in_place<EntryProof>([&](EntryProof& out) { return read_proof(bytes, out); });
}

}  // namespace mpyd::trust
