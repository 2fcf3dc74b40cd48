// Databases of other versions: older ones are migrated, newer ones refused untouched.
#include "server/storage/sqlite/migrate.hpp"

#include <filesystem>
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

TEST_CASE("an audit log from before the chain is chained as it is, and goes on") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("mpyd.db");
  {
    const auto old = open(path);
    for (int i = 0; i < 3; ++i) REQUIRE(old->execute(migrations()[i].sql));
    REQUIRE(old->execute(
        ("PRAGMA user_version = 3; PRAGMA application_id = " + std::to_string(kApplicationId) +
         "; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500) "
         "INSERT INTO audit (time_unix_s, actor, action, subject, detail) "
         "SELECT i, 'token:a', 'yank', i, '{}' FROM n")
            .c_str()));
  }
  const auto store = SqliteStore::open(path).value();
  REQUIRE(store->write([](Transaction& tx) { return tx.audit().append({.action = "after"}); }));
  AuditChain chain;
  REQUIRE(store->read([&](const Snapshot& s) -> Result<void> {
    MPYD_TRY_ASSIGN(const auto rows, s.audit().list(0, 10'000));
    for (const AuditRow& row : rows) CHECK_FALSE(chain.add(row));
    return {};
  }));
  CHECK(chain.head().id == 2501);
}

TEST_CASE("answers from before their bytes were counted are counted") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("mpyd.db");
  {
    const auto old = open(path);
    for (int i = 0; i < 6; ++i) REQUIRE(old->execute(migrations()[i].sql));
    REQUIRE(old->execute(
        ("PRAGMA user_version = 6; PRAGMA application_id = " + std::to_string(kApplicationId) +
         "; INSERT INTO answered_requests (token, key, request, time_unix_s, status, content_type, "
         "body) VALUES (zeroblob(32), 'a', zeroblob(32), 1, 200, '', zeroblob(70)), "
         "(zeroblob(32), 'b', zeroblob(32), 1, 0, '', x'')")
            .c_str()));
  }
  const auto store = SqliteStore::open(path).value();
  const auto usage =
      store->get([](const Snapshot& s) { return s.requests().usage(Digest{}); }).value();
  CHECK(usage.count == 2);
  CHECK(usage.body_bytes == 70);
}

TEST_CASE("a copy of a database is of one moment, while others write on") {
  const test::TemporaryDirectory directory;
  const auto store = SqliteStore::create(directory.file("mpyd.db")).value();
  const auto append = [&](std::size_t bytes) {
    const std::string text(bytes, 'x');
    return store->write([&](Transaction& tx) { return tx.audit().append({.subject = text}); });
  };
  for (int i = 0; i < 200; ++i) REQUIRE(append(20'000));  // more than one step of the copy
  { REQUIRE(std::ofstream(directory.file("copy.db"))); }
  const auto source = Connection::open(directory.file("mpyd.db"), OpenMode::read_only).value();
  int steps = 0;
  REQUIRE(source->copy_to(directory.file("copy.db"), [&](std::uint64_t done, std::uint64_t total) {
    REQUIRE(append(20'000));
    CHECK(done <= total);
    ++steps;
  }));
  CHECK(steps > 2);
  // A folder may be a link, the copy may not: whose folder it is could have root write elsewhere.
  std::filesystem::create_directory_symlink(directory.path(), directory.file("folder"));
  { REQUIRE(std::ofstream(directory.file("elsewhere.db"))); }
  CHECK(source->copy_to(directory.file("folder/elsewhere.db"), {}));
  std::filesystem::create_symlink(directory.file("elsewhere.db"), directory.file("link.db"));
  CHECK(source->copy_to(directory.file("link.db"), {}).error().code == Errc::io);
  const auto copy = SqliteStore::open(directory.file("copy.db")).value();
  const auto head = copy->get([](const Snapshot& s) { return s.audit().end(); }).value().head;
  CHECK(head.id == 200);
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

TEST_CASE("a database in which somebody made or changed something beside mpyd is refused") {
  struct Change {
    const char* sql;
    const char* named;
  };
  const auto change = GENERATE(
      Change{"CREATE TRIGGER x BEFORE INSERT ON audit BEGIN SELECT RAISE(IGNORE); END",
             "trigger 'x' is none of mpyd's"},
      Change{"CREATE VIEW sight AS SELECT 1", "view 'sight' is none of mpyd's"},
      Change{"CREATE TABLE ballast (bytes BLOB)", "table 'ballast' is none of mpyd's"},
      Change{"CREATE INDEX sorted ON audit (actor)", "index 'sorted' is none of mpyd's"},
      Change{"CREATE TABLE 'a\x1b[2J' (b)", "table 'a?[2J'"},
      Change{"DROP INDEX variants_digest", "index 'variants_digest' is missing"},
      Change{"DROP INDEX variants_digest; CREATE INDEX variants_digest ON variants (digest)",
             "index 'variants_digest' is not as mpyd made it"},
      Change{"ALTER TABLE tokens ADD COLUMN more TEXT", "table 'tokens' is not as mpyd made it"});
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("mpyd.db");
  {
    const auto connection = open(path);
    REQUIRE(migrate(*connection));
    REQUIRE(connection->execute(change.sql));
  }
  const auto opened = SqliteStore::open(path);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == Errc::malformed);
  CAPTURE(opened.error().message);
  CHECK(opened.error().message.find(change.named) != std::string::npos);
  CHECK(opened.error().message.find("restore a backup") != std::string::npos);
}

TEST_CASE("SQLite's own statistics are no change of a database") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("mpyd.db");
  REQUIRE(SqliteStore::create(path));
  REQUIRE(open(path)->execute("ANALYZE"));
  CHECK(SqliteStore::open(path));
}

TEST_CASE("a database of an older schema is checked by that schema, before it is upgraded") {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("mpyd.db");
  const std::string old = GENERATE("1", "2");
  std::filesystem::copy(test::source_path("tests/vectors/compat/" + old + "/server/mpyd.db"), path);
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  SECTION("as it was made it is upgraded, and then is like a new one") {
    CHECK(SqliteStore::open(path));
    CHECK(SqliteStore::open(path));
  }
  SECTION("with a trigger it stays as it is") {
    REQUIRE(open(path)->execute("CREATE TRIGGER x AFTER INSERT ON meta BEGIN SELECT 1; END"));
    CHECK(SqliteStore::open(path).error().code == Errc::malformed);
    const auto connection = open(path);
    Statement version = connection->prepare("PRAGMA user_version").value();
    REQUIRE(version.step().value());
    CHECK(version.integer(0) < static_cast<int>(migrations().size()));
  }
}

TEST_CASE("triggers and views of a database do nothing") {
  const test::TemporaryDirectory directory;
  const auto connection = open(directory.file("mpyd.db"));
  REQUIRE(migrate(*connection));
  REQUIRE(
      connection->execute("CREATE VIEW sight AS SELECT 1; CREATE TRIGGER x BEFORE INSERT ON "
                          "meta BEGIN SELECT RAISE(IGNORE); END"));
  CHECK_FALSE(connection->execute("SELECT * FROM sight"));
  REQUIRE(connection->execute("INSERT INTO meta (name, value) VALUES ('a', 'b')"));
  Statement rows = connection->prepare("SELECT 1 FROM meta WHERE name = 'a'").value();
  CHECK(rows.step().value());
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
