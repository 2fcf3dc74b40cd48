// mpyd pull: packages as they were published, proved before their files get their names.
#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <filesystem>
#include <variant>

#include "protocol/package/key_block.hpp"
#include "server/cli/commands.hpp"
#include "server/cli/json_fields.hpp"
#include "server/cli/package_text.hpp"
#include "server/cli/progress.hpp"
#include "server/cli/published.hpp"
#include "server/cli/trust_view.hpp"
#include "server/util/clock.hpp"
#include "server/util/file.hpp"

namespace mpyd::server::cli {
namespace {

namespace json = boost::json;

// What is meant: a digest says all of it.
using Wanted = std::variant<std::string, PublishedVariant>;

Outcome<std::vector<Wanted>> find_wanted(const AdminClient& client, const PullOptions& options,
                                         const Output& out) {
  if (parse_digest(options.name)) {
    if (options.abis.empty()) return std::vector<Wanted>{options.name};
    return failure(Errc::invalid_argument, "a digest names one package, which has one ABI",
                   "leave --abi out");
  }
  MPYD_TRY_ASSIGN(const PublishedName name, parse_published_name(options.name));
  MPYD_TRY_ASSIGN(const PublishedRelease found, find_one_release(client, name));
  MPYD_TRY_ASSIGN(const auto variants, object_list(found.release, "variants"));
  const std::string title = name.what() + " " + shown(found.release, "version");
  if (const std::string advice = deprecation_text(found.release); !advice.empty())
    out.say("note: " + advice.substr(0, advice.size() - 1));
  std::vector<Wanted> wanted;
  std::string there;
  std::vector<std::string> missing = options.abis;
  for (const json::object& variant : variants) {
    const std::string abi = shown(variant, "abi");
    there += (there.empty() ? "" : ", ") + abi;
    std::erase(missing, abi);
    if (!options.abis.empty() && std::ranges::find(options.abis, abi) == options.abis.end())
      continue;
    if (shown(variant, "withdrawn") == "true")
      out.say("note: " + title + " for " + abi + " is yanked: no device gets it any more");
    wanted.emplace_back(PublishedVariant{found.release, variant});
  }
  if (missing.empty()) return wanted;
  return failure(Errc::not_found, title + " has no variant for " + missing.front(),
                 "it is there for " + there);
}

// Would a device with this root take it? The lowest of its board revisions stands for all of them.
Outcome<void> verify_trusted(const FetchedPackage& package, const TrustView& trust) {
  const Manifest& manifest = package.checked.head.manifest;
  const trust::PolicyEntry* const entry = trust.entries.find(manifest.hardware_id);
  if (entry == nullptr)
    return failure(Errc::untrusted,
                   "no policy entry names " + std::string(manifest.hardware_id.view()),
                   "mpyd trust show lists those that are in force");
  std::array<std::byte, trust::kScratchBytes> scratch{};
  auto trusted = trust::verify_release(package.checked.head, *entry, trust.head->revoked_keys,
                                       manifest.hardware_id, manifest.revision_min,
                                       trust::PackageOrigin::network, scratch);
  if (trusted) trusted = trust::verify_digest_policy(package.checked.digest, *entry);
  if (trusted) return {};
  return failure(trusted.error(), std::string(trust::describe_refusal(trusted.error())),
                 "nothing was written; mpyd info " + std::string(manifest.hardware_id.view()) +
                     " shows the policy");
}

// A file that is there already is good if it is the same package: its key block may be another.
Outcome<bool> is_there_already(const std::string& path, const Digest& digest) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return false;
  MPYD_TRY_ASSIGN(const ByteVector bytes, read_file(path, kPackageBytesMax + kKeyBlockBytesMax));
  const auto views = split_mpkg(bytes);
  if (views && views->size() == 1) {
    const auto checked = check_package(views->front().package);
    if (checked && checked->digest == digest) return true;
  }
  return failure(Errc::conflict, path + " is there, and holds something else",
                 "move it away, or name another folder with --out");
}

Outcome<std::string> keep(const FetchedPackage& package, const std::string& folder,
                          const Output& out) {
  const std::string path = folder + "/" + mpkg_file_name(package.checked.head.manifest);
  MPYD_TRY_ASSIGN(const bool already, is_there_already(path, package.checked.digest));
  if (already)
    out.say(path + " was there already");
  else
    MPYD_TRY(create_file(path, package.bytes, 0644));
  return path;
}

}  // namespace

Outcome<void> run_pull(const PullOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const ByteVector pinned, load_root(options.root_file));
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options.server));
  MPYD_TRY_ASSIGN(const TrustView trust, fetch_trust(client, pinned));
  MPYD_TRY(require_unexpired(trust, SystemClock().now_unix_s()));
  MPYD_TRY_ASSIGN(const std::vector<Wanted> wanted, find_wanted(client, options, out));
  std::error_code ec;
  std::filesystem::create_directories(options.out_dir, ec);
  if (ec)
    return failure(Errc::io, "cannot make the folder " + options.out_dir + ": " + ec.message());

  Progress progress(out, "pulling " + options.name, "packages");
  json::array packages;
  std::string text;
  for (const Wanted& each : wanted) {
    MPYD_TRY_ASSIGN(const FetchedPackage package,
                    std::visit([&](const auto& one) { return fetch_package(client, one); }, each));
    const std::string digest(format_digest(package.checked.digest).view());
    MPYD_TRY(explain_as(verify_trusted(package, trust), "package " + digest));
    MPYD_TRY_ASSIGN(const std::string path, keep(package, options.out_dir, out));
    json::object row = package_json(package.checked, package.view.key_block);
    row["file"] = path;
    packages.push_back(std::move(row));
    text += path + "  " + digest + "\n";
    progress.update(packages.size(), wanted.size());
  }
  out.result({{"packages", std::move(packages)}}, text);
  return {};
}

}  // namespace mpyd::server::cli
