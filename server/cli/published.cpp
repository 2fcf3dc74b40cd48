#include "server/cli/published.hpp"

#include <algorithm>

#include "server/cli/json_fields.hpp"
#include "server/cli/package_text.hpp"

namespace mpyd::server::cli {
namespace {

namespace json = boost::json;

constexpr const char* kNothingKept =
    "nothing was kept; a cache between here and the server may be broken";

std::string versions_of(const std::vector<PublishedDriver>& drivers) {
  std::vector<std::string> versions;
  for (const PublishedDriver& driver : drivers)
    for (const json::object& release : driver.releases) {
      const std::string version = shown(release, "version");
      if (std::ranges::find(versions, version) == versions.end()) versions.push_back(version);
    }
  constexpr std::size_t kVersionsNamed = 5;
  std::string out;
  for (std::size_t i = 0; i < std::min(versions.size(), kVersionsNamed); ++i)
    out += (i == 0 ? "" : ", ") + versions[i];
  return versions.size() > kVersionsNamed ? out + " ..." : out;
}

// Drops all other versions, and drivers that have not this one.
void keep_version(std::vector<PublishedDriver>& drivers, const std::string& version) {
  for (PublishedDriver& driver : drivers)
    std::erase_if(driver.releases, [&](const json::object& release) {
      return shown(release, "version") != version;
    });
  std::erase_if(drivers, [](const PublishedDriver& driver) { return driver.releases.empty(); });
}

}  // namespace

Outcome<PublishedName> parse_published_name(const std::string& text) {
  PublishedName name;
  // A hardware ID writes @ as %40.
  const std::size_t at = text.find('@');
  const std::string what = text.substr(0, at);
  if (at != std::string::npos) {
    name.version = text.substr(at + 1);
    if (!parse_version(name.version))
      return failure(Errc::invalid_argument, text + " names no version of the form X.Y.Z",
                     "write NAME@1.2.3 or HARDWARE_ID@1.2.3");
  }
  if (what.find(':') != std::string::npos) {
    if (!HardwareId::parse(what))
      return failure(Errc::invalid_argument,
                     what + " is not a hardware ID of the form scheme:vendor:product",
                     "bytes outside A-Z a-z 0-9 . _ ~ - are percent-encoded, as in "
                     "hat:Meadow%20Instruments:0042");
    name.hardware_id = what;
    return name;
  }
  if (!parse_driver_name(what))
    return failure(Errc::invalid_argument, "'" + what + "' is not the name of a driver",
                   "name a driver (thermo) or a hardware ID (hat:Meadow%20Instruments:0042); "
                   "mpyd search lists them");
  name.driver_name = what;
  return name;
}

Outcome<std::vector<PublishedDriver>> list_published(const AdminClient& client,
                                                     const std::string& hardware_id,
                                                     const std::string& driver_name) {
  MPYD_TRY_ASSIGN(const json::object answer,
                  client.get_all("/v1/admin/releases" + query_of({{"hardware_id", hardware_id},
                                                                  {"driver_name", driver_name},
                                                                  {"limit", kListPage}}),
                                 "releases"));
  MPYD_TRY_ASSIGN(const auto releases, object_list(answer, "releases"));
  std::vector<PublishedDriver> drivers;
  for (const json::object& release : releases) {
    MPYD_TRY_ASSIGN(const std::string id, text_field(release, "hardware_id"));
    MPYD_TRY_ASSIGN(const std::string name, text_field(release, "driver_name"));
    if ((!hardware_id.empty() && id != hardware_id) ||
        (!driver_name.empty() && name != driver_name))
      return failure(Errc::bad_digest,
                     "asked for " + (hardware_id.empty() ? driver_name : hardware_id) +
                         ", the server told of " + name + " of " + id,
                     kNothingKept);
    // They come sorted by hardware ID.
    if (drivers.empty() || drivers.back().hardware_id != id) drivers.push_back({id, name, {}});
    drivers.back().releases.push_back(release);
  }
  return drivers;
}

Outcome<std::vector<PublishedDriver>> find_published(const AdminClient& client,
                                                     const PublishedName& name) {
  MPYD_TRY_ASSIGN(std::vector<PublishedDriver> drivers,
                  list_published(client, name.hardware_id, name.driver_name));
  if (drivers.empty())
    return failure(Errc::not_found, "nothing is published for " + name.what(),
                   "mpyd search lists what is; mpyd search TEXT finds parts of a name");
  if (name.version.empty()) return drivers;
  const std::string versions = versions_of(drivers);
  keep_version(drivers, name.version);
  if (drivers.empty())
    return failure(Errc::not_found,
                   "version " + name.version + " of " + name.what() + " is not published",
                   "there are " + versions + "; mpyd info " + name.what() + " shows all");
  return drivers;
}

Outcome<PublishedRelease> find_one_release(const AdminClient& client, const PublishedName& name) {
  MPYD_TRY_ASSIGN(const std::vector<PublishedDriver> drivers, find_published(client, name));
  if (drivers.size() > 1)
    return failure(Errc::invalid_argument,
                   std::to_string(drivers.size()) + " boards have a driver called " + name.what() +
                       ": " + drivers[0].hardware_id + ", " + drivers[1].hardware_id +
                       (drivers.size() > 2 ? " ..." : ""),
                   "name the board: " + drivers[0].hardware_id +
                       (name.version.empty() ? "" : "@" + name.version));
  const PublishedDriver& driver = drivers.front();
  const auto release = std::ranges::find_if(driver.releases, [&](const json::object& one) {
    return !name.version.empty() || is_offered(one);
  });
  if (release == driver.releases.end())
    return failure(Errc::not_found, "every release of " + name.what() + " is yanked",
                   "name the version if you want it all the same: " + name.what() + "@" +
                       shown(driver.releases.front(), "version"));
  return PublishedRelease{driver.hardware_id, *release};
}

bool is_offered(const json::object& release) {
  const auto variants = object_list(release, "variants");
  return variants && std::ranges::any_of(*variants, [](const json::object& variant) {
           return shown(variant, "withdrawn") != "true";
         });
}

std::string variant_state(const json::object& release, const json::object& variant) {
  std::string state = shown(variant, "withdrawn") == "true" ? "yanked" : "offered";
  if (shown(variant, "unchecked") == "true") state += ", unchecked";
  return is_absent(release, "deprecated") ? state : state + ", deprecated";
}

std::string deprecation_text(const json::object& release) {
  if (is_absent(release, "deprecated")) return {};
  return shown(release, "hardware_id") + " " + shown(release, "version") +
         " is deprecated: " + shown(release, "deprecated") + "\n";
}

Outcome<FetchedPackage> fetch_package(const AdminClient& client, const std::string& digest) {
  MPYD_TRY_ASSIGN(ByteVector bytes,
                  client.get_bytes("/v1/admin/packages/" + path_segment(digest) + "/content"));
  FetchedPackage out{.bytes = std::move(bytes), .view = {}, .checked = {}};
  MPYD_TRY_ASSIGN(const std::vector<PackageView> views,
                  with_context(split_mpkg(out.bytes), "package " + digest));
  if (views.size() != 1)
    return failure(Errc::malformed, "the server sent more than the package " + digest);
  out.view = views.front();
  MPYD_TRY_ASSIGN(out.checked, with_context(check_package(out.view.package), "package " + digest));
  if (format_digest(out.checked.digest).view() != digest)
    return failure(Errc::bad_digest, "the server sent another package than " + digest,
                   kNothingKept);
  return out;
}

Outcome<FetchedPackage> fetch_package(const AdminClient& client, const PublishedVariant& wanted) {
  MPYD_TRY_ASSIGN(const std::string digest, text_field(wanted.variant, "digest"));
  MPYD_TRY_ASSIGN(FetchedPackage package, fetch_package(client, digest));
  const json::object sent = package_json(package.checked, package.view.key_block);
  for (const char* const field : {"hardware_id", "driver_name", "version", "release", "abi"}) {
    const bool is_abi = std::string_view(field) == "abi";
    const std::string listed = shown(is_abi ? wanted.variant : wanted.release, field);
    if (shown(sent, field) != listed)
      return failure(Errc::bad_digest,
                     "the server listed package " + digest + " as " + field + " " + listed +
                         ", but its signed manifest says " + shown(sent, field),
                     kNothingKept);
  }
  return package;
}

}  // namespace mpyd::server::cli
