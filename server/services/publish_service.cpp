#include "server/services/publish_service.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "protocol/trust/verify.hpp"
#include "server/services/packaging.hpp"
#include "server/util/encoding.hpp"

namespace mpyd::server {
namespace {

// One package of an upload that passed every check.
struct Checked {
  PackageView bytes;
  Manifest manifest;
  Digest digest;
  bool unchecked = false;  // nobody here could open it
};

std::string title(const Manifest& manifest) {
  return std::string(manifest.driver_name.view()) + " " + std::string(manifest.version.view()) +
         " for " + std::string(format_abi(manifest.abi).view());
}

Error too_many_variants() {
  return Error(Errc::limit,
               "a release has at most " + std::to_string(kVariantsPerReleaseMax) + " variants");
}

bool same_release(const Manifest& a, const Manifest& b) {
  return a.hardware_id == b.hardware_id && a.driver_name == b.driver_name &&
         a.version == b.version && a.release == b.release && a.revision_min == b.revision_min &&
         a.revision_max == b.revision_max;
}

// Approval and pins are the operator's later word: a package may wait here for them. Everything
// else a motherboard refuses is refused here too.
Result<void> check_policy(const TrustView& view, const PackageHead& head, const Digest& digest) {
  const Manifest& manifest = head.manifest;
  const trust::PolicyEntry* entry = view.entries().find(manifest.hardware_id);
  if (entry == nullptr)
    return fail(Errc::untrusted, "no policy entry names " +
                                     std::string(manifest.hardware_id.view()) +
                                     "; the operator delegates it first: mpyd trust delegate");
  std::vector<std::byte> scratch(trust::kScratchBytes);
  const auto& revoked = view.head()->revoked_keys;
  MPYD_TRY(trust::verify_release(head, *entry, {revoked.begin(), revoked.size()},
                                 manifest.hardware_id, manifest.revision_min,
                                 trust::PackageOrigin::network, scratch));
  const auto allowed = trust::verify_digest_policy(digest, *entry);
  if (!allowed && allowed.error() != Errc::policy) return fail(Error(allowed.error()));
  return {};
}

// What to do with a package that this server has no key to.
Result<Checked> take_unchecked(Checked checked, const TrustView& view, Acceptance acceptance) {
  const std::string what = title(checked.manifest);
  if (acceptance != Acceptance::unchecked)
    return fail(Errc::no_key, what +
                                  ": the package is not sealed to this server's key; build it "
                                  "again with the root that names this server, or publish it "
                                  "--unchecked");
  const trust::PolicyEntry* entry = view.entries().find(checked.manifest.hardware_id);
  if (entry == nullptr || !entry->unchecked_packages)
    return fail(Errc::policy, what +
                                  ": the policy entry allows no unchecked packages; the operator "
                                  "does: mpyd trust delegate --unchecked-packages");
  checked.unchecked = true;
  return checked;
}

// What an upload is held against.
struct Bounds {
  const TrustView& view;
  const ExchangeKeyPair& server_key;
  Acceptance acceptance;
  const HardwareReach& reach;
};

Result<Checked> check_one(const PackageView& bytes, const Bounds& bounds) {
  const auto& [view, server_key, acceptance, reach] = bounds;
  MPYD_TRY_ASSIGN(const CheckedPackage checked, check_package(bytes.package));
  MPYD_TRY(reach.check(checked.head.manifest.hardware_id));
  const std::string what = title(checked.head.manifest);
  MPYD_TRY(with_context(check_policy(view, checked.head, checked.digest), what));
  const Checked taken{bytes, checked.head.manifest, checked.digest};
  auto opened = open_package(bytes.package, bytes.key_block, server_key);
  if (!opened && opened.error().code == Errc::no_key)
    return take_unchecked(taken, view, acceptance);
  if (!opened) return fail(std::move(opened).error().with(what));
  return taken;
}

Result<std::vector<Checked>> check_all(Bytes body, const Bounds& bounds) {
  MPYD_TRY_ASSIGN(const auto parts, split_mpkg(body));
  if (parts.size() > kVariantsPerReleaseMax) return fail(too_many_variants());
  std::vector<Checked> out;
  for (const PackageView& part : parts) {
    MPYD_TRY_ASSIGN(Checked checked, check_one(part, bounds));
    if (!out.empty() && !same_release(out.front().manifest, checked.manifest))
      return fail(Errc::malformed,
                  "the packages are not of one release: hardware ID, name, version, release number "
                  "and revisions must be the same");
    for (const Checked& earlier : out)
      if (format_abi(earlier.manifest.abi) == format_abi(checked.manifest.abi))
        return fail(Errc::malformed, title(checked.manifest) + " is in the upload twice");
    out.push_back(checked);
  }
  return out;
}

Release release_of(const Manifest& manifest, std::uint64_t now_unix_s) {
  return Release{.hardware_id = manifest.hardware_id,
                 .driver_name = manifest.driver_name,
                 .version = manifest.version,
                 .release = manifest.release,
                 .revision_min = manifest.revision_min,
                 .revision_max = manifest.revision_max,
                 .created_unix_s = now_unix_s};
}

Variant variant_of(const Checked& checked) {
  return Variant{.abi = checked.manifest.abi,
                 .digest = checked.digest,
                 .package_bytes = static_cast<std::uint32_t>(checked.bytes.package.size()),
                 .encryption = checked.manifest.encryption,
                 .unchecked = checked.unchecked};
}

const Release* find_version(const std::vector<Release>& releases, const VersionText& version) {
  const auto at = std::ranges::find(releases, version, &Release::version);
  return at == releases.end() ? nullptr : &*at;
}

const Variant* find_variant(const Release& release, const Abi& abi) {
  for (const Variant& variant : release.variants)
    if (format_abi(variant.abi) == format_abi(abi)) return &variant;
  return nullptr;
}

std::uint32_t highest_release(const std::vector<Release>& releases) {
  return releases.empty() ? 0 : releases.front().release;  // of_hardware() sorts so
}

// May `wanted` become a release beside `present`? Null: yes, a new one; else the one it belongs to.
Result<const Release*> find_place(const std::vector<Release>& present, const Release& wanted) {
  const std::string version(wanted.version.view());
  if (const Release* found = find_version(present, wanted.version)) {
    if (found->release == wanted.release && found->driver_name == wanted.driver_name &&
        found->revision_min == wanted.revision_min && found->revision_max == wanted.revision_max)
      return found;
    return fail(Errc::conflict, "version " + version + " is published already, as release " +
                                    std::to_string(found->release) +
                                    " with another name, number or revisions; raise the version");
  }
  if (const std::uint32_t highest = highest_release(present); wanted.release <= highest)
    return fail(Errc::conflict, "release number " + std::to_string(wanted.release) +
                                    " of the new version " + version + " must be above " +
                                    std::to_string(highest) + ", the highest published");
  return nullptr;
}

Result<PublishReport> store_all(Transaction& tx, const std::vector<Checked>& packages,
                                std::uint64_t now_unix_s, const std::string& actor) {
  PublishReport report{.release = release_of(packages.front().manifest, now_unix_s)};
  MPYD_TRY_ASSIGN(const auto present, tx.releases().of_hardware(report.release.hardware_id));
  MPYD_TRY_ASSIGN(const Release* const place, find_place(present, report.release));
  if (place != nullptr) report.release.deprecated = place->deprecated;
  if (place == nullptr) MPYD_TRY(tx.releases().add(report.release));

  std::size_t variants = place == nullptr ? 0 : place->variants.size();
  boost::json::array digests;
  bool unchecked = false;
  for (const Checked& package : packages) {
    const Variant variant = variant_of(package);
    const Variant* stored = place == nullptr ? nullptr : find_variant(*place, variant.abi);
    if (stored != nullptr && stored->digest != variant.digest)
      return fail(Errc::conflict, title(package.manifest) +
                                      " is published already with other content (" +
                                      to_hex(stored->digest.bytes()) + "); raise the version");
    report.items.push_back({stored != nullptr ? *stored : variant, stored != nullptr});
    if (stored != nullptr) continue;
    if (++variants > kVariantsPerReleaseMax) return fail(too_many_variants());
    MPYD_TRY(tx.packages().add(variant.digest, package.bytes.package, package.bytes.key_block));
    MPYD_TRY(tx.releases().add_variant(report.release, variant));
    digests.emplace_back(to_hex(variant.digest.bytes()));
    unchecked = unchecked || variant.unchecked;
  }
  if (digests.empty()) return report;
  const Release& release = report.release;
  MPYD_TRY(tx.audit().append(
      {now_unix_s, actor, "publish", std::string(release.hardware_id.view()),
       boost::json::serialize(boost::json::object{{"driver_name", release.driver_name.view()},
                                                  {"version", release.version.view()},
                                                  {"release", release.release},
                                                  {"packages", digests},
                                                  {"unchecked", unchecked}})}));
  return report;
}

bool same_fields_as(const MatchQuery& query, const MatchQuery::Item& item,
                    const Manifest& manifest) {
  return manifest.driver_name == query.driver_name && manifest.revision_min == query.revision_min &&
         manifest.revision_max == query.revision_max &&
         manifest.driver_interface == item.driver_interface &&
         manifest.encryption == item.encryption && manifest.plain_bytes == item.plain_bytes &&
         std::ranges::equal(manifest.required_modules, item.required_modules, {},
                            [](const auto& module) { return module.view(); });
}

}  // namespace

bool PublishReport::all_existed() const { return std::ranges::all_of(items, &Item::existed); }

Result<PublishReport> PublishService::publish(Bytes body, const std::string& actor,
                                              Acceptance acceptance, const HardwareReach& reach) {
  const auto view = trust_.view();
  const ServerKeys::Key server_key = server_keys_.current();
  MPYD_TRY_ASSIGN(const auto packages, check_all(body, {*view, *server_key, acceptance, reach}));
  PublishReport report;
  const Result<void> written = store_.write([&](Transaction& tx) -> Result<void> {
    if (!server_keys_.is_staying(server_key))
      return fail(Errc::conflict,
                  "the server's key is being changed; publish again, with the newest root");
    MPYD_TRY_ASSIGN(report, store_all(tx, packages, clock_.now_unix_s(), actor));
    return {};
  });
  MPYD_TRY(written);
  resolve_.releases_changed();
  return report;
}

Result<MatchReport> PublishService::match(const MatchQuery& query) const {
  if (query.items.size() > kVariantsPerReleaseMax) return fail(too_many_variants());
  const ServerKeys::Key server_key = server_keys_.current();
  return store_.get([&](const Snapshot& snapshot) -> Result<MatchReport> {
    MPYD_TRY_ASSIGN(const auto releases, snapshot.releases().of_hardware(query.hardware_id));
    MatchReport report{.highest_release = highest_release(releases)};
    if (!releases.empty()) report.highest_version = releases.front().version.view();
    const Release* const release = find_version(releases, query.version);
    if (release != nullptr) {
      report.release = release->release;
      report.deprecated = release->deprecated;
    }
    for (const MatchQuery::Item& item : query.items) {
      const Variant* const variant =
          release == nullptr ? nullptr : find_variant(*release, item.abi);
      if (variant == nullptr) {
        report.items.push_back({.abi = item.abi});
        continue;
      }
      if (variant->unchecked) {  // nobody here can tell
        report.items.push_back(
            {.abi = item.abi, .status = MatchReport::Status::differs, .digest = variant->digest});
        continue;
      }
      MPYD_TRY_ASSIGN(const auto stored, snapshot.packages().find(variant->digest));
      if (!stored) return fail(Errc::internal, "a stored variant has no package");
      MPYD_TRY_ASSIGN(const OpenedPackage opened,
                      open_package(stored->bytes, stored->key_block, *server_key));
      const bool same = opened.plain_digest == item.plain_digest &&
                        (!query.release || *query.release == release->release) &&
                        same_fields_as(query, item, opened.manifest);
      report.items.push_back(
          {.abi = item.abi,
           .status = same ? MatchReport::Status::same : MatchReport::Status::differs,
           .digest = variant->digest});
    }
    return report;
  });
}

}  // namespace mpyd::server
