#include "server/http/json_fields.hpp"

#include "tests/support/catch.hpp"

namespace mpyd::server::http {

TEST_CASE("fields are read by type; null is absent; unknown keys are named") {
  const auto object = parse_json_object(
      R"({"a":"x","n":7,"big":4294967296,"neg":-1,"real":1.5,"flag":true,"none":null,"list":["a"],"b":"aGk="})");
  REQUIRE(object);
  JsonFields fields(*object);
  CHECK(fields.text("a").value() == "x");
  CHECK(fields.text("n").error().message == "the field 'n' must be a text");
  CHECK(fields.text("gone").error().message == "the field 'gone' is missing");
  CHECK(fields.number("n", 10).value() == 7);
  CHECK_FALSE(fields.number("n", 6));
  CHECK_FALSE(fields.number("big", 0xffffffff));
  CHECK_FALSE(fields.number("neg", 10));
  CHECK_FALSE(fields.number("real", 10));
  CHECK_FALSE(fields.number("absent", 10));
  CHECK_FALSE(fields.optional_number("none", 10).value());
  CHECK(fields.flag("flag").value());
  CHECK_FALSE(fields.flag("absent").value());
  CHECK(fields.text_or("none", "default").value() == "default");
  CHECK(fields.texts("list").value() == std::vector<std::string>{"a"});
  CHECK(fields.done().error().message == "there is no field 'b'");
  CHECK(as_text(fields.base64("b").value()) == "hi");
  CHECK(fields.done());
}

TEST_CASE("a key twice in one object is malformed, however it is spelled and wherever it is") {
  for (const char* body :
       {R"({"a":1,"a":1})", R"({"a":1,"\u0061":2})", R"({"x":[{"a":1,"b":":","a":2}]})"})
    CHECK(parse_json_object(body).error().message == "the body has the same key twice");
  for (const char* body :
       {R"({"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]})", R"({"a":"\":\\","b":":::"})", "{}"})
    CHECK(parse_json_object(body));
}

TEST_CASE("a body has a bound in values, wherever they are; commas in strings are none") {
  const auto list_of = [](std::size_t count, const std::string& value) {
    std::string out = "{\"list\":[" + value;
    for (std::size_t i = 1; i < count; ++i) out += "," + value;
    return out + "]}";
  };
  // The object and the list are values as well.
  CHECK(parse_json_object(list_of(kJsonValuesMax - 2, "1")));
  CHECK(parse_json_object(list_of(2, '"' + std::string(kJsonValuesMax, ',') + '"')));
  for (const std::string& body :
       {list_of(kJsonValuesMax - 1, "1"), list_of(kJsonValuesMax / 2, "[1]"),
        list_of(kJsonValuesMax / 2, R"({"a":1})")}) {
    const auto refused = parse_json_object(body);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::limit);
    CHECK(refused.error().message == "the body has more JSON values than 131072");
  }
}

TEST_CASE("bodies that are no JSON object are malformed") {
  for (const char* body : {"", "{", "[]", "7", "{\"a\":1}x"})
    CHECK(parse_json_object(body).error().code == Errc::malformed);
  std::string deep;
  for (int i = 0; i < 1000; ++i) deep += "{\"a\":";
  CHECK(parse_json_object(deep).error().code == Errc::malformed);
}

}  // namespace mpyd::server::http
