// mpyd trust floor, approve, revoke: changes of one rule of policy.
#include <algorithm>

#include "server/cli/json_fields.hpp"
#include "server/cli/policy_change.hpp"
#include "server/util/encoding.hpp"

namespace mpyd::server::cli {
namespace {

Outcome<Digest> parse_digest_option(const std::string& text) {
  const auto digest = fixed_from_hex<Digest>(text);
  if (digest) return *digest;
  return failure(Errc::invalid_argument, "--digest " + text + " is no package digest",
                 "mpyd release list prints them: 64 hex digits");
}

// Adds what is not there yet. Errors: limit.
template <class List, class Value>
Outcome<void> add_once(List& list, const Value& value, std::string_view what) {
  if (std::find(list.begin(), list.end(), value) != list.end()) return {};
  if (list.push_back(value)) return {};
  return failure(Errc::limit, "there is no room for another of the " + std::string(what) +
                                  " (at most " + std::to_string(list.size()) + ")");
}

template <class List, class Value>
void remove_value(List& list, const Value& value) {
  List kept;
  for (const auto& each : list)
    if (!(each == value)) kept.push_back(each);
  list = kept;
}

Outcome<void> revoke_publisher(const TrustRevokeOptions& options, const SigningBase& base,
                               const Output& out) {
  MPYD_TRY_ASSIGN(const SigningKey key, read_public_key(options.publisher, KeyRole::publisher));
  Policy after = policy_of(base.trust);
  MPYD_TRY(add_once(after.revoked_keys, key, "revoked keys"));
  return apply_policy(options.signing, base, after,
                      "revoked everywhere: publisher " + to_hex(key.bytes()) + "\n",
                      {{"publisher_key", to_hex(key.bytes())}}, out);
}

Outcome<void> revoke_digests(const TrustRevokeOptions& options, const SigningBase& base,
                             const Output& out) {
  MPYD_TRY_ASSIGN(trust::PolicyEntry entry, find_entry(policy_of(base.trust), options.hardware_id));
  for (const std::string& text : options.digests) {
    MPYD_TRY_ASSIGN(const Digest digest, parse_digest_option(text));
    MPYD_TRY(add_once(entry.revoked_digests, digest, "revoked digests"));
    remove_value(entry.approved_digests, digest);
    remove_value(entry.pinned_digests, digest);
  }
  return apply_entry(options.signing, base, entry, out);
}

// What the server has published; off line nobody knows.
Outcome<std::vector<boost::json::object>> fetch_releases(const SigningBase& base,
                                                         const std::string& hardware_id) {
  MPYD_TRY_ASSIGN(
      const boost::json::object answer,
      base.client->get("/v1/admin/releases" + query_of({{"hardware_id", hardware_id}})));
  return object_list(answer, "releases");
}

// Approving what nobody published is no error: a build may be approved before it is uploaded. It is
// more often a digest of something else.
Outcome<void> warn_of_unpublished(const SigningBase& base, const TrustApproveOptions& options,
                                  const Output& out) {
  if (!base.client || options.digests.empty()) return {};
  MPYD_TRY_ASSIGN(const auto releases, fetch_releases(base, options.hardware_id));
  std::vector<std::string> published;
  std::string list;
  for (const boost::json::object& release : releases) {
    MPYD_TRY_ASSIGN(const auto variants, object_list(release, "variants"));
    for (const boost::json::object& variant : variants) {
      MPYD_TRY_ASSIGN(const std::string digest, text_field(variant, "digest"));
      published.push_back(digest);
      list += "\n  " + digest + "  " + shown(release, "version") + " " + shown(variant, "abi");
    }
  }
  for (const std::string& digest : options.digests)
    if (std::ranges::find(published, digest) == published.end())
      out.say("WARNING: the server has no package " + digest + " of " + options.hardware_id +
              (list.empty() ? "; nothing is published" : "; it has" + list));
  return {};
}

// What a floor above every release does, which a slip of the finger is enough for.
Outcome<void> warn_of_floor(const SigningBase& base, const TrustFloorOptions& options,
                            const Output& out) {
  if (!base.client) return {};
  MPYD_TRY_ASSIGN(const auto releases, fetch_releases(base, options.hardware_id));
  std::uint64_t highest = 0;
  for (const boost::json::object& release : releases) {
    MPYD_TRY_ASSIGN(const std::uint64_t number, number_field(release, "release"));
    highest = std::max(highest, number);
  }
  if (options.release > highest)
    out.say("WARNING: no release reaches " + std::to_string(options.release) +
            (highest == 0 ? "; none is published" : "; the highest is " + std::to_string(highest)) +
            ". Motherboards stop loading this driver until one does.");
  return {};
}

}  // namespace

Outcome<void> run_trust_floor(const TrustFloorOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const SigningBase base, open_signing_base(options.signing, out));
  MPYD_TRY_ASSIGN(trust::PolicyEntry entry, find_entry(policy_of(base.trust), options.hardware_id));
  if (options.release < entry.floor_release)
    return failure(Errc::rollback,
                   "the floor of " + options.hardware_id + " is release " +
                       std::to_string(entry.floor_release) + " already; it never goes down",
                   "only a new epoch, signed by root, starts floors anew");
  MPYD_TRY(warn_of_floor(base, options, out));
  entry.floor_release = options.release;
  return apply_entry(options.signing, base, entry, out);
}

Outcome<void> run_trust_approve(const TrustApproveOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const SigningBase base, open_signing_base(options.signing, out));
  MPYD_TRY_ASSIGN(trust::PolicyEntry entry, find_entry(policy_of(base.trust), options.hardware_id));
  if (options.digests.empty() && !options.mode)
    return failure(Errc::invalid_argument, "nothing to approve",
                   "--digest names a package, --only and --any say whether that is asked for");
  for (const std::string& text : options.digests) {
    MPYD_TRY_ASSIGN(const Digest digest, parse_digest_option(text));
    const auto& revoked = entry.revoked_digests;
    if (std::find(revoked.begin(), revoked.end(), digest) != revoked.end())
      return failure(Errc::revoked, "the package " + text + " was revoked",
                     "a revocation is for ever: publish a new version");
    MPYD_TRY(add_once(entry.approved_digests, digest, "approved digests"));
  }
  MPYD_TRY(warn_of_unpublished(base, options, out));
  if (options.mode) entry.mode = *options.mode;
  return apply_entry(options.signing, base, entry, out);
}

Outcome<void> run_trust_revoke(const TrustRevokeOptions& options, const Output& out) {
  const bool has_digests = !options.digests.empty();
  if (options.publisher.empty() != has_digests || has_digests == options.hardware_id.empty())
    return failure(Errc::invalid_argument, "what is to be revoked?",
                   "a publisher: --publisher FILE.pub; packages: --hardware-id ID --digest DIGEST");
  MPYD_TRY_ASSIGN(const SigningBase base, open_signing_base(options.signing, out));
  return has_digests ? revoke_digests(options, base, out) : revoke_publisher(options, base, out);
}

}  // namespace mpyd::server::cli
