// Policy entries as people and programs read them.
#pragma once

#include <boost/json/object.hpp>
#include <string>

#include "protocol/trust/documents.hpp"

namespace mpyd::server::cli {

boost::json::object entry_json(const trust::PolicyEntry& entry);

// The hardware ID, then one indented line per rule.
std::string entry_text(const trust::PolicyEntry& entry);

// What changes from `before` (null: nothing was delegated) to `after`: lines with - and +.
std::string entry_change(const trust::PolicyEntry* before, const trust::PolicyEntry& after);

}  // namespace mpyd::server::cli
