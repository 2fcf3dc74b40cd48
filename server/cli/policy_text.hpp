// Policy entries as people read them.
#pragma once

#include <string>

#include "protocol/trust/documents.hpp"

namespace mpyd::server::cli {

// The hardware ID, then one indented line per rule.
std::string entry_text(const trust::PolicyEntry& entry);

// What changes from `before` (null: nothing was delegated) to `after`: lines with - and +.
std::string entry_change(const trust::PolicyEntry* before, const trust::PolicyEntry& after);

}  // namespace mpyd::server::cli
