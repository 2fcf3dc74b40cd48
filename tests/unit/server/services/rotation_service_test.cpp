#include "server/services/rotation_service.hpp"

#include "protocol/package/key_block.hpp"
#include "server/services/key_rewrap.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/server/world.hpp"

namespace mpyd::server {
using test::must;
using test::ServerWorld;

namespace {

// Root N+1 after `change`, signed by the world's root key.
template <class Change>
ByteVector next_root(ServerWorld& world, const Change& change) {
  trust::Root root = world.trust.view()->root();
  ++root.version;
  change(root);
  const SigningKeyPair* signer = &world.root_key;
  return must(sign_root(root, {&signer, 1}));
}

ByteVector root_naming(ServerWorld& world, const ExchangeKey& key) {
  return next_root(world, [&](trust::Root& root) { root.server_key = key; });
}

StoredPackage stored(ServerWorld& world, const Digest& digest) {
  return *must(world.store->get([&](const Snapshot& s) { return s.packages().find(digest); }));
}

Digest publish_one(ServerWorld& world, std::uint32_t release = 1) {
  world.set_policy({world.entry()});
  return must(world.publish({.release = release})).items.front().variant.digest;
}

bool opens_with(ServerWorld& world, const Digest& digest, const ExchangeKeyPair& key) {
  const StoredPackage package = stored(world, digest);
  const PackageHead head = parse_package_head(package.bytes).value();
  return open_content_key(package.key_block, *key.secret, key.public_key, head.manifest_digest,
                          head.manifest.commitment)
      .has_value();
}

}  // namespace

TEST_CASE("A19 a root that names the next key re-wraps what was sealed to the old one") {
  ServerWorld world;
  const Digest digest = publish_one(world);
  const StoredPackage before = stored(world, digest);
  const NextServerKey next = must(world.rotation.next_server_key("test"));
  CHECK(must(world.rotation.next_server_key("test")).public_key == next.public_key);
  CHECK(next.key_blocks == 1);

  const RotationReport report =
      must(world.rotation.accept_root(root_naming(world, next.public_key), "test"));
  CHECK(report.new_server_key);
  CHECK(report.rewrapped.changed == 1);
  CHECK(report.rewrapped.damaged == 0);
  CHECK(world.server_keys.current()->public_key == next.public_key);
  CHECK_FALSE(world.key_files.next);

  const StoredPackage after = stored(world, digest);
  CHECK(after.bytes == before.bytes);
  CHECK(after.key_block.size() == before.key_block.size());
  CHECK(opens_with(world, digest, *world.server_keys.current()));
  CHECK_FALSE(opens_with(world, digest, world.server_key));
}

TEST_CASE("a root naming a key that is neither current nor next changes nothing") {
  ServerWorld world;
  const Digest digest = publish_one(world);
  const ByteVector block = stored(world, digest).key_block;
  must(world.rotation.next_server_key("test"));
  const auto refused =
      world.rotation.accept_root(root_naming(world, make_exchange_key().public_key), "test");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == Errc::invalid_argument);
  CHECK(world.trust.view()->root().version == 1);
  CHECK(stored(world, digest).key_block == block);
  CHECK(world.server_keys.is_staying(world.server_keys.current()));
}

TEST_CASE("the entries of other recipients stay as they are") {
  ServerWorld world;
  const Digest digest = publish_one(world);
  StoredPackage package = stored(world, digest);
  const PackageHead head = parse_package_head(package.bytes).value();
  const ContentKey key =
      open_content_key(package.key_block, *world.server_key.secret, world.server_key.public_key,
                       head.manifest_digest, head.manifest.commitment)
          .value();
  const ExchangeKeyPair other = make_exchange_key();
  const ExchangeKeyPair next = make_exchange_key();
  std::array<std::byte, 2 * kKeyEntryBytes> entries{};
  const MutableBytes both(entries);
  REQUIRE(seal_content_key(key, other.public_key, *make_exchange_key().secret, head.manifest_digest,
                           both.first(kKeyEntryBytes)));
  copy_bytes(Bytes(package.key_block).subspan(kKeyBlockFixedBytes, kKeyEntryBytes),
             both.subspan(kKeyEntryBytes));
  ByteVector block(kKeyBlockBytesMax);
  block.resize(format_key_block(entries, block).value());
  const ByteVector before = block;
  CHECK(must(rewrap_key_block(block, package.bytes, world.server_key, next)));
  CHECK(std::equal(block.begin(), block.begin() + kKeyBlockFixedBytes + kKeyEntryBytes,
                   before.begin()));
  CHECK(open_content_key(block, *next.secret, next.public_key, head.manifest_digest,
                         head.manifest.commitment) == key);
  CHECK_FALSE(must(rewrap_key_block(block, package.bytes, world.server_key, next)));
}

