// mpyd info: all that is published of a driver, and who may publish it.
#include <boost/json/array.hpp>

#include "server/cli/commands.hpp"
#include "server/cli/json_fields.hpp"
#include "server/cli/policy_text.hpp"
#include "server/cli/published.hpp"
#include "server/cli/trust_view.hpp"
#include "server/services/policy_json.hpp"

namespace mpyd::server::cli {
namespace {

namespace json = boost::json;

// The policy in force: verified from a root, or as the server tells it.
Outcome<EntrySet> policy_of(const AdminClient& client, const std::string& root_file) {
  if (root_file.empty()) {
    MPYD_TRY_ASSIGN(TrustFile documents, fetch_trust_file(client));
    MPYD_TRY_ASSIGN(EntrySet entries, EntrySet::make(std::move(documents.targets.entries)));
    return entries;
  }
  MPYD_TRY_ASSIGN(const ByteVector pinned, load_root(root_file));
  MPYD_TRY_ASSIGN(TrustView view, fetch_trust(client, pinned));
  return std::move(view.entries);
}

std::string revisions_text(const json::object& release) {
  const std::string first = shown(release, "revision_min");
  const std::string last = shown(release, "revision_max");
  if (first == "0" && last == "4294967295") return "all";
  return first + "-" + (last == "4294967295" ? "" : last);
}

Outcome<std::string> releases_text(const PublishedDriver& driver) {
  if (driver.releases.empty()) return std::string("  nothing is published yet\n");
  std::vector<std::vector<std::string>> rows = {{"VERSION", "RELEASE", "PUBLISHED", "REVISIONS",
                                                 "ABI", "BYTES", "CONTENT", "STATE", "PACKAGE"}};
  for (const json::object& release : driver.releases) {
    MPYD_TRY_ASSIGN(const auto variants, object_list(release, "variants"));
    for (const json::object& variant : variants)
      rows.push_back({shown(release, "version"), shown(release, "release"),
                      shown_time(release, "created_unix_s"), revisions_text(release),
                      shown(variant, "abi"), shown(variant, "bytes"),
                      shown(variant, "encryption") == "none" ? "public" : "sealed",
                      variant_state(release, variant), shown(variant, "digest")});
  }
  return format_table(rows);
}

json::array releases_json(const PublishedDriver& driver) {
  json::array out;
  for (const json::object& release : driver.releases) out.push_back(release);
  return out;
}

// What policy names, for a name of which nothing is published yet.
std::vector<PublishedDriver> delegated(const EntrySet& policy, const PublishedName& name) {
  std::vector<PublishedDriver> out;
  if (!name.version.empty()) return out;
  for (std::size_t i = 0; i < policy.size(); ++i) {
    const trust::PolicyEntry& entry = policy.entry(i);
    if (name.what() == entry.hardware_id.view() || name.what() == entry.driver_name.view())
      out.push_back({.hardware_id = std::string(entry.hardware_id.view()),
                     .driver_name = std::string(entry.driver_name.view()),
                     .releases = {}});
  }
  return out;
}

}  // namespace

Outcome<void> run_info(const InfoOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const PublishedName name, parse_published_name(options.name));
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options.server));
  auto published = find_published(client, name);
  if (!published && published.error().error.code != Errc::not_found)
    return fail(std::move(published).error());
  MPYD_TRY_ASSIGN(const EntrySet policy, policy_of(client, options.root_file));
  const std::vector<PublishedDriver> drivers = published ? *published : delegated(policy, name);
  if (drivers.empty()) return fail(std::move(published).error());
  const bool verified = !options.root_file.empty();
  json::array rows;
  std::string text;
  for (const PublishedDriver& driver : drivers) {
    MPYD_TRY_ASSIGN(const HardwareId id, HardwareId::parse(driver.hardware_id));
    const trust::PolicyEntry* const entry = policy.find(id);
    json::object row{{"hardware_id", driver.hardware_id},
                     {"driver_name", driver.driver_name},
                     {"policy", nullptr},
                     {"policy_verified", verified},
                     {"releases", releases_json(driver)}};
    if (entry != nullptr) row["policy"] = policy_json(*entry);
    rows.push_back(std::move(row));
    MPYD_TRY_ASSIGN(const std::string releases, releases_text(driver));
    text += (text.empty() ? "" : "\n") +
            (entry == nullptr ? driver.hardware_id + "\n  no policy: no device loads it\n"
                              : entry_text(*entry)) +
            releases;
    for (const json::object& release : driver.releases) text += deprecation_text(release);
  }
  if (!verified) out.say("policy as the server tells it; --root FILE proves it");
  out.result({{"drivers", std::move(rows)}}, text);
  return {};
}

}  // namespace mpyd::server::cli
