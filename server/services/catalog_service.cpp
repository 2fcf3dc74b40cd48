#include "server/services/catalog_service.hpp"

#include <algorithm>
#include <map>

#include "server/util/encoding.hpp"

namespace mpyd::server {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

bool holds(std::string_view text, const std::string& lower_part) {
  return lower(text).find(lower_part) != std::string::npos;
}

// The entries that a driver filter lets through, in their order, at most `count_max`.
std::vector<const trust::PolicyEntry*> entries_of(const EntrySet& entries,
                                                  const ReleaseStore::DriverFilter& filter) {
  std::vector<const trust::PolicyEntry*> out;
  const std::string text = lower(filter.text);
  for (std::size_t i = 0; i < entries.size() && out.size() < filter.count_max; ++i) {
    const trust::PolicyEntry& entry = entries.entry(i);
    const std::string_view id = entry.hardware_id.view();
    if (id > filter.after && filter.reach.covers(id) &&
        (holds(id, text) || holds(entry.driver_name.view(), text)))
      out.push_back(&entry);
  }
  return out;
}

std::optional<trust::PolicyEntry> find_entry(const TrustView& view, const HardwareId& id) {
  const trust::PolicyEntry* const entry = view.entries().find(id);
  return entry == nullptr ? std::nullopt : std::optional(*entry);
}

}  // namespace

Result<Page<CatalogService::Driver>> CatalogService::drivers(
    ReleaseStore::DriverFilter filter) const {
  const std::size_t count_max = filter.count_max++;
  const auto view = trust_.view();
  MPYD_TRY_ASSIGN(const auto published,
                  store_.get([&](const Snapshot& s) { return s.releases().drivers(filter); }));
  // Each has the first rows of its half, so the first rows of both are among them.
  std::map<std::string, Driver, std::less<>> both;
  for (const auto& row : published)
    both[std::string(row.hardware_id.view())] = {row.hardware_id,
                                                 find_entry(*view, row.hardware_id), row};
  for (const trust::PolicyEntry* entry : entries_of(view->entries(), filter))
    both.try_emplace(std::string(entry->hardware_id.view()),
                     Driver{entry->hardware_id, *entry, std::nullopt});
  std::vector<Driver> rows;
  for (auto& [id, driver] : both) {
    if (rows.size() == filter.count_max) break;
    rows.push_back(std::move(driver));
  }
  return make_page(std::move(rows), count_max);
}

Result<CatalogService::Driver> CatalogService::driver(const HardwareId& hardware_id) const {
  Driver out{hardware_id, find_entry(*trust_.view(), hardware_id), std::nullopt};
  MPYD_TRY_ASSIGN(const auto releases, store_.get([&](const Snapshot& s) {
    return s.releases().of_hardware(hardware_id);
  }));
  if (!releases.empty())
    out.published =
        ReleaseStore::Driver{hardware_id, releases.front().driver_name, releases.front().version,
                             releases.front().release, releases.size()};
  if (!out.entry && !out.published)
    return fail(Errc::not_found,
                "neither policy nor a release names " + std::string(hardware_id.view()));
  return out;
}

Page<trust::PolicyEntry> CatalogService::policy(std::string_view after, const HardwareReach& reach,
                                                std::size_t count_max) const {
  const auto view = trust_.view();
  std::vector<trust::PolicyEntry> rows;
  for (const trust::PolicyEntry* entry : entries_of(
           view->entries(),
           {.after = std::string(after), .text = {}, .reach = reach, .count_max = count_max + 1}))
    rows.push_back(*entry);
  return make_page(std::move(rows), count_max);
}

Result<trust::PolicyEntry> CatalogService::policy_of(const HardwareId& hardware_id) const {
  auto entry = find_entry(*trust_.view(), hardware_id);
  if (!entry)
    return fail(Errc::not_found, "no policy entry names " + std::string(hardware_id.view()));
  return *std::move(entry);
}

Page<CatalogService::Publisher> CatalogService::publishers(const std::optional<SigningKey>& after,
                                                           const HardwareReach& reach,
                                                           std::size_t count_max) const {
  const auto view = trust_.view();
  std::map<SigningKey, Publisher> found;
  for (std::size_t i = 0; i < view->entries().size(); ++i) {
    const trust::PolicyEntry& entry = view->entries().entry(i);
    if (!reach.covers(entry.hardware_id.view())) continue;
    for (const SigningKey& key : entry.publisher_keys)
      if (!after || *after < key) found[key].hardware_ids.push_back(entry.hardware_id);
  }
  std::vector<Publisher> rows;
  for (auto& [key, publisher] : found) {
    if (rows.size() > count_max) break;
    publisher.key = key;
    publisher.is_revoked = view->head() && std::ranges::find(view->head()->revoked_keys, key) !=
                                               view->head()->revoked_keys.end();
    rows.push_back(std::move(publisher));
  }
  return make_page(std::move(rows), count_max);
}

Result<Release> CatalogService::package(const Digest& digest) const {
  MPYD_TRY_ASSIGN(auto release,
                  store_.get([&](const Snapshot& s) { return s.releases().of_package(digest); }));
  if (!release) return fail(Errc::not_found, "there is no package " + to_hex(digest.bytes()));
  return *std::move(release);
}

}  // namespace mpyd::server
