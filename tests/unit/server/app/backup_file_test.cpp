#include "server/app/backup_file.hpp"

#include <sys/stat.h>
#include <fstream>

#include "tests/support/catch.hpp"
#include "tests/support/temporary_directory.hpp"

namespace mpyd::server {
namespace {

using test::TemporaryDirectory;

using Content = std::vector<std::pair<std::string, std::string>>;
const Content kServer = {{"server.key", "a key"}, {"server.key.old", ""}, {"mpyd.db", "tables"}};
const Content kDatabase = {{"mpyd.db", "tables"}};

LockedBytes locked(std::string_view text) {
  LockedBytes out(text.size());
  copy_bytes(as_bytes(text), out.span());
  return out;
}
BackupReader::Passphrase say(const std::string& text) {
  return [text]() -> Result<LockedBytes> { return locked(text); };
}

void write_backup(const std::string& path, const Content& content, std::string_view passphrase) {
  auto out = BackupWriter::create(path, as_bytes(passphrase), 1'800'000'000).value();
  for (const auto& [name, bytes] : content) {
    REQUIRE(out.begin(name, bytes.size()));
    REQUIRE(out.write(as_bytes(std::string_view(bytes))));
  }
  REQUIRE(out.commit());
}

Result<Content> read_backup(const std::string& path, const std::string& passphrase = "secret") {
  MPYD_TRY_ASSIGN(BackupReader in, BackupReader::open(path, say(passphrase)));
  Content out;
  while (true) {
    MPYD_TRY_ASSIGN(const auto entry, in.next());
    if (!entry) return out;
    if (entry->size > 10'000) return fail(Errc::limit, "larger than any of these tests");
    std::string bytes(entry->size, '\0');
    MPYD_TRY(in.read(std::as_writable_bytes(std::span(bytes))));
    out.emplace_back(entry->name, bytes);
  }
}

std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void write_text(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

TEST_CASE("a backup comes back as it was written, sealed or in clear") {
  const TemporaryDirectory directory;
  for (const char* passphrase : {"", "secret"}) {
    const std::string path = directory.file(std::string("b") + passphrase);
    const Content& content = *passphrase == '\0' ? kDatabase : kServer;
    write_backup(path, content, passphrase);
    CHECK(read_backup(path).value() == content);
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 07777U) == 0600);
  }
  CHECK(read_text(directory.file("b")).find("tables") != std::string::npos);
  for (const char* const secret : {"a key", "tables"})
    CHECK(read_text(directory.file("bsecret")).find(secret) == std::string::npos);
}

TEST_CASE("a backup never replaces a file, and leaves nothing when it is not finished") {
  const TemporaryDirectory directory;
  write_text(directory.file("b"), "precious");
  auto out = BackupWriter::create(directory.file("b"), {}, 1).value();
  CHECK(out.commit().error().code == Errc::conflict);
  CHECK(read_text(directory.file("b")) == "precious");
  { const auto unfinished = BackupWriter::create(directory.file("c"), {}, 1).value(); }
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory.file("")))
    files += entry.is_regular_file();
  CHECK(files == 2);  // `b`, and what `out` still holds
}

TEST_CASE(
    "every proper prefix of a backup is refused, and so is every flipped bit of its content") {
  const TemporaryDirectory directory;
  write_backup(directory.file("b"), kDatabase, "");
  const std::string whole = read_text(directory.file("b"));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    write_text(directory.file("cut"), whole.substr(0, size));
    CHECK_FALSE(read_backup(directory.file("cut")));
  }
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string changed = whole;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    write_text(directory.file("flipped"), changed);
    CHECK_FALSE(read_backup(directory.file("flipped")));
  }
  write_text(directory.file("longer"), whole + "x");
  CHECK(read_backup(directory.file("longer")).error().code == Errc::trailing);
}

TEST_CASE("what is no backup, or one of a newer format, is told apart") {
  const TemporaryDirectory directory;
  write_text(directory.file("other"), "SQLite format 3 and more");
  CHECK(read_backup(directory.file("other")).error().code == Errc::bad_magic);
  write_text(directory.file("newer"), std::string(kBackupMagic) + "\x02\x01 and more");
  CHECK(read_backup(directory.file("newer")).error().code == Errc::unsupported);
  CHECK(read_backup(directory.file("absent")).error().code == Errc::not_found);
  write_backup(directory.file("sealed"), kServer, "secret");
  CHECK(read_backup(directory.file("sealed"), "wrong").error().code == Errc::decryption);
}

TEST_CASE("only what lies in a data directory is taken from a backup") {
  for (const char* good : {"mpyd.db", "server.key", "server.key.next", "server.key.old",
                           "server.key.old.2", "server.key.old.17"})
    CHECK(is_backup_name(good));
  for (const char* bad : {"", "mpyd.db-wal", "lock", "../server.key", "server.key/x",
                          "server.key.old.", "server.key.old.2/x", "server.keys", "admin.token"})
    CHECK_FALSE(is_backup_name(bad));
  const TemporaryDirectory directory;
  write_backup(directory.file("b"), {{"../passwd", "x"}}, "");
  CHECK(read_backup(directory.file("b")).error().code == Errc::malformed);
  write_backup(directory.file("c"), {{"server.key", std::string(1025, 'x')}}, "secret");
  CHECK(read_backup(directory.file("c")).error().code == Errc::malformed);
  write_backup(directory.file("d"), kServer, "");
  CHECK(read_backup(directory.file("d")).error().code == Errc::malformed);  // keys in clear
}

}  // namespace
}  // namespace mpyd::server
