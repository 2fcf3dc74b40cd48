#include "server/cli/clone_text.hpp"

#include <boost/json/array.hpp>

#include "server/cli/json_fields.hpp"

namespace mpyd::server::cli {

std::string clones_text(const boost::json::object& slot) {
  const auto* clones = slot.if_contains("clones");
  if (clones == nullptr || !clones->is_array()) return {};
  std::string text;
  for (const auto& clone : clones->get_array())
    if (const auto* place = clone.if_object())
      text += "slot " + shown(slot, "slot") +
              ": a board with the same serial number is at the same time in slot " +
              shown(*place, "slot") + " of " + shown(*place, "device") + "; one is a copy\n";
  return text;
}

}  // namespace mpyd::server::cli
