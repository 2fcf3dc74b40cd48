// What is published, as search, info, diff and pull name and read it.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <vector>

#include "server/cli/admin_client.hpp"
#include "server/services/packaging.hpp"

namespace mpyd::server::cli {

// NAME, NAME@VERSION, HARDWARE_ID or HARDWARE_ID@VERSION.
struct PublishedName {
  std::string hardware_id;  // this or
  std::string driver_name;
  std::string version;  // empty: none was named

  // As it was written, without the version.
  const std::string& what() const { return hardware_id.empty() ? driver_name : hardware_id; }
};
// Errors: invalid_argument.
Outcome<PublishedName> parse_published_name(const std::string& text);

// Releases of one driver: `name` of a hardware ID, or of a driver that several boards may have.
struct PublishedDriver {
  std::string hardware_id;
  std::string driver_name;
  std::vector<boost::json::object> releases;  // as the API tells them, the highest first
};
// Every driver of which something is published, by hardware ID. Both filters may be empty.
// Errors: those of the admin API; bad_digest (rows that were not asked for).
Outcome<std::vector<PublishedDriver>> list_published(const AdminClient& client,
                                                     const std::string& hardware_id,
                                                     const std::string& driver_name);
// Those of this name, of this version if it names one. Errors: also not_found.
Outcome<std::vector<PublishedDriver>> find_published(const AdminClient& client,
                                                     const PublishedName& name);
// The one release that is meant: without a version the highest that is still offered.
// Errors: also invalid_argument (drivers of several boards have this name), not_found.
struct PublishedRelease {
  std::string hardware_id;
  boost::json::object release;
};
Outcome<PublishedRelease> find_one_release(const AdminClient& client, const PublishedName& name);

// Is any variant of the release still offered?
bool is_offered(const boost::json::object& release);
std::string variant_state(const boost::json::object& release, const boost::json::object& variant);
// "ID VERSION is deprecated: WHY" as a line; empty if it is not.
std::string deprecation_text(const boost::json::object& release);

// Of one release, with the variant that is meant: whether a server, which names the digest as
// well, sent what was asked for.
struct PublishedVariant {
  boost::json::object release;
  boost::json::object variant;
};

// A package as it was published, whole: its chain verified, its digest the one asked for, and its
// manifest what the release's row says, if there is one. Who may publish it, trust decides.
// Errors: those of the admin API; bad_digest, those of check_package.
struct FetchedPackage {
  ByteVector bytes;        // package and key block
  PackageView view;        // into `bytes`
  CheckedPackage checked;  // the same
};
Outcome<FetchedPackage> fetch_package(const AdminClient& client, const std::string& digest);
Outcome<FetchedPackage> fetch_package(const AdminClient& client, const PublishedVariant& wanted);

}  // namespace mpyd::server::cli
