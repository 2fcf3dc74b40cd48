#include "server/util/text.hpp"

#include "tests/support/catch.hpp"

namespace mpyd::server {

TEST_CASE("text of others is shown, and steers no terminal") {
  CHECK(harmless_text("Größe ≥ 3 日本 🙂") == "Größe ≥ 3 日本 🙂");
  CHECK(harmless_text("a\x1b[31mb\x7f") == "a?[31mb?");
  CHECK(harmless_text("a\xc2\x9b"
                      "31mb") == "a?31mb");  // C1: CSI
  CHECK(harmless_text("\xc2\x80\xc2\x9f\xc2\xa0") == "??\xc2\xa0");
  for (const char* const turning :
       {"\u061c", "\u200e", "\u200f", "\u202a", "\u202e", "\u2066", "\u2069", "\u2028", "\u2029"})
    CHECK(harmless_text(turning) == "?");
  for (const char* const harmless : {"\u2027", "\u202f", "\u2065", "\u206a"})
    CHECK(harmless_text(harmless) == harmless);
  CHECK(harmless_text("a\tb\nc") == "a?b?c");
  CHECK(harmless_text("a\tb\nc\r", "\t\n") == "a\tb\nc?");
}

TEST_CASE("what is no UTF-8 is replaced byte by byte") {
  CHECK(harmless_text("\x9b"
                      "31m") == "?31m");
  CHECK(harmless_text("\xc2") == "?");
  CHECK(harmless_text("\xe2\x82") == "??");
  CHECK(harmless_text("\xc0\x8a\xe0\x80\x8a\xf0\x80\x80\x8a") == "?????????");  // overlong \n
  CHECK(harmless_text("\xed\xa0\x80") == "???");                                // a surrogate
  CHECK(harmless_text("\xf4\x90\x80\x80\xff") == "?????");
  CHECK(harmless_text("\xe2z") == "?z");
}

TEST_CASE("a harmless line is one line") {
  CHECK(is_harmless_line(""));
  CHECK(is_harmless_line("take 2.0.0 – it is größer"));
  for (const char* const bad : {"a\nb", "a\tb", "\xc2\x9b", "\u202e", "\xff", "\x7f"})
    CHECK_FALSE(is_harmless_line(bad));
}

TEST_CASE("JSON keeps its meaning and steers no terminal") {
  CHECK(harmless_json("{\"a\":\"\u00e4\"}") == "{\"a\":\"\u00e4\"}");
  CHECK(harmless_json("\"x\u009by\u202e\x7f\"") == "\"x\\u009by\\u202e\\u007f\"");
  CHECK(harmless_json("\"\xff\"") == "\"\\ufffd\"");
}

}  // namespace mpyd::server