TEST_CASE("a crash between the commit and the rename is mended at start") {
  ServerWorld world;
  const NextServerKey next = must(world.rotation.next_server_key("test"));
  world.key_files.fails_to_adopt = true;
  CHECK_FALSE(world.rotation.accept_root(root_naming(world, next.public_key), "test"));
  CHECK(world.trust.view()->root().version == 2);

  // The next start: the old key's file is still in its place.
  world.key_files.fails_to_adopt = false;
  world.server_keys.replace(exchange_key_from(*world.server_key.secret));
  must(world.rotation.recover());
  CHECK(world.server_keys.current()->public_key == next.public_key);
  CHECK_FALSE(world.key_files.next);

  // With neither key there is nothing to mend with.
  world.server_keys.replace(make_exchange_key());
  CHECK(world.rotation.recover().error().code == Errc::invalid_argument);
}

TEST_CASE("A20 roots that do not follow are refused and change nothing") {
  ServerWorld world;
  const auto refusal = [&](const ByteVector& root) {
    const auto done = world.rotation.accept_root(root, "test");
    return done ? Errc{} : done.error().code;
  };
  CHECK(refusal(next_root(world, [](trust::Root& r) { ++r.version; })) == Errc::rollback);
  const auto expired = [&](trust::Root& r) { r.expires_unix_s = world.clock.now - 1; };
  CHECK(refusal(next_root(world, expired)) == Errc::expired);

  // Signed by the new key only.
  const SigningKeyPair new_key = make_signing_key(KeyRole::root);
  trust::Root usurped = world.trust.view()->root();
  ++usurped.version;
  usurped.root = ServerWorld::role(new_key);
  const SigningKeyPair* thief = &new_key;
  CHECK(refusal(must(sign_root(usurped, {&thief, 1}))) == Errc::bad_signature);
  // Signed by the old key only.
  const SigningKeyPair* old = &world.root_key;
  CHECK(refusal(must(sign_root(usurped, {&old, 1}))) == Errc::bad_signature);
  CHECK(world.trust.view()->root().version == 1);

  // The same root again is a success, another of its version an equivocation.
  const auto later = [&](trust::Root& r) { r.expires_unix_s = world.clock.now + 9; };
  const ByteVector good = next_root(world, later);
  const auto other = next_root(world, [&](trust::Root& r) { r.expires_unix_s = 0; });
  CHECK(refusal(good) == Errc{});
  CHECK(must(world.rotation.accept_root(good, "test")).existed);
  CHECK(refusal(other) == Errc::equivocation);
}

TEST_CASE("A11 new targets keys need a new epoch, which ends the head in force") {
  ServerWorld world;
  world.set_policy({world.entry()});
  const SigningKeyPair new_targets = make_signing_key(KeyRole::targets);
  const auto same_epoch =
      next_root(world, [&](trust::Root& root) { root.targets = ServerWorld::role(new_targets); });
  CHECK(world.rotation.accept_root(same_epoch, "test").error().code == Errc::conflict);
  const auto new_epoch = next_root(world, [&](trust::Root& root) {
    root.targets = ServerWorld::role(new_targets);
    ++root.targets_epoch;
  });
  const ByteVector head = world.trust.view()->head_document();
  must(world.rotation.accept_root(new_epoch, "test"));
  TrustService restarted(*world.store, world.clock);
  must(restarted.load());
  for (const TrustService* service : {&world.trust, &restarted}) {
    CHECK_FALSE(service->view()->head());
    CHECK(service->view()->entries().size() == 0);
    CHECK(service->view()->ended_head() == head);
    CHECK(service->view()->ended_entries().size() == 1);
  }
}

TEST_CASE("the replaced key is kept while a key block that did not open is sealed to it") {
  ServerWorld world;
  const Digest digest = publish_one(world);
  const auto rotate = [&] {
    const NextServerKey next = must(world.rotation.next_server_key("test"));
    return world.rotation.accept_root(root_naming(world, next.public_key), "test");
  };
  CHECK(must(rotate()).rewrapped.damaged == 0);
  CHECK_FALSE(world.key_files.kept_current);

  ByteVector block = stored(world, digest).key_block;
  block.back() ^= std::byte{1};
  must(world.store->write(
      [&](Transaction& tx) { return tx.packages().set_key_block(digest, block); }));
  SECTION("at once") { CHECK(must(rotate()).rewrapped.damaged == 1); }
  SECTION("at the start after a crash") {
    const ServerKeys::Key replaced = world.server_keys.current();
    world.key_files.fails_to_adopt = true;
    CHECK_FALSE(rotate());
    world.key_files.fails_to_adopt = false;
    world.server_keys.replace(exchange_key_from(*replaced->secret));
    must(world.rotation.recover());
  }
  CHECK(world.key_files.kept_current);
}

TEST_CASE("what was sealed to the old key while the key changes is refused, not lost") {
  ServerWorld world;
  world.set_policy({world.entry()});
  world.server_keys.begin_change(make_exchange_key());
  CHECK(world.publish({}).error().code == Errc::conflict);
  world.server_keys.cancel_change();
  CHECK(world.publish({}));
}

}  // namespace mpyd::server
