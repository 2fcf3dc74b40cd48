#include "server/storage/sqlite/migrate.hpp"

#include <algorithm>
#include <vector>

#include "server/storage/sqlite/stores.hpp"
#include "server/util/build_version.hpp"
#include "server/util/text.hpp"

namespace mpyd::server::sqlite {
namespace {

Result<std::int64_t> pragma(Connection& connection, const char* sql) {
  MPYD_TRY_ASSIGN(Statement statement, connection.prepare(sql));
  MPYD_TRY(statement.step());
  return statement.integer(0);
}

Result<std::string> needed_version(Connection& connection) {
  MPYD_TRY_ASSIGN(Statement statement,
                  connection.prepare("SELECT value FROM meta WHERE name = 'needs_version'"));
  MPYD_TRY_ASSIGN(const bool found, statement.step());
  return found ? std::string(statement.text(0)) : std::string("a newer version");
}

Result<void> run_step(Connection& connection, const Migration& step) {
  const std::string numbers = "PRAGMA application_id = " + std::to_string(kApplicationId) +
                              "; PRAGMA user_version = " + std::to_string(step.number);
  MPYD_TRY(connection.execute(step.sql));
  // By its name: numbers move when branches meet.
  if (std::string_view(step.name).ends_with("_audit_chain")) MPYD_TRY(chain_audit_log(connection));
  MPYD_TRY(connection.execute(numbers.c_str()));
  MPYD_TRY_ASSIGN(Statement statement,
                  connection.prepare("INSERT INTO meta (name, value) VALUES ('needs_version', ?1) "
                                     "ON CONFLICT (name) DO UPDATE SET value = ?1"));
  return statement.bind(build_version()).run();
}

Result<void> run_steps(Connection& connection, int present, int wanted) {
  for (const Migration& step : migrations()) {
    if (step.number <= present || step.number > wanted) continue;
    MPYD_TRY(connection.execute("BEGIN IMMEDIATE"));
    if (auto done = run_step(connection, step); !done) {
      (void)connection.execute("ROLLBACK");
      return fail(std::move(done).error().with(std::string("migration ") + step.name));
    }
    MPYD_TRY(connection.execute("COMMIT"));
  }
  return {};
}

// A table, an index, or what no database of ours has.
struct SchemaObject {
  std::string type;
  std::string name;
  std::string table;
  std::string sql;
  friend auto operator<=>(const SchemaObject&, const SchemaObject&) = default;
};

// Sorted. Where ANALYZE keeps its statistics does not count: whoever runs it changes nothing.
Result<std::vector<SchemaObject>> schema_objects(Connection& connection) {
  MPYD_TRY_ASSIGN(Statement rows,
                  connection.prepare(
                      "SELECT type, name, tbl_name, coalesce(sql, '') AS made FROM sqlite_master "
                      "WHERE made NOT IN ('CREATE TABLE sqlite_stat1(tbl,idx,stat)', "
                      "'CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)')"));
  std::vector<SchemaObject> out;
  while (true) {
    MPYD_TRY_ASSIGN(const bool more, rows.step());
    if (!more) break;
    out.push_back({std::string(rows.text(0)), std::string(rows.text(1)), std::string(rows.text(2)),
                   std::string(rows.text(3))});
  }
  std::ranges::sort(out);
  return out;
}

Error changed_schema(const SchemaObject& object, const char* how) {
  return Error(Errc::malformed,
               "the database's " + harmless_text(object.type) + " '" + harmless_text(object.name) +
                   "' " + how +
                   ": somebody changed the database beside mpyd; restore a backup from before");
}

// Against a database that the same migrations make now: what is in a database runs nothing and
// hides nothing that they did not put there.
Result<void> check_schema(Connection& connection, int version) {
  MPYD_TRY_ASSIGN(const auto model, Connection::open(":memory:", OpenMode::create));
  MPYD_TRY(run_steps(*model, 0, version));
  MPYD_TRY_ASSIGN(const auto expected, schema_objects(*model));
  MPYD_TRY_ASSIGN(const auto found, schema_objects(connection));
  const auto [is, ought] = std::ranges::mismatch(found, expected);
  const bool has_more = is != found.end();
  const bool wants_more = ought != expected.end();
  if (!has_more && !wants_more) return {};
  if (has_more && wants_more && is->type == ought->type && is->name == ought->name)
    return fail(changed_schema(*is, "is not as mpyd made it"));
  if (!has_more || (wants_more && *ought < *is)) return fail(changed_schema(*ought, "is missing"));
  return fail(changed_schema(*is, "is none of mpyd's"));
}

}  // namespace

Result<int> schema_version(Connection& connection) {
  MPYD_TRY_ASSIGN(const std::int64_t application, pragma(connection, "PRAGMA application_id"));
  MPYD_TRY_ASSIGN(const std::int64_t version, pragma(connection, "PRAGMA user_version"));
  if (application == 0 && version == 0) {
    MPYD_TRY_ASSIGN(const std::int64_t objects,
                    pragma(connection, "SELECT count(*) FROM sqlite_master"));
    if (objects == 0) return 0;
  }
  if (application != kApplicationId)
    return fail(Errc::bad_magic,
                "the database belongs to another program; name mpyd's data directory");
  const int newest = newest_schema();
  if (version > newest) {
    MPYD_TRY_ASSIGN(const std::string needed, needed_version(connection));
    return fail(Errc::unsupported, "the database has schema " + std::to_string(version) +
                                       ", this mpyd " + std::string(build_version()) +
                                       " knows schemas up to " + std::to_string(newest) +
                                       "; install mpyd " + needed + " or newer");
  }
  MPYD_TRY(check_schema(connection, static_cast<int>(version)));
  return static_cast<int>(version);
}

int newest_schema() { return static_cast<int>(migrations().size()); }

Result<void> require_newest_schema(Connection& connection) {
  MPYD_TRY_ASSIGN(const int schema, schema_version(connection));
  if (schema == newest_schema()) return {};
  return fail(Errc::unsupported, "the database has schema " + std::to_string(schema) +
                                     " still; mpyd serve brings it to " +
                                     std::to_string(newest_schema()) + " when it starts");
}

Result<void> migrate(Connection& connection) {
  MPYD_TRY_ASSIGN(const int present, schema_version(connection));
  return run_steps(connection, present, newest_schema());
}

}  // namespace mpyd::server::sqlite
