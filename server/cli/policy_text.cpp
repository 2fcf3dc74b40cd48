#include "server/cli/policy_text.hpp"

#include <algorithm>
#include <vector>

#include "server/util/encoding.hpp"

namespace mpyd::server::cli {
namespace {

template <class List>
void add_list(std::vector<std::string>& lines, std::string_view name, const List& values) {
  for (const auto& value : values) lines.push_back(std::string(name) + " " + to_hex(value.bytes()));
}

std::vector<std::string> rules(const trust::PolicyEntry& entry) {
  std::vector<std::string> lines;
  lines.push_back("driver " + std::string(entry.driver_name.view()));
  add_list(lines, "publisher", entry.publisher_keys);
  lines.push_back("publishers needed " + std::to_string(entry.threshold));
  lines.push_back("floor release " + std::to_string(entry.floor_release));
  lines.push_back(entry.mode == trust::ReleaseMode::publisher ? "publisher releases by itself"
                                                              : "approved digests only");
  add_list(lines, "approved", entry.approved_digests);
  add_list(lines, "revoked", entry.revoked_digests);
  add_list(lines, "pinned", entry.pinned_digests);
  lines.push_back(entry.eeprom_packages ? "packages on EEPROMs allowed"
                                        : "packages on EEPROMs not allowed");
  if (entry.unchecked_packages) lines.push_back("packages the server cannot open allowed");
  if (entry.board_refused) lines.push_back("the operator refuses this board");
  return lines;
}

bool holds(const std::vector<std::string>& lines, const std::string& line) {
  return std::find(lines.begin(), lines.end(), line) != lines.end();
}

}  // namespace

std::string entry_text(const trust::PolicyEntry& entry) {
  std::string out = std::string(entry.hardware_id.view()) + "\n";
  for (const std::string& line : rules(entry)) out += "  " + line + "\n";
  return out;
}

std::string entry_change(const trust::PolicyEntry* before, const trust::PolicyEntry& after) {
  const std::vector<std::string> old_lines =
      before == nullptr ? std::vector<std::string>() : rules(*before);
  const std::vector<std::string> new_lines = rules(after);
  std::string out = std::string(before == nullptr ? "new: " : "changed: ") +
                    std::string(after.hardware_id.view()) + "\n";
  for (const std::string& line : old_lines)
    if (!holds(new_lines, line)) out += "  - " + line + "\n";
  for (const std::string& line : new_lines)
    if (!holds(old_lines, line)) out += "  + " + line + "\n";
  return out;
}

}  // namespace mpyd::server::cli
