#include "server/domain/audit.hpp"

#include <vector>

#include "server/util/encoding.hpp"
#include "tests/support/catch.hpp"

namespace mpyd::server {
namespace {

using Kind = AuditBreak::Kind;

std::vector<AuditRow> log_of(std::uint64_t count) {
  std::vector<AuditRow> out;
  Digest last;
  for (std::uint64_t id = 1; id <= count; ++id) {
    AuditRow row{.id = id,
                 .event = {.time_unix_s = 1000 + id, .actor = "token:a", .action = "yank"},
                 .previous = last};
    row.event.subject = "row " + std::to_string(id);
    last = row.hash = audit_hash(last, id, row.event);
    out.push_back(row);
  }
  return out;
}

std::optional<AuditBreak> check(const std::vector<AuditRow>& rows, std::uint64_t numbered,
                                std::optional<AuditHead> known = std::nullopt,
                                std::uint64_t foreign = 0) {
  AuditChain chain(known);
  for (const AuditRow& row : rows)
    if (auto found = chain.add(row)) return found;
  return chain.finish(numbered, foreign);
}

AuditHead head_of(const AuditRow& row) { return {row.id, row.hash}; }

void check_found(const std::optional<AuditBreak>& found, Kind kind, std::uint64_t first,
                 std::uint64_t last) {
  REQUIRE(found);
  CHECK(found->kind == kind);
  CHECK(found->first == first);
  CHECK(found->last == last);
}

TEST_CASE("a log that was only appended to is intact, also with the head of any of its rows") {
  const auto rows = log_of(9);
  CHECK_FALSE(check(rows, 9));
  for (const AuditRow& row : rows) CHECK_FALSE(check(rows, 9, head_of(row)));
  CHECK_FALSE(check({}, 0));
}

TEST_CASE("the hash of a row is what schema/audit.md says") {
  // By another program's SHA-256.
  const AuditEvent event{
      .time_unix_s = 7, .actor = "init", .action = "init", .subject = "", .detail = "{}"};
  CHECK(to_hex(audit_hash(Digest{}, 1, event).bytes()) ==
        "85f7a601f78dfd5f79daacbd9cbaff0c8b2369f038371bd8f80cd1cfc9db0df6");
}

TEST_CASE("each changed field of a row is found with the row's number") {
  const auto change = [](auto edit) {
    auto rows = log_of(9);
    edit(rows[4]);
    check_found(check(rows, 9), Kind::changed, 5, 5);
  };
  change([](AuditRow& row) { row.event.time_unix_s -= 1; });
  change([](AuditRow& row) { row.event.actor = "token:b"; });
  change([](AuditRow& row) { row.event.action = "unyank"; });
  change([](AuditRow& row) { row.event.subject += " "; });
  change([](AuditRow& row) { row.event.detail = "{ }"; });
  change([](AuditRow& row) { row.hash.data[0] ^= std::byte{1}; });
  // A byte that moves from one field to the next is a change.
  change([](AuditRow& row) {
    row.event.actor = "token:ay";
    row.event.action = "ank";
  });
}

TEST_CASE("a changed row is found even if its own hash was made good, by the row after it") {
  auto rows = log_of(9);
  rows[4].event.actor = "token:b";
  rows[4].hash = audit_hash(rows[4].previous, 5, rows[4].event);
  check_found(check(rows, 9), Kind::reordered, 6, 6);
}

TEST_CASE("removed rows are found with their numbers") {
  auto rows = log_of(9);
  rows.erase(rows.begin() + 2, rows.begin() + 5);
  check_found(check(rows, 9), Kind::missing, 3, 5);
  rows = log_of(9);
  rows.erase(rows.begin());
  check_found(check(rows, 9), Kind::missing, 1, 1);
}

TEST_CASE("exchanged rows are found with the number of the first") {
  auto rows = log_of(9);
  std::swap(rows[3], rows[6]);
  std::swap(rows[3].id, rows[6].id);
  check_found(check(rows, 9), Kind::reordered, 4, 4);
}

TEST_CASE("a removed row whose successors moved up is found") {
  auto rows = log_of(9);
  rows.erase(rows.begin() + 4);
  for (std::size_t i = 4; i < rows.size(); ++i) rows[i].id = i + 1;
  check_found(check(rows, 8), Kind::reordered, 5, 5);
}

TEST_CASE("a cut-off end is found by a head noted before, or by the storage's own count") {
  const auto whole = log_of(9);
  auto rows = log_of(9);
  rows.resize(6);
  CHECK_FALSE(check(rows, 6));
  CHECK_FALSE(check(rows, 6, head_of(whole[5])));
  check_found(check(rows, 6, head_of(whole[8])), Kind::truncated, 7, 9);
  check_found(check(rows, 9), Kind::truncated, 7, 9);
  check_found(check({}, 0, head_of(whole[0])), Kind::truncated, 1, 1);
}

TEST_CASE("a log written anew with good hashes is found by a head noted before") {
  const auto noted = head_of(log_of(9)[6]);
  auto rows = log_of(4);
  rows[3].event.actor = "token:b";
  rows[3].hash = audit_hash(rows[3].previous, 4, rows[3].event);
  Digest last = rows[3].hash;
  for (std::uint64_t id = 5; id <= 9; ++id) {
    AuditRow row = log_of(9)[id - 1];
    row.previous = last;
    last = row.hash = audit_hash(last, id, row.event);
    rows.push_back(row);
  }
  CHECK_FALSE(check(rows, 9));
  check_found(check(rows, 9, noted), Kind::rewritten, 7, 7);
}

TEST_CASE("the last row that tells of a restore is known") {
  auto rows = log_of(4);
  AuditRow restore = rows[3];
  restore.event.action = kAuditRestore;
  restore.hash = audit_hash(restore.previous, 4, restore.event);
  AuditChain chain;
  for (std::size_t i = 0; i < 3; ++i) CHECK_FALSE(chain.add(rows[i]));
  CHECK(chain.restored() == 0);
  CHECK_FALSE(chain.add(restore));
  CHECK(chain.restored() == 4);
}

TEST_CASE("a head is written and read as NUMBER:HASH, and nothing else is one") {
  const AuditHead head = head_of(log_of(12)[11]);
  const std::string text = format_audit_head(head);
  CHECK(text.starts_with("12:"));
  CHECK(parse_audit_head(text).value() == head);
  for (const std::string& bad :
       {std::string(), std::string("12"), text + "0", "x" + text, text.substr(0, text.size() - 1),
        std::string("12:"), std::string("-1:") + text.substr(3)})
    CHECK(parse_audit_head(bad).error().code == Errc::invalid_argument);
  CHECK(parse_audit_head(format_audit_head({})).value() == AuditHead{});
  CHECK(parse_audit_head("0" + text.substr(2)).error().code == Errc::invalid_argument);
}

TEST_CASE("rows before the first are found, whatever they say") {
  check_found(check(log_of(4), 4, std::nullopt, 2), Kind::foreign, 0, 0);
  check_found(check({}, 0, std::nullopt, 1), Kind::foreign, 0, 0);
  check_found(check(log_of(4), 9, std::nullopt, 2), Kind::truncated, 5, 9);
}

TEST_CASE("each break is told in a sentence with its numbers") {
  CHECK(describe(AuditBreak{Kind::changed, 5, 5}) == "row 5 was changed after it was written");
  CHECK(describe(AuditBreak{Kind::missing, 3, 5}) == "rows 3 to 5 are missing");
  CHECK(describe(AuditBreak{Kind::reordered, 4, 4}) ==
        "row 4 is out of order: it was not written after row 3");
  CHECK(describe(AuditBreak{Kind::truncated, 7, 9}) ==
        "rows 7 to 9 are missing at the end: the log was cut off after row 6");
  CHECK(describe(AuditBreak{Kind::rewritten, 7, 7}) ==
        "row 7 is not the one whose head was noted: the log was written anew");
}

}  // namespace
}  // namespace mpyd::server
