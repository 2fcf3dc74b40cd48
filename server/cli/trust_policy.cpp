// mpyd trust floor, approve, pin, refuse, revoke: changes of one rule of policy.
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
Outcome<void> warn_of_unpublished(const SigningBase& base, const std::string& hardware_id,
                                  const std::vector<std::string>& digests, const Output& out) {
  if (!base.client || digests.empty()) return {};
  MPYD_TRY_ASSIGN(const auto releases, fetch_releases(base, hardware_id));
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
  for (const std::string& digest : digests)
    if (std::ranges::find(published, digest) == published.end())
      out.say("WARNING: the server has no package " + digest + " of " + hardware_id +
              (list.empty() ? "; nothing is published" : "; it has" + list));
  return {};
}

Outcome<Digest> parse_unrevoked(const std::string& text, const trust::PolicyEntry& entry) {
  MPYD_TRY_ASSIGN(const Digest digest, parse_digest_option(text));
  const auto& revoked = entry.revoked_digests;
  if (std::find(revoked.begin(), revoked.end(), digest) == revoked.end()) return digest;
  return failure(Errc::revoked, "the package " + text + " was revoked",
                 "a revocation is for ever: publish a new version");
}

Outcome<void> require_not_refused(const trust::PolicyEntry& entry) {
  if (!entry.board_refused) return {};
  const std::string id(entry.hardware_id.view());
  return failure(Errc::conflict, "the operator refuses " + id,
                 "take that back first: mpyd trust refuse --lift --hardware-id " + id);
}

// The packages of one release, all its ABIs.
Outcome<std::vector<std::string>> digests_of_release(const SigningBase& base,
                                                     const TrustPinOptions& options) {
  if (!base.client)
    return failure(Errc::invalid_argument, "--release asks the server, and --base is off line",
                   "name the packages: --digest DIGEST");
  MPYD_TRY_ASSIGN(const auto releases, fetch_releases(base, options.hardware_id));
  std::vector<std::string> out;
  for (const boost::json::object& release : releases) {
    MPYD_TRY_ASSIGN(const std::uint64_t number, number_field(release, "release"));
    if (number != options.release) continue;
    MPYD_TRY_ASSIGN(const auto variants, object_list(release, "variants"));
    for (const boost::json::object& variant : variants) {
      MPYD_TRY_ASSIGN(std::string digest, text_field(variant, "digest"));
      out.push_back(std::move(digest));
    }
  }
  if (!out.empty()) return out;
  return failure(Errc::not_found,
                 options.hardware_id + " has no release " + std::to_string(options.release),
                 "mpyd release list shows what is published");
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
  MPYD_TRY(require_not_refused(entry));
  for (const std::string& text : options.digests) {
    MPYD_TRY_ASSIGN(const Digest digest, parse_unrevoked(text, entry));
    MPYD_TRY(add_once(entry.approved_digests, digest, "approved digests"));
  }
  MPYD_TRY(warn_of_unpublished(base, options.hardware_id, options.digests, out));
  if (options.mode) entry.mode = *options.mode;
  if (entry.mode == trust::ReleaseMode::approved_only && entry.approved_digests.empty())
    out.say("WARNING: no package of " + options.hardware_id +
            " is approved: motherboards load none until mpyd trust approve --digest names one");
  return apply_entry(options.signing, base, entry, out);
}

// What pins before named is replaced: pins say what alone is loaded.
Outcome<void> run_trust_pin(const TrustPinOptions& options, const Output& out) {
  const int ways =
      (options.digests.empty() ? 0 : 1) + (options.release == 0 ? 0 : 1) + (options.none ? 1 : 0);
  if (ways != 1)
    return failure(Errc::invalid_argument, "what is to be pinned?",
                   "--digest names packages, --release all of a release, --none ends it");
  MPYD_TRY_ASSIGN(const SigningBase base, open_signing_base(options.signing, out));
  MPYD_TRY_ASSIGN(trust::PolicyEntry entry, find_entry(policy_of(base.trust), options.hardware_id));
  std::vector<std::string> digests = options.digests;
  if (options.release != 0) {
    MPYD_TRY_ASSIGN(digests, digests_of_release(base, options));
  }
  entry.pinned_digests.clear();
  for (const std::string& text : digests) {
    MPYD_TRY_ASSIGN(const Digest digest, parse_unrevoked(text, entry));
    MPYD_TRY(add_once(entry.pinned_digests, digest, "pinned digests"));
  }
  MPYD_TRY(warn_of_unpublished(base, options.hardware_id, digests, out));
  return apply_entry(options.signing, base, entry, out);
}

Outcome<void> run_trust_refuse(const TrustRefuseOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const SigningBase base, open_signing_base(options.signing, out));
  MPYD_TRY_ASSIGN(trust::PolicyEntry entry, find_entry(policy_of(base.trust), options.hardware_id));
  if (options.lift && entry.board_refused) {
    entry.board_refused = false;
    entry.mode = trust::ReleaseMode::publisher;
  } else if (!options.lift) {
    // Motherboards from before this rule refuse for want of an approval.
    entry.board_refused = true;
    entry.mode = trust::ReleaseMode::approved_only;
    entry.approved_digests.clear();
  }
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
