// Numbers that devices in the field report: the table pins them.
#include "protocol/sync/report.hpp"

#include <string>

#include "tests/support/catch.hpp"

namespace mpyd::test {
namespace {

TEST_CASE("slot states keep their numbers and have names; others are unknown") {
  const std::string names[] = {"empty",    "identifying", "unidentified", "waiting",
                               "fetching", "verifying",   "running",      "refused"};
  for (std::uint8_t number = 0; number < std::size(names); ++number)
    CHECK(name(static_cast<sync::SlotState>(number)) == names[number]);
  CHECK(name(static_cast<sync::SlotState>(std::size(names))) == "unknown");
}

TEST_CASE("event kinds keep their numbers and have names; others are unknown") {
  const std::string names[] = {"plugged", "identified",    "unidentified", "chosen",
                               "loaded",  "refused",       "removed",      "synced",
                               "offline", "trust_changed", "stored",       "stuck"};
  for (std::uint8_t i = 0; i < std::size(names); ++i)
    CHECK(name(static_cast<sync::EventKind>(i + 1)) == names[i]);
  CHECK(name(static_cast<sync::EventKind>(0)) == "unknown");
  CHECK(name(static_cast<sync::EventKind>(std::size(names) + 1)) == "unknown");
}

}  // namespace
}  // namespace mpyd::test
