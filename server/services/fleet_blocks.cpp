#include "server/services/fleet_blocks.hpp"

#include "protocol/package/package.hpp"
#include "server/services/packaging.hpp"

namespace mpyd::server {
namespace {

Result<void> keep(Transaction& tx, const Digest& package, const FleetKeys::Key& fleet,
                  const ByteVector& block) {
  MPYD_TRY_ASSIGN(const auto keys, tx.fleet_keys().list());
  if (keys.empty() || keys.front().generation != fleet.generation)
    return fail(Errc::conflict, "the fleet's key is being changed");
  return tx.fleet_keys().put_key_block(package, fleet.generation, block);
}

}  // namespace

Result<ByteVector> FleetBlocks::of(const Variant& variant) {
  if (variant.unchecked) return fail(Errc::no_key, "the package is not sealed to this server");
  const auto keys = fleet_keys_.list();
  if (keys.empty()) return fail(Errc::not_found, "the fleet has no key yet");
  const FleetKeys::Key& fleet = keys.front();

  std::optional<StoredPackage> stored;
  std::optional<ByteVector> known;
  MPYD_TRY(store_.read([&](const Snapshot& s) -> Result<void> {
    MPYD_TRY_ASSIGN(known, s.fleet_keys().find_key_block(variant.digest, fleet.generation));
    if (known) return {};
    MPYD_TRY_ASSIGN(stored, s.packages().find_head(variant.digest));
    return {};
  }));
  if (known) return *std::move(known);
  if (!stored) return fail(Errc::not_found, "there is no such package");
  MPYD_TRY_ASSIGN(const PackageHead head, lift(parse_package_head(stored->bytes), "package head"));

  ByteVector block;
  Result<void> sealed;
  MPYD_TRY(content_keys_.with(variant.digest, [&](const ContentKey& key) {
    sealed = append_key_block(key, {&fleet.public_key, 1}, head.manifest_digest, block);
  }));
  MPYD_TRY(sealed);
  MPYD_TRY(store_.write([&](Transaction& tx) { return keep(tx, variant.digest, fleet, block); },
                        Durability::relaxed));
  return block;
}

}  // namespace mpyd::server
