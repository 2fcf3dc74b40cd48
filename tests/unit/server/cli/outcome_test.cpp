#include "server/cli/outcome.hpp"

#include "server/cli/admin_client.hpp"
#include "server/cli/json_fields.hpp"
#include "server/cli/output.hpp"
#include "tests/support/catch.hpp"

namespace mpyd::server::cli {
namespace {

TEST_CASE("exit codes say what kind of failure it was") {
  struct Row {
    Errc code;
    int exit;
  };
  for (const Row row :
       {Row{Errc::internal, 1}, Row{Errc::io, 1}, Row{Errc::memory, 1},
        Row{Errc::too_many_requests, 1}, Row{Errc::invalid_argument, 2}, Row{Errc::unauthorised, 3},
        Row{Errc::forbidden, 3}, Row{Errc::not_found, 4}, Row{Errc::no_driver, 4},
        Row{Errc::unknown_device, 4}, Row{Errc::conflict, 5}, Row{Errc::truncated, 6},
        Row{Errc::blank, 6}, Row{Errc::bad_signature, 6}, Row{Errc::untrusted, 6},
        Row{Errc::rollback, 6}, Row{Errc::equivocation, 6}, Row{Errc::unreachable, 7},
        Row{Errc::timeout, 7}}) {
    CAPTURE(name(row.code));
    CHECK(exit_code(row.code) == row.exit);
  }
}

TEST_CASE("codes are found by their names, and unknown ones are internal") {
  CHECK(errc_named("bad_signature") == Errc::bad_signature);
  CHECK(errc_named("forbidden") == Errc::forbidden);
  CHECK(errc_named("of the future") == Errc::internal);
  CHECK(errc_named("") == Errc::internal);
}

TEST_CASE("queries and paths are encoded") {
  CHECK(query_of({}).empty());
  CHECK(query_of({{"a", ""}, {"b", "x y&z=%"}, {"c", "1"}}) == "?b=x%20y%26z%3D%25&c=1");
  CHECK(path_segment("../a/b?c") == "..%2Fa%2Fb%3Fc");
}

TEST_CASE("what a server says is shown on one line") {
  CHECK(shown({{"text", "a\nerror: b\xe2\x80\xae"}}, "text") == "a?error: b?");
}

TEST_CASE("tables are aligned and times are readable") {
  CHECK(format_table({{"A", "BB"}, {"long", "x"}}) == "A     BB\nlong  x\n");
  CHECK(format_table({{"A", "B"}, {"x\n\ty\xc2\x9b", "z"}}) == "A      B\nx??y?  z\n");
  CHECK(format_time(0) == "never");
  CHECK(format_time(1767225600) == "2026-01-01 00:00 UTC");
}

}  // namespace
}  // namespace mpyd::server::cli
