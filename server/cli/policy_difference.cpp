#include "server/cli/policy_difference.hpp"

#include <algorithm>

#include "server/cli/policy_text.hpp"
#include "server/util/encoding.hpp"

namespace mpyd::server::cli {
namespace {

constexpr std::size_t kNamedMax = 8;  // in the sentence; the text names all

template <class List>
std::size_t missing(const List& before, const List& after) {
  return static_cast<std::size_t>(std::ranges::count_if(
      before, [&](const auto& value) { return std::ranges::find(after, value) == after.end(); }));
}

class Writer {
 public:
  void add(const std::string& what, const std::string& text, bool backward) {
    if (out_.count < kNamedMax) out_.sentence += (out_.count == 0 ? "" : "; ") + what;
    out_.text += text;
    ++out_.count;
    out_.backward += backward ? 1 : 0;
  }

  void add_change(const trust::PolicyEntry& before, const trust::PolicyEntry& after) {
    const std::string id(after.hardware_id.view());
    const std::string text = entry_change(&before, after);
    const std::size_t unrevoked = missing(before.revoked_digests, after.revoked_digests);
    if (after.floor_release < before.floor_release)
      add(id + " went back to floor release " + std::to_string(after.floor_release) + " from " +
              std::to_string(before.floor_release),
          text, true);
    else if (unrevoked > 0)
      add(id + " revokes " + std::to_string(unrevoked) + " packages no longer", text, true);
    else if (before.board_refused && !after.board_refused)
      add(id + " is refused no longer", text, true);
    else
      add(id + (after.board_refused && !before.board_refused ? " is refused" : " was changed"),
          text, false);
  }

  PolicyDifference take() {
    if (out_.count > kNamedMax)
      out_.sentence += "; and " + std::to_string(out_.count - kNamedMax) + " more";
    return std::move(out_);
  }

 private:
  PolicyDifference out_;
};

}  // namespace

PolicyDifference compare_policies(const Policy& before, const Policy& after) {
  Writer out;
  for (std::size_t i = 0; i < before.entries.size(); ++i) {
    const trust::PolicyEntry& old = before.entries.entry(i);
    const trust::PolicyEntry* now = after.entries.find(old.hardware_id);
    const std::string id(old.hardware_id.view());
    if (now == nullptr)
      out.add(id + " was dropped", "dropped: " + entry_text(old), true);
    else if (before.entries.bytes(i) != *after.entries.find_bytes(old.hardware_id))
      out.add_change(old, *now);
  }
  for (std::size_t i = 0; i < after.entries.size(); ++i) {
    const trust::PolicyEntry& now = after.entries.entry(i);
    if (before.entries.find(now.hardware_id) == nullptr)
      out.add(std::string(now.hardware_id.view()) + " was added", entry_change(nullptr, now),
              false);
  }
  for (const SigningKey& key : before.revoked_keys)
    if (std::ranges::find(after.revoked_keys, key) == after.revoked_keys.end())
      out.add("publisher " + to_hex(key.bytes()) + " is revoked no longer",
              "no longer revoked: publisher " + to_hex(key.bytes()) + "\n", true);
  for (const SigningKey& key : after.revoked_keys)
    if (std::ranges::find(before.revoked_keys, key) == before.revoked_keys.end())
      out.add("publisher " + to_hex(key.bytes()) + " was revoked",
              "revoked everywhere: publisher " + to_hex(key.bytes()) + "\n", false);
  return out.take();
}

}  // namespace mpyd::server::cli
