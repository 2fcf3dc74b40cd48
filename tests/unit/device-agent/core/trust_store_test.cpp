#include "device-agent/core/trust_store.hpp"

#include "device-agent/core/cache.hpp"
#include "tests/support/agent/fake_store.hpp"
#include "tests/support/agent/server.hpp"
#include "tests/support/catch.hpp"

namespace mpyd::test {
namespace {

struct Trusting {
  FakeStore store;
  ScriptedServer server;  // for its documents only
  agent::TrustStore trust{store};
  Buffer buffer = Buffer(kDocumentBytesMax);
  Buffer scratch = Buffer(trust::kScratchBytes);
  HardwareId id = HardwareId::parse("hat:Meadow%20Instruments:0042").value();

  Trusting() {
    server.entries[std::string(id.view())] = example_entry({make_signer(3)});
    server.publish_head();
    REQUIRE(trust.start(server.roots.at(1), buffer, scratch));
  }
  Result<bool> accept_head() { return trust.accept_head(server.head, server.unix_s, scratch); }
  Result<void> accept_entry() {
    const v1::EntryProof m = server.proof_of(std::string(id.view()));
    const Buffer entry = copy(m.entry());
    trust::EntryProof proof{.entry = entry, .index = m.index()};
    for (const std::string& digest : m.path())
      proof.path.push_back(Digest::from(as_bytes(digest)).value());
    return trust.accept_entry(proof, id, buffer);
  }
  Result<void> accept_root(std::uint32_t version) {
    copy_bytes(server.roots.at(version), buffer);
    return trust.accept_root(Bytes(buffer).first(server.roots.at(version).size()), buffer, scratch);
  }
  agent::TrustStore restarted() {
    agent::TrustStore other(store);
    REQUIRE(other.start(server.roots.at(1), buffer, scratch));
    return other;
  }
};

TEST_CASE("a head is kept, the same again is nothing new, an older one is refused") {
  Trusting t;
  CHECK_FALSE(t.trust.has_head());
  CHECK(t.accept_head().value());
  CHECK_FALSE(t.accept_head().value());
  const Buffer old = t.server.head;
  t.server.publish_head();
  CHECK(t.accept_head().value());
  CHECK(t.trust.accept_head(old, 0, t.scratch).error() == Errc::rollback);
  CHECK(t.restarted().head().version == t.trust.head().version);
}

TEST_CASE("A08 equivocation is noticed after a restart too") {
  Trusting t;
  REQUIRE(t.accept_head());
  t.server.head_body.set_version(t.server.head_body.version() - 1);
  t.server.head_body.set_expires_unix_s(t.server.head_body.expires_unix_s() + 5);
  t.server.publish_head();
  CHECK(t.accept_head().error() == Errc::equivocation);
  agent::TrustStore other = t.restarted();
  CHECK(other.accept_head(t.server.head, 0, t.scratch).error() == Errc::equivocation);
}

TEST_CASE("an entry needs a head, and expires with the head that proved it") {
  Trusting t;
  CHECK(t.accept_entry().error() == Errc::untrusted);
  CHECK(t.trust.load_entry(t.id, 0, t.buffer).error() == Errc::untrusted);
  REQUIRE(t.accept_head());
  REQUIRE(t.accept_entry());
  const std::uint64_t expires = t.server.head_body.expires_unix_s();
  CHECK(t.trust.load_entry(t.id, expires - 1, t.buffer));
  CHECK(t.trust.load_entry(t.id, expires, t.buffer).error() == Errc::expired);
  CHECK(t.trust.load_entry(t.id, 0, t.buffer));

  // A newer head alone does not prolong it.
  t.server.head_body.set_expires_unix_s(expires + 1000);
  t.server.publish_head();
  REQUIRE(t.accept_head());
  CHECK(t.trust.load_entry(t.id, expires, t.buffer).error() == Errc::expired);
  REQUIRE(t.accept_entry());
  CHECK(t.trust.load_entry(t.id, expires, t.buffer));
}

TEST_CASE("A21 an entry counts only under the authority that proved it") {
  Trusting t;
  REQUIRE(t.accept_head());
  REQUIRE(t.accept_entry());
  t.server.root_body.set_version(2);
  SECTION("another epoch") { t.server.root_body.set_targets_epoch(4); }
  SECTION("another key") { set_role(*t.server.root_body.mutable_targets(), {make_signer(9)}, 1); }
  t.server.publish_root(t.server.root_signers);
  REQUIRE(t.accept_root(2));
  CHECK_FALSE(t.trust.has_head());
  CHECK(t.trust.load_entry(t.id, 0, t.buffer).error() == Errc::untrusted);
  agent::TrustStore other = t.restarted();
  CHECK_FALSE(other.has_head());
  CHECK(other.root().version == 2);
  CHECK(other.load_entry(t.id, 0, t.buffer).error() == Errc::untrusted);
}

TEST_CASE("a new root that leaves targets alone leaves head and entries alone") {
  Trusting t;
  REQUIRE(t.accept_head());
  REQUIRE(t.accept_entry());
  t.server.root_body.set_version(2);
  t.server.root_body.set_server_key(text_of(make_exchange_pair(9).key.bytes()));
  t.server.publish_root(t.server.root_signers);
  REQUIRE(t.accept_root(2));
  CHECK(t.trust.has_head());
  CHECK(t.trust.load_entry(t.id, 0, t.buffer));
  CHECK(t.restarted().has_head());
}

TEST_CASE("a root that cannot be stored is not taken") {
  Trusting t;
  t.server.root_body.set_version(2);
  t.server.publish_root(t.server.root_signers);
  t.store.fail_at(0);
  CHECK(t.accept_root(2).error() == Errc::io);
  CHECK(t.trust.root().version == 1);
  REQUIRE(t.accept_root(2));
}

TEST_CASE("a lack of memory forgets neither root nor head") {
  Trusting t;
  REQUIRE(t.accept_head());
  REQUIRE(t.accept_entry());
  const std::uint32_t version = t.trust.head().version;
  t.server.root_body.set_version(2);
  t.server.publish_root(t.server.root_signers);
  t.store.read_error = Errc::memory;
  agent::TrustStore other(t.store);
  CHECK(other.start(t.server.roots.at(1), t.buffer, t.scratch).error() == Errc::memory);
  CHECK(t.accept_root(2).error() == Errc::memory);
  CHECK(t.trust.load_entry(t.id, 0, t.buffer).error() == Errc::memory);
  CHECK(t.trust.root().version == 1);
  CHECK(t.trust.head().version == version);
  t.store.read_error = {};
  REQUIRE(t.accept_root(2));
  CHECK(t.trust.head().version == version);
}

TEST_CASE("a head that cannot be stored is not taken") {
  Trusting t;
  t.store.fail_at(0);
  CHECK(t.accept_head().error() == Errc::io);
  CHECK_FALSE(t.trust.has_head());
  CHECK(t.accept_head());
}

TEST_CASE("a provisioned root newer than the kept one wins") {
  Trusting t;
  t.server.root_body.set_version(2);
  t.server.publish_root(t.server.root_signers);
  REQUIRE(t.accept_root(2));
  t.server.root_body.set_version(5);
  t.server.publish_root(t.server.root_signers);
  agent::TrustStore other(t.store);
  REQUIRE(other.start(t.server.roots.at(5), t.buffer, t.scratch));
  CHECK(other.root().version == 5);
}

// Who can write the store, a memory card say, must not become the operator by it.
TEST_CASE("an entry that this device did not seal does not count, whatever bit was changed") {
  Trusting t;
  REQUIRE(t.accept_head());
  REQUIRE(t.accept_entry());
  REQUIRE(t.trust.load_entry(t.id, 0, t.buffer));
  Buffer& file = t.store.files()[agent::entry_file(t.id).c_str()];
  for (std::byte& byte : file) {
    byte ^= std::byte{1};
    CHECK(t.trust.load_entry(t.id, 0, t.buffer).error() == Errc::untrusted);
    byte ^= std::byte{1};
  }
  CHECK(t.trust.load_entry(t.id, 0, t.buffer));
  t.trust.set_device_secret(random_fixed<SecretKey>(7));
  CHECK(t.trust.load_entry(t.id, 0, t.buffer).error() == Errc::untrusted);
}

TEST_CASE("a kept root that this device did not seal does not count") {
  Trusting t;
  t.server.root_body.set_version(2);
  t.server.publish_root(t.server.root_signers);
  REQUIRE(t.accept_root(2));
  CHECK(t.restarted().root().version == 2);
  t.server.root_body.set_version(9);
  t.server.publish_root(t.server.root_signers);
  t.store.files()["root"] = t.server.roots.at(9);
  CHECK(t.restarted().root().version == 1);
}

}  // namespace
}  // namespace mpyd::test
