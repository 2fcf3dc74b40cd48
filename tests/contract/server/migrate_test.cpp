// Databases of other versions: older ones are migrated, newer ones refused untouched.
#include "server/storage/sqlite/migrate.hpp"

#include <fstream>
#include <map>

#include "server/storage/sqlite/sqlite_store.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/source_dir.hpp"
#include "tests/support/temporary_directory.hpp"

namespace mpyd::server::sqlite {

namespace {

std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::unique_ptr<Connection> open(const std::string& path) {
  return Connection::open(path, OpenMode::create).value();
}

// Name of each table and index -> its SQL, blanks made equal.
std::map<std::string, std::string> schema_of(Connection& connection) {
  std::map<std::string, std::string> out;
  Statement rows =
      connection.prepare("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").value();
  while (rows.step().value()) {
    std::string sql;
    for (const char c : rows.text(1))
      if (c != ' ' && c != '\n') sql += c;
    out[std::string(rows.text(0))] = sql;
  }
  return out;
}

}  // namespace

TEST_CASE("schema.sql says what the migrations make") {
  const test::TemporaryDirectory directory;
  const auto fresh = open(directory.file("fresh.db"));
  const std::string text = read_text(test::source_path("schema/sql/schema.sql"));
  REQUIRE(fresh->execute(text.c_str()));
  const auto migrated = open(directory.file("migrated.db"));
  REQUIRE(migrate(*migrated));
  CHECK(schema_of(*fresh) == schema_of(*migrated));
  CHECK(schema_of(*fresh).size() >= 12);
}

TEST_CASE("a token for one use stays one when its database is migrated, used or not") {
  const test::TemporaryDirectory directory;
  const auto connection = open(directory.file("mpyd.db"));
  REQUIRE(connection->execute(migrations()[0].sql));
  REQUIRE(connection->execute(
      "PRAGMA user_version = 1;"
      "INSERT INTO tokens (hash, name, scopes, created_unix_s, single_use, last_used_unix_s) "
      "VALUES (zeroblob(32), 'fresh', 'read', 1, 1, 0), (randomblob(32), 'used', 'read', 1, 1, 9), "
      "(randomblob(32), 'any', 'read', 1, 0, 9)"));
  REQUIRE(
      connection->execute(("PRAGMA application_id = " + std::to_string(kApplicationId)).c_str()));
  REQUIRE(migrate(*connection));
  Statement rows =
      connection->prepare("SELECT name, uses_max, uses FROM tokens ORDER BY name").value();
  std::string found;
  while (rows.step().value())
    found += std::string(rows.text(0)) + " " + std::to_string(rows.integer(1)) + " " +
             std::to_string(rows.integer(2)) + "; ";
  CHECK(found == "any 0 0; fresh 1 0; used 1 1; ");
}

TEST_CASE("migrating twice changes nothing") {
  const test::TemporaryDirectory directory;
  const auto connection = open(directory.file("mpyd.db"));
  REQUIRE(migrate(*connection));
  const auto before = schema_of(*connection);
  REQUIRE(migrate(*connection));
  CHECK(schema_of(*connection) == before);
  CHECK(schema_version(*connection).value() == static_cast<int>(migrations().size()));
}

TEST_CASE("a newer database is refused by name of the version it needs, and not touched") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("mpyd.db");
  {
    const auto connection = open(path);
    REQUIRE(migrate(*connection));
    REQUIRE(
        connection->execute("PRAGMA user_version = 999;"
                            "UPDATE meta SET value = '7.1.0' WHERE name = 'needs_version';"));
  }
  const std::string before = read_text(path);
  const auto opened = SqliteStore::open(path);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == Errc::unsupported);
  CHECK(opened.error().message.find("install mpyd 7.1.0 or newer") != std::string::npos);
  CHECK(read_text(path) == before);
}

TEST_CASE("another program's database is refused and not touched") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("mpyd.db");
  { REQUIRE(open(path)->execute("CREATE TABLE songs (name TEXT)")); }
  const std::string before = read_text(path);
  CHECK(SqliteStore::open(path).error().code == Errc::bad_magic);
  CHECK(read_text(path) == before);
}

TEST_CASE("a database that is not there is not made by opening it") {
  const test::TemporaryDirectory directory;
  CHECK(SqliteStore::open(directory.file("mpyd.db")).error().code == Errc::not_found);
  CHECK_FALSE(std::filesystem::exists(directory.file("mpyd.db")));
}

TEST_CASE("a new database is for its owner only") {
  const test::TemporaryDirectory directory;
  REQUIRE(SqliteStore::create(directory.file("mpyd.db")));
  const auto mode = std::filesystem::status(directory.file("mpyd.db")).permissions();
  CHECK(mode == (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
  CHECK(SqliteStore::create(directory.file("mpyd.db")).error().code == Errc::conflict);
}

}  // namespace mpyd::server::sqlite
