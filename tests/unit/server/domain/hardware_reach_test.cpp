#include "server/domain/hardware_reach.hpp"

#include "tests/support/catch.hpp"

namespace mpyd::server {
namespace {

Result<HardwareReach> make(std::vector<std::string> patterns) {
  return HardwareReach::make(patterns);
}

}  // namespace

TEST_CASE("A38 a pattern of hardware IDs covers whole parts only") {
  struct Row {
    const char* pattern;
    const char* hardware_id;
    bool covered;
  };
  for (const Row& row : {
           Row{"hat:Acme:0042", "hat:Acme:0042", true},
           Row{"hat:Acme:0042", "hat:Acme:00421", false},
           Row{"hat:Acme:*", "hat:Acme:0042", true},
           Row{"hat:Acme:*", "hat:Acme%20Two:0042", false},
           Row{"hat:Acme:*", "hat:AcmeTwo:0042", false},
           Row{"hat:Acme:*", "cape:Acme:0042", false},
           Row{"hat:*", "hat:Other:1", true},
           Row{"hat:*", "hatx:Other:1", false},
       }) {
    CAPTURE(row.pattern, row.hardware_id);
    CHECK(make({row.pattern}).value().covers(row.hardware_id) == row.covered);
  }
  CHECK(make({"hat:A:*", "cape:B:1"}).value().covers("cape:B:1"));
}

TEST_CASE("A38 what is no pattern is refused, so that none covers more than it seems to") {
  for (const char* text : {"", "*", "hat", "hat*", "hat:Ac*", "hat:Acme*", "hat:Acme:00*",
                           "hat:*:0042", "hat:Acme:0042:*", ":*", "Hat:*", "hat::*", "hat:A B:*",
                           "hat:%61:*", "hat:Acme:**", "hat:Acme: *"}) {
    CAPTURE(text);
    CHECK(make({text}).error().code == Errc::invalid_argument);
  }
  CHECK(make({"hat:*", "hat:*"}).error().code == Errc::invalid_argument);
  std::vector<std::string> many;
  for (std::size_t i = 0; i <= HardwareReach::kPatternsMax; ++i)
    many.push_back("hat:V:" + std::to_string(i));
  CHECK(make(many).error().code == Errc::limit);
}

TEST_CASE("a reach is read back as it was written, and none is everything") {
  const auto reach = make({"hat:Acme:*", "cape:B:1"}).value();
  CHECK(reach.text() == "hat:Acme:* cape:B:1");
  CHECK(HardwareReach::parse(reach.text()).value() == reach);
  CHECK(reach.check(HardwareId::parse("hat:Other:1").value()).error().message ==
        "the token is limited to hat:Acme:* cape:B:1; this needs one for hat:Other:1");
  const HardwareReach everything;
  CHECK_FALSE(everything.is_limited());
  CHECK(everything.covers("hat:Other:1"));
  CHECK(HardwareReach::parse("").value() == everything);
}

}  // namespace mpyd::server
