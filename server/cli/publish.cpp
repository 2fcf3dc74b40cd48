// mpyd publish: uploads a release, all variants in one transaction.
#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <chrono>
#include <cstring>
#include <thread>

#include "protocol/crypto.hpp"
#include "server/cli/commands.hpp"
#include "server/cli/driver_files.hpp"
#include "server/cli/json_fields.hpp"
#include "server/cli/trust_view.hpp"
#include "server/crypto/random.hpp"
#include "server/util/encoding.hpp"

namespace mpyd::server::cli {
namespace {

namespace json = boost::json;

constexpr std::string_view kPackagesType = "application/vnd.mpyd.packages";
constexpr int kUploadAttempts = 3;
constexpr const char* kStoredAlready = "stored already";

// One line of the table that is shown before anything is sent.
struct Row {
  std::string abi;
  std::string plain_digest;  // of a .mpy; what is shown is what is signed
  std::string digest;        // names the package; empty for one that is not built in a dry run
  std::size_t bytes = 0;
  std::string status;  // new, stored, stored already
};

// What the server said of a .mpy of this release.
struct Match {
  std::uint32_t release = 0;
  std::vector<Row> rows;        // one per .mpy, in order
  std::vector<bool> is_absent;  // to be built and sent
  std::string deprecated;       // why this version should not be taken; empty: it is not
  std::string highest_version;  // of the highest release; empty: none, or this one is published
};

std::string text_of(const Digest& digest) { return std::string(format_digest(digest).view()); }
std::string text_of(const Abi& abi) { return std::string(format_abi(abi).view()); }

json::object match_question(const Manifest& shared, const DriverFiles& files, bool is_public) {
  json::array required;
  for (const ModuleName& module : shared.required_modules)
    required.emplace_back(std::string(module.view()));
  json::array variants;
  for (const MpyFile& file : files.mpys)
    variants.push_back(json::object{{"abi", text_of(file.abi)},
                                    {"plain_sha256", text_of(file.plain_digest)},
                                    {"plain_bytes", file.bytes.size()},
                                    {"requires", required},
                                    {"driver_interface", shared.driver_interface},
                                    {"encryption", is_public ? "none" : "secretstream"}});
  json::object question{{"hardware_id", std::string(shared.hardware_id.view())},
                        {"driver_name", std::string(shared.driver_name.view())},
                        {"version", std::string(shared.version.view())},
                        {"release", nullptr},
                        {"revision_min", shared.revision_min},
                        {"revision_max", shared.revision_max},
                        {"variants", std::move(variants)}};
  if (shared.release != 0) question["release"] = shared.release;
  return question;
}

// A server cannot take a driver's numbers away by naming one near their end: beyond this a person
// names the number. No driver has had so many releases.
constexpr std::uint64_t kServersReleaseMax = 1'000'000;

Outcome<std::uint64_t> servers_number(const json::object& answer, std::string_view name,
                                      std::uint32_t wanted) {
  MPYD_TRY_ASSIGN(const std::uint64_t number, number_field(answer, name));
  if (wanted != 0 || number <= kServersReleaseMax) return number;
  return failure(Errc::limit,
                 "the server says that release " + std::to_string(number) +
                     " is published; nothing was signed",
                 "look whether that is so: mpyd release list; then name the number yourself: "
                 "--release N");
}

// The number of a new release: the one wanted, or the next that motherboards do not refuse.
Outcome<std::uint32_t> choose_release(const json::object& answer, std::uint32_t wanted,
                                      std::uint32_t floor) {
  MPYD_TRY_ASSIGN(const std::uint64_t highest, servers_number(answer, "highest_release", wanted));
  if (is_absent(answer, "existing_release")) {
    if (wanted == 0 && highest >= 0xffffffff)
      return failure(Errc::limit, "there is no release number left");
    return wanted != 0 ? wanted : std::max(static_cast<std::uint32_t>(highest) + 1, floor);
  }
  MPYD_TRY_ASSIGN(const std::uint64_t existing, servers_number(answer, "existing_release", wanted));
  if (wanted != 0 && wanted != existing)
    return failure(Errc::conflict, "this version was published as release " +
                                       std::to_string(existing) + ", not " +
                                       std::to_string(wanted));
  return static_cast<std::uint32_t>(existing);
}

Outcome<Match> ask_match(const AdminClient& client, const Manifest& shared,
                         const DriverFiles& files, bool is_public, std::uint32_t floor) {
  MPYD_TRY_ASSIGN(const json::object answer,
                  client.post("/v1/admin/releases/match", match_question(shared, files, is_public),
                              http::kAnswerBytesMax));
  Match match;
  MPYD_TRY_ASSIGN(match.release, choose_release(answer, shared.release, floor));
  if (!is_absent(answer, "deprecated")) match.deprecated = shown(answer, "deprecated");
  if (is_absent(answer, "existing_release") && !is_absent(answer, "highest_version"))
    match.highest_version = shown(answer, "highest_version");
  MPYD_TRY_ASSIGN(const auto variants, object_list(answer, "variants"));
  for (const MpyFile& file : files.mpys) {
    const std::string abi = text_of(file.abi);
    const auto found = std::find_if(variants.begin(), variants.end(),
                                    [&](const json::object& v) { return shown(v, "abi") == abi; });
    if (found == variants.end())
      return failure(Errc::malformed, "the server did not answer for the ABI " + abi);
    MPYD_TRY_ASSIGN(const std::string status, text_field(*found, "status"));
    if (status != "absent" && status != "same")
      return failure(Errc::conflict,
                     "version " + std::string(shared.version.view()) + " for " + abi +
                         " was published with other content than " + file.path,
                     "published versions never change: give this one a new --version");
    const bool absent = status == "absent";
    match.is_absent.push_back(absent);
    match.rows.push_back({abi, text_of(file.plain_digest), absent ? "" : shown(*found, "digest"),
                          file.bytes.size(), absent ? "new" : kStoredAlready});
  }
  return match;
}

// What the options name must be what the packages say: they were signed elsewhere.
Outcome<void> check_against_options(const MpkgFile& package, const DriverOptions& options) {
  const Manifest& manifest = package.manifest;
  const auto differs = [](const std::string& option, std::string_view field) {
    return !option.empty() && option != field;
  };
  if (differs(options.hardware_id, manifest.hardware_id.view()) ||
      differs(options.name, manifest.driver_name.view()) ||
      differs(options.version, manifest.version.view()) ||
      (options.release != 0 && options.release != manifest.release))
    return failure(Errc::conflict,
                   package.path + " is " + std::string(manifest.driver_name.view()) + " " +
                       std::string(manifest.version.view()) + " (release " +
                       std::to_string(manifest.release) + ") for " +
                       std::string(manifest.hardware_id.view()) + ", not what the options say");
  return {};
}

std::string rows_text(const Manifest& shared, const std::vector<Row>& rows) {
  std::vector<std::vector<std::string>> table = {
      {"ABI", "BYTES", "STATUS", "SHA-256 OF THE .MPY", "PACKAGE"}};
  for (const Row& row : rows)
    table.push_back({row.abi, std::to_string(row.bytes), row.status,
                     row.plain_digest.empty() ? "(packed before)" : row.plain_digest,
                     row.digest.empty() ? "-" : row.digest});
  return std::string(shared.driver_name.view()) + " " + std::string(shared.version.view()) +
         ", release " + std::to_string(shared.release) + ", for " +
         std::string(shared.hardware_id.view()) + " revisions " +
         std::to_string(shared.revision_min) + "-" +
         (shared.revision_max == 0xffffffff ? std::string() : std::to_string(shared.revision_max)) +
         "\n" + format_table(table);
}

json::object rows_json(const Manifest& shared, const std::vector<Row>& rows, bool dry_run) {
  json::array packages;
  for (const Row& row : rows)
    packages.push_back(json::object{{"abi", row.abi},
                                    {"bytes", row.bytes},
                                    {"status", row.status == kStoredAlready ? "exists" : "stored"},
                                    {"plain_sha256", row.plain_digest},
                                    {"digest", row.digest}});
  return {{"hardware_id", std::string(shared.hardware_id.view())},
          {"driver_name", std::string(shared.driver_name.view())},
          {"version", std::string(shared.version.view())},
          {"release", shared.release},
          {"dry_run", dry_run},
          {"packages", std::move(packages)}};
}

// A retry sends the same bytes, so an upload whose answer was lost is recognised by the server.
Outcome<json::object> upload(const AdminClient& client, Bytes body, bool unchecked,
                             const Output& out) {
  const std::string target = "/v1/admin/releases" + query_of({{"unchecked", unchecked ? "1" : ""}});
  std::array<std::byte, 16> random{};
  random_bytes(random);
  const std::string key = to_hex(random);
  for (int attempt = 1;; ++attempt) {
    auto answer = client.post_bytes(target, std::string(kPackagesType), body, key);
    if (answer || attempt == kUploadAttempts) return answer;
    const Errc code = answer.error().error.code;
    if (code != Errc::unreachable && code != Errc::timeout && code != Errc::too_many_requests &&
        code != Errc::in_progress)
      return answer;
    out.say(answer.error().error.message + "; trying again");
    std::this_thread::sleep_for(std::chrono::seconds(attempt));
  }
}

// The digests the server stored must be those of what was sent or matched.
Outcome<void> compare_answer(const json::object& answer, const std::vector<Row>& rows) {
  MPYD_TRY_ASSIGN(const auto packages, object_list(answer, "packages"));
  for (const Row& row : rows) {
    if (row.status != "new") continue;
    const bool found = std::any_of(packages.begin(), packages.end(), [&](const json::object& p) {
      return shown(p, "digest") == row.digest;
    });
    if (!found)
      return failure(Errc::bad_digest, "the server does not confirm package " + row.digest);
  }
  return {};
}

// A slip of the finger in a version: the number counts, so every motherboard would take it next.
void warn_of_lower_version(const Manifest& shared, const std::string& highest, const Output& out) {
  const std::string version(shared.version.view());
  if (highest.empty() || ::strverscmp(version.c_str(), highest.c_str()) >= 0) return;
  out.say("WARNING: " + version + " is lower than " + highest +
          ", the newest until now, but its release number is higher, and that decides: "
          "motherboards take it next. If it was a slip: mpyd release yank");
}

struct Plan {
  Manifest shared;
  std::vector<Row> rows;
  ByteVector body;         // concatenated .mpkg; empty: nothing is new
  std::string deprecated;  // as of Match
};

Outcome<Plan> plan_mpys(const PublishOptions& options, const AdminClient& client,
                        const TrustView& trust, const DriverFiles& files, const Output& out) {
  Plan plan;
  MPYD_TRY_ASSIGN(plan.shared, shared_manifest(options.driver));
  MPYD_TRY_ASSIGN(const std::vector<SigningKeyPair> keys, load_publisher_keys(options.driver));
  const trust::PolicyEntry* entry = trust.entries.find(plan.shared.hardware_id);
  if (entry != nullptr && entry->driver_name != plan.shared.driver_name)
    return failure(Errc::conflict,
                   "the driver of " + options.driver.hardware_id + " is called " +
                       std::string(entry->driver_name.view()) + ", not " + options.driver.name,
                   "publish it with --name " + std::string(entry->driver_name.view()));
  MPYD_TRY_ASSIGN(Match match, ask_match(client, plan.shared, files, options.driver.is_public,
                                         entry == nullptr ? 0 : entry->floor_release));
  plan.shared.release = match.release;
  plan.rows = std::move(match.rows);
  plan.deprecated = match.deprecated;
  warn_of_lower_version(plan.shared, match.highest_version, out);
  MPYD_TRY_ASSIGN(
      const std::vector<ExchangeKey> recipients,
      read_recipients(options.driver, options.driver.is_public ? nullptr : &trust.root.server_key));
  for (std::size_t i = 0; i < files.mpys.size(); ++i) {
    if (!match.is_absent[i]) continue;
    MPYD_TRY_ASSIGN(const MpkgFile built, build_variant(plan.shared, files.mpys[i], keys,
                                                        recipients, options.driver.is_public));
    plan.rows[i].digest = text_of(built.digest);
    plan.body.insert(plan.body.end(), built.bytes.begin(), built.bytes.end());
  }
  return plan;
}

// The older root, if any, whose server key this package is sealed to. Only for a hint: older roots
// are taken as the server has them.
std::optional<std::uint32_t> packed_with_root(const MpkgFile& package, const TrustView& trust) {
  for (const ByteVector& document : trust.documents.roots) {
    const auto parts = trust::parse_signed(document);
    if (!parts) continue;
    const auto root = trust::parse_root(parts->body);
    if (root && package.is_sealed_to(root->server_key)) return root->version;
  }
  return std::nullopt;
}

// Why the server cannot look into a package, and what to do.
std::string not_sealed_text(const MpkgFile& package, const PublishOptions& options,
                            const TrustView& trust) {
  const std::string start = package.path + " is not sealed to this server";
  if (options.unchecked) return start + ": it is stored unchecked";
  const std::string newest = "(mpyd trust export --newest-root FILE)";
  if (const auto older = packed_with_root(package, trust))
    return start + "'s key: it was packed with an older root, version " + std::to_string(*older) +
           "; pack it again with the newest " + newest;
  return start +
         "'s key: it was packed with an older root, with another server's, or for a fleet " +
         "alone; pack it again with the newest root " + newest +
         ". What is meant for the fleet alone can only be stored with --unchecked";
}

Outcome<Plan> plan_mpkgs(const PublishOptions& options, const TrustView& trust,
                         const DriverFiles& files, const Output& out) {
  Plan plan;
  plan.shared = files.mpkgs.front().manifest;
  for (const MpkgFile& package : files.mpkgs) {
    MPYD_TRY(check_against_options(package, options.driver));
    if (package.manifest.release != plan.shared.release ||
        !(package.manifest.version == plan.shared.version) ||
        package.manifest.hardware_id != plan.shared.hardware_id)
      return failure(Errc::conflict,
                     package.path + " belongs to another release than " + files.mpkgs.front().path,
                     "publish one release at a time");
    if (!package.is_sealed_to(trust.root.server_key))
      out.say(not_sealed_text(package, options, trust));
    plan.rows.push_back(
        {text_of(package.manifest.abi), {}, text_of(package.digest), package.bytes.size(), "new"});
    plan.body.insert(plan.body.end(), package.bytes.begin(), package.bytes.end());
  }
  return plan;
}

// The command an operator lets a publisher in with.
std::string delegate_command(const Manifest& shared, const std::string& key_file) {
  return "mpyd trust delegate --hardware-id " + std::string(shared.hardware_id.view()) +
         " --name " + std::string(shared.driver_name.view()) + " --publisher " + key_file +
         ".pub --key targets.key --root root.mpyd";
}

bool is_revoked(const TrustView& trust, const SigningKey& key) {
  return trust.head &&
         std::ranges::find(trust.head->revoked_keys, key) != trust.head->revoked_keys.end();
}

// What mends a release that policy does not allow, as far as the keys given show; else empty.
Outcome<std::string> policy_advice(const DriverOptions& options, const TrustView& trust,
                                   const Manifest& shared) {
  MPYD_TRY_ASSIGN(const std::vector<SigningKeyPair> keys, load_publisher_keys(options));
  const trust::PolicyEntry* const entry = trust.entries.find(shared.hardware_id);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const SigningKey& key = keys[i].public_key;
    const std::string& file = options.key_files[i];
    if (is_revoked(trust, key))
      return file +
             " was revoked for all boards; sign with another key, which the operator lets "
             "in: mpyd keygen --role publisher --out new.key, then " +
             delegate_command(shared, "new.key");
    if (entry == nullptr)
      return "nobody may publish for this board yet; the operator lets you: " +
             delegate_command(shared, file);
    if (std::ranges::find(entry->publisher_keys, key) == entry->publisher_keys.end())
      return file + " is no publisher of this board; sign with the key of one (mpyd info " +
             std::string(shared.hardware_id.view()) +
             " names them), or be let in: " + delegate_command(shared, file);
  }
  return std::string();
}

Failure with_policy_advice(Failure failed, const PublishOptions& options, const TrustView& trust,
                           const Manifest& shared) {
  const Errc code = failed.error.code;
  if (options.driver.key_files.empty() || (code != Errc::untrusted && code != Errc::revoked &&
                                           code != Errc::threshold && code != Errc::bad_signature))
    return failed;
  const auto advice = policy_advice(options.driver, trust, shared);
  if (advice && !advice->empty()) failed.hint = *advice;
  return failed;
}

// What was published well, and yet reaches no motherboard.
void say_what_policy_keeps_back(const TrustView& trust, const Plan& plan, const Output& out) {
  const trust::PolicyEntry* const entry = trust.entries.find(plan.shared.hardware_id);
  if (entry == nullptr) return;
  const std::string of = " --hardware-id " + std::string(entry->hardware_id.view());
  for (const Row& row : plan.rows) {
    const auto is_named = [&](const auto& digests) {
      return std::ranges::any_of(
          digests, [&](const Digest& digest) { return text_of(digest) == row.digest; });
    };
    if (row.digest.empty()) continue;
    if (entry->mode == trust::ReleaseMode::approved_only && !is_named(entry->approved_digests))
      out.say("no motherboard gets " + row.abi +
              " yet: the operator approves each package: mpyd trust approve" + of + " --digest " +
              row.digest);
    else if (!entry->pinned_digests.empty() && !is_named(entry->pinned_digests))
      out.say("no motherboard gets " + row.abi +
              ": policy pins this board to other packages: mpyd trust pin" + of +
              " --none ends that");
  }
}

}  // namespace

