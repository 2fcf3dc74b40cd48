#include "server/services/documents.hpp"

#include "protocol/crypto.hpp"
#include "protocol/trust/merkle.hpp"
#include "protocol/trust/verify.hpp"
#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"

namespace mpyd::server {
namespace {

using Scratch = std::array<std::byte, trust::kScratchBytes>;

struct Operator {
  SigningKeyPair root_key = make_signing_key(KeyRole::root);
  SigningKeyPair targets_key = make_signing_key(KeyRole::targets);

  trust::Root root(std::uint32_t version = 1) const {
    trust::Root out;
    out.version = version;
    out.root.keys.push_back(root_key.public_key);
    out.root.threshold = 1;
    out.targets.keys.push_back(targets_key.public_key);
    out.targets.threshold = 1;
    out.server_key = make_exchange_key().public_key;
    out.targets_epoch = 1;
    return out;
  }
  ByteVector sign(const trust::Root& document) const {
    const SigningKeyPair* keys[] = {&root_key};
    return sign_root(document, keys).value();
  }
};

trust::PolicyEntry entry_of(const std::string& product) {
  trust::PolicyEntry entry;
  entry.hardware_id = HardwareId::make("hat", "Meadow", product).value();
  entry.driver_name = parse_driver_name("thermo").value();
  entry.publisher_keys.push_back(test::random_fixed<SigningKey>(7));
  entry.floor_release = 3;
  return entry;
}

TEST_CASE("a signed root is one that a device accepts as its first") {
  const Operator op;
  const trust::Root root = op.root();
  Scratch scratch{};
  const auto read = trust::verify_first_root(op.sign(root), scratch);
  REQUIRE(read);
  CHECK(read->server_key == root.server_key);
  CHECK(read->targets_epoch == 1);
}

TEST_CASE("a root that nobody can sign is refused before it is signed") {
  const Operator op;
  trust::Root root = op.root();
  root.root.threshold = 2;
  const SigningKeyPair* keys[] = {&op.root_key};
  CHECK(sign_root(root, keys).error().code == Errc::malformed);
  CHECK(sign_root(op.root(), {}).error().code == Errc::invalid_argument);
  const SigningKeyPair* twice[] = {&op.root_key, &op.root_key};
  CHECK(sign_root(op.root(), twice).error().code == Errc::invalid_argument);
}

TEST_CASE("roots are walked one by one") {
  const Operator op;
  const std::vector<ByteVector> chain = {op.sign(op.root(1)), op.sign(op.root(2)),
                                         op.sign(op.root(3))};
  CHECK(walk_roots(chain)->version == 3);
  CHECK(!walk_roots(std::vector<ByteVector>{chain[0], chain[2]}));
  CHECK(!walk_roots(std::vector<ByteVector>{}));
  const Operator stranger;
  CHECK(!walk_roots(std::vector<ByteVector>{chain[0], stranger.sign(stranger.root(2))}));
}

TEST_CASE("an entry says after serialising what it said before") {
  trust::PolicyEntry entry = entry_of("0042");
  entry.threshold = 1;
  entry.mode = trust::ReleaseMode::approved_only;
  entry.eeprom_packages = false;
  entry.unchecked_packages = true;
  entry.approved_digests.push_back(test::random_fixed<Digest>(1));
  entry.revoked_digests.push_back(test::random_fixed<Digest>(2));
  entry.pinned_digests.push_back(test::random_fixed<Digest>(3));
  const auto read = trust::parse_entry(format_entry(entry).value());
  REQUIRE(read);
  CHECK(read->hardware_id == entry.hardware_id);
  CHECK(read->driver_name == entry.driver_name);
  CHECK(read->publisher_keys[0] == entry.publisher_keys[0]);
  CHECK(read->threshold == 1);
  CHECK(read->floor_release == 3);
  CHECK(read->mode == trust::ReleaseMode::approved_only);
  CHECK(!read->eeprom_packages);
  CHECK(read->unchecked_packages);
  CHECK(read->approved_digests[0] == entry.approved_digests[0]);
  CHECK(read->revoked_digests[0] == entry.revoked_digests[0]);
  CHECK(read->pinned_digests[0] == entry.pinned_digests[0]);
  CHECK(format_entry(*read).value() == format_entry(entry).value());
}

TEST_CASE("a board that the operator refuses is refused by readers from before that rule, too") {
  trust::PolicyEntry entry = entry_of("0042");
  entry.board_refused = true;
  CHECK(format_entry(entry).error().code == Errc::invalid_argument);
  entry.mode = trust::ReleaseMode::approved_only;
  entry.approved_digests.push_back(test::random_fixed<Digest>(1));
  CHECK(format_entry(entry).error().code == Errc::invalid_argument);
  entry.approved_digests.clear();
  const auto read = trust::parse_entry(format_entry(entry).value());
  REQUIRE(read);
  CHECK(read->board_refused);
  // An entry that says nothing of it keeps the bytes it always had.
  const auto before = format_entry(entry_of("0042")).value();
  CHECK(format_entry(trust::parse_entry(before).value()).value() == before);
}

TEST_CASE("an entry that needs more publishers than it names is refused") {
  trust::PolicyEntry entry = entry_of("0042");
  entry.threshold = 2;
  CHECK(format_entry(entry).error().code == Errc::malformed);
}

TEST_CASE("every entry of a set is proved under its head, and only there") {
  const Operator op;
  for (const std::size_t count : {1U, 2U, 3U, 8U, 13U}) {
    CAPTURE(count);
    EntrySet entries;
    // In descending order: the set sorts.
    for (std::size_t i = count; i-- > 0;)
      REQUIRE(entries.put(entry_of("00" + std::to_string(10 + i))));
    trust::TargetsHead fields;
    fields.epoch = 1;
    fields.version = 5;
    const SigningKeyPair* keys[] = {&op.targets_key};
    const ByteVector signed_head = sign_head(fields, entries, keys).value();
    Scratch scratch{};
    const auto head = trust::verify_head(op.root(), {}, signed_head, 0, scratch);
    REQUIRE(head);
    CHECK(head->entry_count == count);
    for (std::size_t i = 0; i < count; ++i) {
      const HardwareId id = entries.entry(i).hardware_id;
      const ByteVector bytes = entries.proof(id).value();
      const auto proof = trust::parse_proof(bytes).value();
      CHECK(trust::verify_entry(*head, proof, id));
      trust::TargetsHead other = *head;
      other.merkle_root.data[0] ^= std::byte{1};
      CHECK(!trust::verify_entry(other, proof, id));
    }
  }
}

TEST_CASE("a set holds one entry per hardware ID") {
  EntrySet entries;
  REQUIRE(entries.put(entry_of("0001")));
  REQUIRE(entries.put(entry_of("0002")));
  trust::PolicyEntry changed = entry_of("0001");
  changed.floor_release = 9;
  REQUIRE(entries.put(changed));
  CHECK(entries.size() == 2);
  CHECK(entries.find(changed.hardware_id)->floor_release == 9);
  CHECK(entries.find(entry_of("0003").hardware_id) == nullptr);
  CHECK(entries.proof(entry_of("0003").hardware_id).error().code == Errc::not_found);

  const ByteVector one = format_entry(entry_of("0001")).value();
  CHECK(EntrySet::make({one, format_entry(changed).value()}).error().code == Errc::conflict);
  const auto sorted = EntrySet::make({format_entry(entry_of("0002")).value(), one});
  REQUIRE(sorted);
  CHECK(sorted->entry(0).hardware_id == entry_of("0001").hardware_id);
}

TEST_CASE("the fingerprint of a root names its body, not its signatures") {
  const Operator op;
  const trust::Root root = op.root();
  const SigningKeyPair other = make_signing_key(KeyRole::root);
  const SigningKeyPair* both[] = {&op.root_key, &other};
  const std::string fingerprint = root_fingerprint(op.sign(root)).value();
  CHECK(fingerprint.size() == 64);
  CHECK(fingerprint == root_fingerprint(sign_root(root, both).value()).value());
  CHECK(fingerprint != root_fingerprint(op.sign(op.root(2))).value());
}

}  // namespace
}  // namespace mpyd::server
