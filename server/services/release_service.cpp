#include "server/services/release_service.hpp"

#include <algorithm>
#include <boost/json.hpp>

#include "server/util/encoding.hpp"
#include "server/util/text.hpp"

namespace mpyd::server {
namespace {

Result<void> check_exists(const std::vector<Release>& releases,
                          const ReleaseService::Selection& selection) {
  const std::string version(selection.version.view());
  const auto release = std::ranges::find(releases, selection.version, &Release::version);
  if (release == releases.end())
    return fail(Errc::not_found, "version " + version + " of " +
                                     std::string(selection.hardware_id.view()) +
                                     " is not published");
  if (selection.abi_text.empty()) return {};
  for (const Variant& variant : release->variants)
    if (format_abi(variant.abi).view() == selection.abi_text) return {};
  return fail(Errc::not_found, "version " + version + " has no variant for " + selection.abi_text);
}

}  // namespace

Result<Page<Release>> ReleaseService::list(ReleaseStore::Filter filter) const {
  const std::size_t count_max = filter.count_max++;
  MPYD_TRY_ASSIGN(auto rows,
                  store_.get([&](const Snapshot& s) { return s.releases().list(filter); }));
  return make_page(std::move(rows), count_max);
}

Result<Release> ReleaseService::show(const HardwareId& hardware_id,
                                     const VersionText& version) const {
  return store_.get([&](const Snapshot& s) -> Result<Release> {
    MPYD_TRY_ASSIGN(const auto releases, s.releases().of_hardware(hardware_id));
    const Selection wanted{hardware_id, version, {}};
    MPYD_TRY(check_exists(releases, wanted));
    return *std::ranges::find(releases, version, &Release::version);
  });
}

Result<std::uint64_t> ReleaseService::count() const {
  return store_.get([](const Snapshot& s) { return s.releases().count(); });
}

Result<std::uint32_t> ReleaseService::set_withdrawn(const Selection& selection, bool withdrawn,
                                                    const std::string& actor) {
  std::uint32_t changed = 0;
  const Result<void> written = store_.write([&](Transaction& tx) -> Result<void> {
    MPYD_TRY_ASSIGN(const auto releases, tx.releases().of_hardware(selection.hardware_id));
    MPYD_TRY(check_exists(releases, selection));
    MPYD_TRY_ASSIGN(changed, tx.releases().set_withdrawn(selection.hardware_id, selection.version,
                                                         selection.abi_text, withdrawn));
    if (changed == 0) return {};
    return tx.audit().append(
        {clock_.now_unix_s(), actor, withdrawn ? "yank" : "unyank",
         std::string(selection.hardware_id.view()),
         boost::json::serialize(boost::json::object{{"version", selection.version.view()},
                                                    {"abi", selection.abi_text}})});
  });
  MPYD_TRY(written);
  resolve_.releases_changed();
  return changed;
}

Result<bool> ReleaseService::set_deprecated(const HardwareId& hardware_id,
                                            const VersionText& version, const std::string& message,
                                            const std::string& actor) {
  if (message.size() > kDeprecationCharsMax || !is_harmless_line(message))
    return fail(Errc::invalid_argument, "the message is one line of at most " +
                                            std::to_string(kDeprecationCharsMax) +
                                            " bytes, without control characters");
  bool is_news = false;
  const Result<void> written = store_.write([&](Transaction& tx) -> Result<void> {
    MPYD_TRY_ASSIGN(const auto releases, tx.releases().of_hardware(hardware_id));
    MPYD_TRY(check_exists(releases, {hardware_id, version, {}}));
    is_news = std::ranges::find(releases, version, &Release::version)->deprecated != message;
    if (!is_news) return {};
    MPYD_TRY(tx.releases().set_deprecated(hardware_id, version, message));
    boost::json::object detail{{"version", version.view()}};
    if (!message.empty()) detail["message"] = message;
    return tx.audit().append({clock_.now_unix_s(), actor,
                              message.empty() ? "undeprecate" : "deprecate",
                              std::string(hardware_id.view()), boost::json::serialize(detail)});
  });
  MPYD_TRY(written);
  return is_news;
}

Result<StoredPackage> ReleaseService::package(const Digest& digest) const {
  MPYD_TRY_ASSIGN(auto package,
                  store_.get([&](const Snapshot& s) { return s.packages().find(digest); }));
  if (!package) return fail(Errc::not_found, "there is no package " + to_hex(digest.bytes()));
  return *std::move(package);
}

Result<PackageStore::Part> ReleaseService::package_part(const Digest& digest, std::uint64_t offset,
                                                        std::uint64_t length) const {
  MPYD_TRY_ASSIGN(auto part, store_.get([&](const Snapshot& s) {
    return s.packages().find_part(digest, offset, length);
  }));
  if (!part) return fail(Errc::not_found, "there is no package " + to_hex(digest.bytes()));
  return *std::move(part);
}

}  // namespace mpyd::server
