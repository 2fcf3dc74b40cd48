#include "server/cli/published.hpp"

#include <boost/json/array.hpp>

#include "server/cli/trust_view.hpp"
#include "tests/support/catch.hpp"

namespace mpyd::server::cli {
namespace {

TEST_CASE("what is published is named by its driver or its hardware ID, and a version") {
  struct Row {
    const char* text;
    const char* hardware_id;
    const char* driver_name;
    const char* version;
  };
  for (const Row& row :
       {Row{"thermo", "", "thermo", ""}, Row{"thermo@1.2.3", "", "thermo", "1.2.3"},
        Row{"hat:Meadow%20Instruments:0042", "hat:Meadow%20Instruments:0042", "", ""},
        Row{"hat:a%40b:0042@1.0.0", "hat:a%40b:0042", "", "1.0.0"}}) {
    CAPTURE(row.text);
    const auto name = parse_published_name(row.text);
    REQUIRE(name);
    CHECK(name->hardware_id == row.hardware_id);
    CHECK(name->driver_name == row.driver_name);
    CHECK(name->version == row.version);
    CHECK(name->what() == (*row.hardware_id != '\0' ? row.hardware_id : row.driver_name));
  }
  for (const char* const text : {"", "@1.0.0", "thermo@", "thermo@1", "hat:Meadow Instruments:0042",
                                 "hat:", "a driver", "thermo@1.0.0@2.0.0"}) {
    CAPTURE(text);
    const auto name = parse_published_name(text);
    REQUIRE(!name);
    CHECK(name.error().error.code == Errc::invalid_argument);
    CHECK(!name.error().hint.empty());
  }
}

TEST_CASE("a release is offered as long as one of its variants is") {
  const auto release = [](std::initializer_list<bool> withdrawn) {
    boost::json::array variants;
    for (const bool one : withdrawn)
      variants.push_back(boost::json::object{{"abi", "6-any"}, {"withdrawn", one}});
    return boost::json::object{{"version", "1.0.0"}, {"variants", std::move(variants)}};
  };
  CHECK(is_offered(release({false})));
  CHECK(is_offered(release({true, false})));
  CHECK(!is_offered(release({true, true})));
  CHECK(!is_offered(release({})));
}

}  // namespace
TEST_CASE("what motherboards would not take any more is expired") {
  TrustView view;
  CHECK(require_unexpired(view, 100));  // nothing was delegated
  view.head.emplace();
  CHECK(require_unexpired(view, 100));  // never
  view.head->expires_unix_s = 101;
  CHECK(require_unexpired(view, 100));
  CHECK(require_unexpired(view, 101).error().error.code == Errc::expired);
}

}  // namespace mpyd::server::cli
