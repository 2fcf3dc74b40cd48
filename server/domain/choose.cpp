#include "server/domain/choose.hpp"

#include <algorithm>

namespace mpyd::server {
namespace {

std::string range_text(const Release& release) {
  if (release.revision_min == release.revision_max)
    return "revision " + std::to_string(release.revision_min);
  if (release.revision_max == 0xffffffff)
    return "revisions from " + std::to_string(release.revision_min);
  return "revisions " + std::to_string(release.revision_min) + " to " +
         std::to_string(release.revision_max);
}

std::string title(const Candidate& candidate) {
  return std::string(candidate.release->driver_name.view()) + " " +
         std::string(candidate.release->version.view()) + " for " +
         std::string(format_abi(candidate.variant->abi).view());
}

// How far a rejected candidate got; the nearest miss explains why there is no driver.
int nearness(Errc code) {
  switch (code) {
    case Errc::no_driver:
      return 0;  // another one than the one pinned
    case Errc::wrong_abi:
      return 1;
    case Errc::wrong_hardware:
      return 2;
    default:
      return 3;
  }
}

// What forbids a variant whatever else is published; asks trust last.
std::optional<Rejection> judge(const Candidate& candidate, const Board& board,
                               const TrustCheck* trust) {
  const Release& release = *candidate.release;
  const Variant& variant = *candidate.variant;
  if (board.pinned_release != 0 && release.release != board.pinned_release)
    return Rejection{
        candidate, Errc::no_driver,
        "this motherboard is pinned to release " + std::to_string(board.pinned_release)};
  if (const auto fits = board.device.accepts(variant.abi); !fits)
    return Rejection{candidate, Errc::wrong_abi,
                     std::string(describe(fits.error(), board.device, variant.abi).view())};
  if (board.revision < release.revision_min || board.revision > release.revision_max)
    return Rejection{candidate, Errc::wrong_hardware,
                     "it is for " + range_text(release) + ", the board has revision " +
                         std::to_string(board.revision)};
  if (variant.withdrawn) return Rejection{candidate, Errc::revoked, "the operator withdrew it"};
  if (trust == nullptr) return std::nullopt;
  if (const auto accepted = (*trust)(release, variant); !accepted)
    return Rejection{candidate, accepted.error().code,
                     "motherboards would refuse it: " + accepted.error().message};
  return std::nullopt;
}

// Highest release first; within one the most specific variant first.
std::vector<Candidate> in_order(std::span<const Release> releases) {
  std::vector<Candidate> out;
  for (const Release& release : releases)
    for (const Variant& variant : release.variants) out.push_back({&release, &variant});
  std::ranges::stable_sort(out, [](const Candidate& a, const Candidate& b) {
    if (a.release->release != b.release->release) return a.release->release > b.release->release;
    return specificity(a.variant->abi) > specificity(b.variant->abi);
  });
  return out;
}

// Why a variant that would do is not the one.
Rejection surpassed(const Candidate& candidate, const Candidate& chosen) {
  if (candidate.release->release < chosen.release->release)
    return {candidate, Errc::no_driver,
            "release " + std::to_string(chosen.release->release) + " is newer than its release " +
                std::to_string(candidate.release->release)};
  return {candidate, Errc::no_driver,
          std::string(format_abi(chosen.variant->abi).view()) +
              " of the same release is closer to this motherboard"};
}

void explain_none(Choice& choice, const Board& board) {
  const std::string pinned = board.pinned_release == 0
                                 ? std::string()
                                 : "; pinned to release " + std::to_string(board.pinned_release);
  const Rejection* nearest = nullptr;
  for (const Rejection& rejection : choice.rejected)
    if (nearest == nullptr || nearness(rejection.code) > nearness(nearest->code))
      nearest = &rejection;
  if (nearest == nullptr) {
    choice.code = Errc::no_driver;
    choice.message = "nothing is published for " + std::string(board.hardware_id.view()) + pinned;
    return;
  }
  choice.code = nearest->code;
  choice.message = title(nearest->candidate) + ": " + nearest->reason;
  if (nearest->code != Errc::no_driver) choice.message += pinned;
}

}  // namespace

Choice choose(std::span<const Release> releases, const Board& board, const TrustCheck& trust) {
  Choice choice;
  for (const Candidate& candidate : in_order(releases)) {
    auto rejection = judge(candidate, board, choice.chosen ? nullptr : &trust);
    if (!rejection && choice.chosen) rejection = surpassed(candidate, *choice.chosen);
    if (rejection)
      choice.rejected.push_back(*std::move(rejection));
    else
      choice.chosen = candidate;
  }
  if (!choice.chosen) {
    explain_none(choice, board);
    return choice;
  }
  choice.message = title(*choice.chosen) + " is release " +
                   std::to_string(choice.chosen->release->release) +
                   (board.pinned_release == 0 ? ", the newest that fits"
                                              : ", to which this motherboard is pinned");
  return choice;
}

}  // namespace mpyd::server
