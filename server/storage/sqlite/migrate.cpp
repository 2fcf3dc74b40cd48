#include "server/storage/sqlite/migrate.hpp"

#include "server/storage/sqlite/stores.hpp"
#include "server/util/build_version.hpp"

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
  const auto newest = static_cast<std::int64_t>(migrations().size());
  if (version > newest) {
    MPYD_TRY_ASSIGN(const std::string needed, needed_version(connection));
    return fail(Errc::unsupported, "the database has schema " + std::to_string(version) +
                                       ", this mpyd " + std::string(build_version()) +
                                       " knows schemas up to " + std::to_string(newest) +
                                       "; install mpyd " + needed + " or newer");
  }
  return static_cast<int>(version);
}

Result<void> migrate(Connection& connection) {
  MPYD_TRY_ASSIGN(const int present, schema_version(connection));
  for (const Migration& step : migrations()) {
    if (step.number <= present) continue;
    MPYD_TRY(connection.execute("BEGIN IMMEDIATE"));
    if (auto done = run_step(connection, step); !done) {
      (void)connection.execute("ROLLBACK");
      return fail(std::move(done).error().with(std::string("migration ") + step.name));
    }
    MPYD_TRY(connection.execute("COMMIT"));
  }
  return {};
}

}  // namespace mpyd::server::sqlite
