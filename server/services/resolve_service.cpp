#include "server/services/resolve_service.hpp"

#include <algorithm>

#include "protocol/package/package.hpp"
#include "protocol/trust/verify.hpp"
#include "server/util/encoding.hpp"

namespace mpyd::server {
namespace {

constexpr std::size_t kAnswersMax = 4096;

// Devices of one kind with boards of one kind ask the same question.
std::string question_of(const Board& board) {
  const Abi& abi = board.device;
  std::string out(board.hardware_id.view());
  for (const std::uint32_t part :
       {board.revision, board.pinned_release, std::uint32_t{abi.mpy_version},
        std::uint32_t{abi.sub_version}, static_cast<std::uint32_t>(abi.arch), abi.arch_flags,
        std::uint32_t{abi.small_int_bits}, static_cast<std::uint32_t>(abi.float_abi),
        static_cast<std::uint32_t>(abi.object_repr), static_cast<std::uint32_t>(abi.core)})
    out += ' ' + std::to_string(part);
  return out;
}

// What of the policy entry forbids a package, and the operator's way to allow it.
std::string policy_text(const trust::PolicyEntry& entry, const Variant& variant,
                        trust::PackageOrigin origin) {
  const auto names = [&](const auto& digests) {
    return std::ranges::find(digests, variant.digest) != digests.end();
  };
  if (variant.unchecked && !entry.unchecked_packages)
    return "nobody here saw what is in it, and the policy entry takes no such packages: mpyd trust "
           "delegate --unchecked-packages allows them";
  if (origin == trust::PackageOrigin::eeprom && !entry.eeprom_packages)
    return "the policy entry takes no packages from EEPROMs: mpyd trust delegate --eeprom allows "
           "them";
  if (entry.mode == trust::ReleaseMode::approved_only && !names(entry.approved_digests))
    return "the policy entry takes approved packages only, and nobody approved it: mpyd trust "
           "approve --digest does";
  return "the policy entry pins this board to other packages: mpyd trust pin --none ends that";
}

// The same for all that motherboards find wrong.
std::string refusal_text(Errc code, const trust::PolicyEntry& entry, const Variant& variant,
                         trust::PackageOrigin origin) {
  if (code == Errc::policy) return policy_text(entry, variant, origin);
  if (code == Errc::revoked &&
      std::ranges::find(entry.revoked_digests, variant.digest) != entry.revoked_digests.end())
    return "the policy entry revokes it";
  return std::string(trust::describe_refusal(code));
}

// Whether motherboards would accept a package, by the functions they use themselves.
mpyd::Result<void> verify_trust(const Snapshot& snapshot, const TrustView& view,
                                const trust::PolicyEntry& entry, const Board& board,
                                const Variant& variant, trust::PackageOrigin origin) {
  if (variant.unchecked && !entry.unchecked_packages) return mpyd::fail(Errc::policy);
  const auto stored = snapshot.packages().find_head(variant.digest);
  if (!stored) return mpyd::fail(stored.error().code);
  if (!*stored) return mpyd::fail(Errc::not_found);
  MPYD_TRY_ASSIGN(const PackageHead head, parse_package_head((*stored)->bytes));
  std::vector<std::byte> scratch(trust::kScratchBytes);
  const auto& revoked = view.head()->revoked_keys;
  MPYD_TRY(trust::verify_release(head, entry, {revoked.begin(), revoked.size()}, board.hardware_id,
                                 board.revision, origin, scratch));
  return trust::verify_digest_policy(variant.digest, entry);
}

// Errors: those of the two verifications, in words for people.
Result<void> check_trust(const Snapshot& snapshot, const TrustView& view, const Board& board,
                         const Variant& variant, trust::PackageOrigin origin) {
  const trust::PolicyEntry* entry = view.entries().find(board.hardware_id);
  if (entry == nullptr || !view.head())
    return fail(Errc::untrusted, std::string(trust::describe_refusal(Errc::untrusted)));
  const auto accepted = verify_trust(snapshot, view, *entry, board, variant, origin);
  if (!accepted)
    return fail(accepted.error(), refusal_text(accepted.error(), *entry, variant, origin));
  return {};
}

Resolution resolution_of(const Choice& choice, const std::vector<Release>& releases,
                         const Board& board) {
  Resolution out{.code = choice.code, .message = choice.message};
  if (choice.chosen) {
    const Release& release = *choice.chosen->release;
    out.chosen = Resolution::Chosen{release.driver_name, release.version, release.release,
                                    *choice.chosen->variant, release.deprecated};
  }
  for (const Release& release : releases)
    for (const Variant& variant : release.variants)
      if (variant.withdrawn) {
        out.withdrawn.push_back(variant.digest);
        if (board.device.accepts(variant.abi)) out.withdrawn_fitting.push_back(variant.digest);
      }
  return out;
}

// What policy says of the board itself is said before what is wrong with each package.
void explain_by_policy(const TrustView& view, const Board& board, Resolution& resolution) {
  if (resolution.chosen) return;
  const trust::PolicyEntry* entry = view.entries().find(board.hardware_id);
  if (entry == nullptr) {
    resolution.code = Errc::untrusted;
    resolution.message = "no policy entry names " + std::string(board.hardware_id.view()) +
                         "; mpyd trust delegate makes one";
  } else if (entry->board_refused) {
    resolution.code = Errc::policy;
    resolution.message = "the operator refuses this board";
  }
}

Result<Explanation> decide(Store& store, const TrustView& view, const Board& board) {
  return store.get([&](const Snapshot& snapshot) -> Result<Explanation> {
    MPYD_TRY_ASSIGN(const auto releases, snapshot.releases().of_hardware(board.hardware_id));
    const Choice choice = choose(releases, board, [&](const Release&, const Variant& variant) {
      return check_trust(snapshot, view, board, variant, trust::PackageOrigin::network);
    });
    Explanation out{.resolution = resolution_of(choice, releases, board)};
    explain_by_policy(view, board, out.resolution);
    for (const Rejection& rejection : choice.rejected) {
      const Candidate& candidate = rejection.candidate;
      out.rejected.push_back({candidate.release->version, candidate.release->release,
                              format_abi(candidate.variant->abi), candidate.variant->digest,
                              rejection.reason});
    }
    return out;
  });
}

}  // namespace

namespace {

// As if nothing else were published.
void keep_only(const Digest& package, std::vector<Release>& releases) {
  for (Release& release : releases)
    std::erase_if(release.variants, [&](const Variant& v) { return v.digest != package; });
  std::erase_if(releases, [](const Release& release) { return release.variants.empty(); });
}

Result<Resolution> decide_storing(Store& store, const TrustView& view, const Board& board,
                                  const Digest& package) {
  return store.get([&](const Snapshot& snapshot) -> Result<Resolution> {
    MPYD_TRY_ASSIGN(auto releases, snapshot.releases().of_hardware(board.hardware_id));
    keep_only(package, releases);
    const Choice choice = choose(releases, board, [&](const Release&, const Variant& variant) {
      return check_trust(snapshot, view, board, variant, trust::PackageOrigin::eeprom);
    });
    Resolution out = resolution_of(choice, releases, board);
    explain_by_policy(view, board, out);
    return out;
  });
}

}  // namespace

Result<std::shared_ptr<const Resolution>> ResolveService::resolve(const Board& board) {
  return answer(question_of(board), [&](const TrustView& view) -> Result<Resolution> {
    MPYD_TRY_ASSIGN(Explanation explanation, decide(store_, view, board));
    return std::move(explanation.resolution);
  });
}

Result<std::shared_ptr<const Resolution>> ResolveService::resolve_storing(const Board& board,
                                                                          const Digest& package) {
  return answer(
      question_of(board) + " on EEPROM " + to_hex(package.bytes()),
      [&](const TrustView& view) { return decide_storing(store_, view, board, package); });
}

Result<std::shared_ptr<const Resolution>> ResolveService::answer(const std::string& question,
                                                                 const Decide& decide) {
  const auto view = trust_.view();
  std::uint64_t generation = 0;
  {
    const std::scoped_lock lock(mutex_);
    if (answers_view_ != view) {
      answers_.clear();
      answers_view_ = view;
    }
    if (const auto found = answers_.find(question); found != answers_.end()) return found->second;
    generation = generation_;
  }
  MPYD_TRY_ASSIGN(Resolution resolution, decide(*view));
  auto answer = std::make_shared<const Resolution>(std::move(resolution));
  const std::scoped_lock lock(mutex_);
  // An answer from before a change must not outlive it.
  if (generation == generation_ && answers_view_ == view) {
    if (answers_.size() >= kAnswersMax) answers_.clear();
    answers_.emplace(question, answer);
  }
  return answer;
}

Result<Explanation> ResolveService::explain(const Board& board) const {
  return decide(store_, *trust_.view(), board);
}

void ResolveService::releases_changed() {
  const std::scoped_lock lock(mutex_);
  ++generation_;
  answers_.clear();
  pins_.reset();
}

Result<std::shared_ptr<const ResolveService::Pins>> ResolveService::pins() const {
  std::uint64_t generation = 0;
  {
    const std::scoped_lock lock(mutex_);
    if (pins_) return pins_;
    generation = generation_;
  }
  MPYD_TRY_ASSIGN(const auto rows,
                  store_.get([](const Snapshot& s) { return s.devices().pins({}); }));
  auto fresh = std::make_shared<Pins>();
  for (const DevicePin& pin : rows)
    fresh->emplace(pin.device_id + " " + pin.hardware_id, pin.release);
  const std::scoped_lock lock(mutex_);
  // What was read before a change must not outlive it.
  if (generation == generation_) pins_ = fresh;
  return fresh;
}

Result<Board> ResolveService::with_pin(Board board, std::string_view device_id) const {
  MPYD_TRY_ASSIGN(const auto all, pins());
  if (all->empty()) return board;
  const auto found =
      all->find(std::string(device_id) + " " + std::string(board.hardware_id.view()));
  if (found != all->end()) board.pinned_release = found->second;
  return board;
}

}  // namespace mpyd::server
