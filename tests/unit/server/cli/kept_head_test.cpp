#include "server/cli/kept_head.hpp"

#include "server/util/file.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_directory.hpp"

namespace mpyd::server::cli {
namespace {

const SigningKeyPair& key() {
  static const SigningKeyPair pair = make_signing_key(KeyRole::targets);
  return pair;
}

Errc save(const std::string& path, std::uint32_t epoch, std::uint32_t version,
          std::uint64_t expires_unix_s = 2'000'000'000) {
  const SigningKeyPair* signer = &key();
  const EntrySet none;
  const auto head = sign_head(
      {.epoch = epoch, .version = version, .expires_unix_s = expires_unix_s}, none, {&signer, 1});
  REQUIRE(head);
  const auto saved = save_kept_head(path, *head, none);
  return saved ? Errc{} : saved.error().error.code;
}

Errc save_root(const std::string& path, std::uint32_t version, std::uint32_t epoch) {
  const SigningKeyPair root_key = make_signing_key(KeyRole::root);
  trust::Root root{.version = version, .targets_epoch = epoch};
  root.server_key = make_exchange_key().public_key;
  root.root.threshold = root.targets.threshold = 1;
  root.root.keys.push_back(root_key.public_key);
  root.targets.keys.push_back(key().public_key);
  const SigningKeyPair* signer = &root_key;
  const auto document = sign_root(root, {&signer, 1});
  REQUIRE(document);
  const auto saved = save_kept_root(path, *document);
  return saved ? Errc{} : saved.error().error.code;
}

}  // namespace

TEST_CASE("a kept head goes forward by epoch and version, never back") {
  const test::TemporaryDirectory folder;
  const std::string path = folder.path() + "/targets.key";
  CHECK(save(path, 2, 5) == Errc{});
  CHECK(save(path, 2, 5) == Errc{});
  const ByteVector kept = read_file(kept_head_path(path), 65536).value();
  CHECK(save(path, 2, 4) == Errc::rollback);
  CHECK(save(path, 1, 9) == Errc::rollback);
  CHECK(save(path, 2, 5, 1'900'000'000) == Errc::equivocation);
  CHECK(read_file(kept_head_path(path), 65536).value() == kept);
  CHECK(save(path, 2, 7) == Errc{});
  CHECK(save(path, 3, 1) == Errc{});
}

TEST_CASE("a kept root goes forward by version and epoch, never back") {
  const test::TemporaryDirectory folder;
  const std::string path = folder.path() + "/root.key";
  CHECK(save_root(path, 3, 2) == Errc{});
  const ByteVector kept = read_file(path + ".root", 65536).value();
  CHECK(save_root(path, 2, 2) == Errc::rollback);
  CHECK(save_root(path, 4, 1) == Errc::rollback);
  CHECK(save_root(path, 3, 2) == Errc::equivocation);  // other keys: another root
  CHECK(read_file(path + ".root", 65536).value() == kept);
  CHECK(save_root(path, 4, 2) == Errc{});
}

}  // namespace mpyd::server::cli