Outcome<void> run_publish(const PublishOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const DriverFiles files, read_driver_files(options.driver.files));
  if (!files.mpkgs.empty() && !files.mpys.empty())
    return failure(Errc::invalid_argument, "give either .mpy or .mpkg files, not both");
  warn_of_floats(files, out);
  MPYD_TRY_ASSIGN(const ByteVector pinned, load_root(options.driver.root_file));
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options.server));
  MPYD_TRY_ASSIGN(const TrustView trust, fetch_trust(client, pinned));
  MPYD_TRY(require_certified_server(client, trust.root));

  MPYD_TRY_ASSIGN(Plan plan, files.mpkgs.empty() ? plan_mpys(options, client, trust, files, out)
                                                 : plan_mpkgs(options, trust, files, out));
  if (!options.dry_run && !plan.body.empty()) {
    // Before it is sent, so that what is signed can be compared with what was meant.
    out.say(rows_text(plan.shared, plan.rows));
    auto uploaded = upload(client, plan.body, options.unchecked, out);
    if (!uploaded)
      return fail(with_policy_advice(std::move(uploaded).error(), options, trust, plan.shared));
    const json::object& answer = *uploaded;
    MPYD_TRY(compare_answer(answer, plan.rows));
    if (!is_absent(answer, "deprecated")) plan.deprecated = shown(answer, "deprecated");
    MPYD_TRY_ASSIGN(const auto stored, object_list(answer, "packages"));
    for (Row& row : plan.rows)
      for (const json::object& package : stored)
        if (row.status == "new" && shown(package, "digest") == row.digest)
          row.status = shown(package, "status") == "exists" ? kStoredAlready : "stored";
  }
  say_what_policy_keeps_back(trust, plan, out);
  if (!plan.deprecated.empty())
    out.say("version " + std::string(plan.shared.version.view()) +
            " is deprecated: " + plan.deprecated);
  const std::string_view done = options.dry_run     ? "dry run: nothing was sent\n"
                                : plan.body.empty() ? "all of it was published before\n"
                                                    : "published\n";
  out.result(rows_json(plan.shared, plan.rows, options.dry_run),
             rows_text(plan.shared, plan.rows) + std::string(done));
  return {};
}

}  // namespace mpyd::server::cli
