#include "protocol/trust/documents.hpp"

#include <string>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/support/trust_documents.hpp"

using namespace mpyd;
using namespace mpyd::trust;
using mpyd::test::Buffer;
using mpyd::test::make_signer;
using mpyd::test::serialise;

namespace {

std::string text32(char c) { return std::string(32, c); }

bool same(const std::string& a, Bytes b) { return a == as_text(b); }

v1::Root full_root() {
  v1::Root m = test::example_root({make_signer(1), make_signer(2), make_signer(3)}, 2,
                                  {make_signer(4), make_signer(5)});
  m.set_version(7);
  m.set_expires_unix_s(4000000000);
  return m;
}

v1::TargetsHead full_head() {
  v1::TargetsHead m = test::example_head();
  for (std::size_t i = 0; i < kRevokedKeysMax; ++i)
    m.add_revoked_keys(text32(static_cast<char>('A' + i)));
  m.set_expires_unix_s(1ULL << 40);
  m.set_entry_count(0xffffffff);
  return m;
}

v1::PolicyEntry full_entry() {
  v1::PolicyEntry m =
      test::example_entry({make_signer(1), make_signer(2), make_signer(3), make_signer(4)}, 3);
  for (std::size_t i = 0; i < kEntryDigestsMax; ++i) {
    m.add_revoked_digests(text32(static_cast<char>('a' + i)));
    m.add_approved_digests(text32(static_cast<char>('A' + i)));
  }
  for (std::size_t i = 0; i < kEntryPinsMax; ++i)
    m.add_pinned_digests(text32(static_cast<char>('0' + i)));
  m.set_floor_release(12);
  m.set_mode(1);
  m.set_eeprom_packages(1);
  m.set_unchecked_packages(1);
  return m;
}

template <class Message, class Parse>
void check_refused(const Message& good, Parse parse,
                   const std::vector<std::pair<Errc, void (*)(Message&)>>& changes) {
  REQUIRE(parse(serialise(good)));
  for (std::size_t i = 0; i < changes.size(); ++i) {
    INFO("row " << i);
    Message m = good;
    changes[i].second(m);
    const auto parsed = parse(serialise(m));
    REQUIRE(!parsed);
    CHECK(parsed.error() == changes[i].first);
  }
}

}  // namespace

TEST_CASE("the device reads every field of a root as the server's library wrote it") {
  const v1::Root m = full_root();
  const auto root = parse_root(serialise(m));
  REQUIRE(root);
  CHECK(root->version == 7);
  REQUIRE(root->root.keys.size() == 3);
  for (int i = 0; i < 3; ++i) CHECK(same(m.root().keys(i), root->root.keys[i].bytes()));
  CHECK(root->root.threshold == 2);
  REQUIRE(root->targets.keys.size() == 2);
  for (int i = 0; i < 2; ++i) CHECK(same(m.targets().keys(i), root->targets.keys[i].bytes()));
  CHECK(root->targets.threshold == 1);
  CHECK(same(m.server_key(), root->server_key.bytes()));
  CHECK(root->targets_epoch == 3);
  CHECK(root->expires_unix_s == 4000000000);
}

TEST_CASE("the device reads every field of a targets head as the server's library wrote it") {
  const v1::TargetsHead m = full_head();
  const auto head = parse_head(serialise(m));
  REQUIRE(head);
  CHECK(head->epoch == 3);
  CHECK(head->version == 9);
  CHECK(head->expires_unix_s == 1ULL << 40);
  REQUIRE(head->revoked_keys.size() == kRevokedKeysMax);
  for (std::size_t i = 0; i < kRevokedKeysMax; ++i)
    CHECK(same(m.revoked_keys(static_cast<int>(i)), head->revoked_keys[i].bytes()));
  CHECK(same(m.merkle_root(), head->merkle_root.bytes()));
  CHECK(head->entry_count == 0xffffffff);
}

TEST_CASE("the device reads every field of a policy entry as the server's library wrote it") {
  const v1::PolicyEntry m = full_entry();
  REQUIRE(serialise(m).size() <= kEntryBytesMax);
  const auto entry = parse_entry(serialise(m));
  REQUIRE(entry);
  CHECK(entry->hardware_id.view() == m.hardware_id());
  CHECK(entry->driver_name.view() == m.driver_name());
  REQUIRE(entry->publisher_keys.size() == 4);
  REQUIRE(entry->revoked_digests.size() == kEntryDigestsMax);
  REQUIRE(entry->approved_digests.size() == kEntryDigestsMax);
  REQUIRE(entry->pinned_digests.size() == kEntryPinsMax);
  for (int i = 0; i < 4; ++i) {
    CHECK(same(m.publisher_keys(i), entry->publisher_keys[i].bytes()));
    CHECK(same(m.pinned_digests(i), entry->pinned_digests[i].bytes()));
  }
  for (int i = 0; i < 16; ++i) {
    CHECK(same(m.revoked_digests(i), entry->revoked_digests[i].bytes()));
    CHECK(same(m.approved_digests(i), entry->approved_digests[i].bytes()));
  }
  CHECK(entry->threshold == 3);
  CHECK(entry->floor_release == 12);
  CHECK(entry->mode == ReleaseMode::approved_only);
  CHECK(entry->eeprom_packages);
  CHECK(entry->unchecked_packages);

  const auto plain = parse_entry(serialise(test::example_entry({make_signer(1)})));
  REQUIRE(plain);
  CHECK(plain->mode == ReleaseMode::publisher);
  CHECK(!plain->eeprom_packages);
  CHECK(!plain->unchecked_packages);
}

TEST_CASE("A05 A19 a root in which one key has two roles is refused") {
  v1::Root root = full_root();
  *root.mutable_targets()->mutable_keys(0) = root.root().keys(1);
  CHECK(parse_root(test::serialise(root)).error() == Errc::malformed);
}

TEST_CASE("a root that no reader may use is refused") {
  check_refused<v1::Root>(
      full_root(), parse_root,
      {{Errc::unsupported, [](auto& m) { m.set_format(kFormat + 1); }},
       {Errc::unsupported, [](auto& m) { m.set_min_reader(kFormat + 1); }},
       {Errc::malformed, [](auto& m) { m.set_version(0); }},
       {Errc::malformed, [](auto& m) { m.mutable_root()->set_threshold(0); }},
       {Errc::malformed, [](auto& m) { m.mutable_root()->set_threshold(4); }},
       {Errc::malformed, [](auto& m) { m.mutable_targets()->set_threshold(0xffffffff); }},
       {Errc::malformed, [](auto& m) { m.clear_root(); }},
       {Errc::malformed, [](auto& m) { m.clear_targets(); }},
       {Errc::malformed, [](auto& m) { m.mutable_root()->set_keys(0, "short"); }},
       {Errc::malformed, [](auto& m) { m.mutable_root()->set_keys(0, std::string(33, 'k')); }},
       {Errc::malformed,
        [](auto& m) {
          while (m.root().keys_size() < 9) m.mutable_root()->add_keys(text32('k'));
        }},
       {Errc::malformed, [](auto& m) { m.set_format(0); }},
       {Errc::malformed, [](auto& m) { m.clear_server_key(); }},
       {Errc::malformed, [](auto& m) { m.set_server_key(std::string(31, 's')); }}});
}

TEST_CASE("a targets head that no reader may use is refused") {
  check_refused<v1::TargetsHead>(
      full_head(), parse_head,
      {{Errc::unsupported, [](auto& m) { m.set_format(kFormat + 1); }},
       {Errc::unsupported, [](auto& m) { m.set_min_reader(kFormat + 1); }},
       {Errc::malformed, [](auto& m) { m.set_version(0); }},
       {Errc::malformed, [](auto& m) { m.clear_merkle_root(); }},
       {Errc::malformed, [](auto& m) { m.set_merkle_root(std::string(31, 'm')); }},
       {Errc::malformed, [](auto& m) { m.add_revoked_keys(text32('x')); }},  // the 33rd
       {Errc::malformed, [](auto& m) { m.set_revoked_keys(0, ""); }}});
}

TEST_CASE("a policy entry that no reader may use is refused") {
  check_refused<v1::PolicyEntry>(
      full_entry(), parse_entry,
      {{Errc::unsupported, [](auto& m) { m.set_format(kFormat + 1); }},
       {Errc::unsupported, [](auto& m) { m.set_min_reader(kFormat + 1); }},
       {Errc::unsupported, [](auto& m) { m.set_mode(2); }},
       {Errc::unsupported, [](auto& m) { m.set_eeprom_packages(2); }},
       {Errc::unsupported, [](auto& m) { m.set_unchecked_packages(2); }},
       {Errc::malformed, [](auto& m) { m.set_threshold(0); }},
       {Errc::malformed, [](auto& m) { m.set_threshold(5); }},
       {Errc::malformed, [](auto& m) { m.clear_publisher_keys(); }},
       {Errc::malformed, [](auto& m) { m.add_publisher_keys(text32('x')); }},
       {Errc::malformed, [](auto& m) { m.add_revoked_digests(text32('x')); }},
       {Errc::malformed, [](auto& m) { m.add_approved_digests(text32('x')); }},
       {Errc::malformed, [](auto& m) { m.add_pinned_digests(text32('x')); }},
       {Errc::malformed, [](auto& m) { m.set_pinned_digests(0, "short"); }},
       {Errc::malformed, [](auto& m) { m.set_hardware_id("hat:no"); }},
       {Errc::malformed, [](auto& m) { m.set_driver_name("../x"); }}});
}

TEST_CASE("A30 documents above their bound are refused before they are decoded") {
  CHECK(parse_root(Buffer(kDocumentBytesMax + 1)).error() == Errc::limit);
  CHECK(parse_head(Buffer(kDocumentBytesMax + 1)).error() == Errc::limit);
  CHECK(parse_entry(Buffer(kEntryBytesMax + 1)).error() == Errc::limit);
  CHECK(parse_signed(Buffer(kDocumentBytesMax + 1)).error() == Errc::limit);
  v1::EntryProof proof;
  proof.set_entry(std::string(kEntryBytesMax + 1, 'e'));
  CHECK(parse_proof(serialise(proof)).error() == Errc::limit);
}

TEST_CASE("a signed document is split into its body, as a view, and its signatures") {
  const v1::SignedDocument m =
      test::sign_body(as_bytes("body"), kRootPrefix, {make_signer(1), make_signer(2)});
  const Buffer bytes = serialise(m);
  const auto document = parse_signed(bytes);
  REQUIRE(document);
  CHECK(as_text(document->body) == "body");
  CHECK(document->body.data() >= bytes.data());
  CHECK(document->body.data() < bytes.data() + bytes.size());
  REQUIRE(document->signatures.size() == 2);
  CHECK(document->signatures[1].key == make_signer(2).key);
  CHECK(document->signatures[1].signature ==
        test::sign(make_signer(2), kRootPrefix, as_bytes("body")));

  v1::SignedDocument broken = m;
  while (broken.signatures_size() < 9) *broken.add_signatures() = m.signatures(0);
  CHECK(parse_signed(serialise(broken)).error() == Errc::malformed);
  broken = m;
  broken.mutable_signatures(0)->set_key("short");
  CHECK(parse_signed(serialise(broken)).error() == Errc::malformed);
  broken = m;
  broken.mutable_signatures(0)->clear_signature();
  CHECK(parse_signed(serialise(broken)).error() == Errc::malformed);
}

TEST_CASE("A30 a body that the wire calls a number is refused: no view of memory that is gone") {
  for (const char* hex : {"0801", "08ffffffffffffffffff01", "0d01020304", "090102030405060708"}) {
    INFO(hex);
    CHECK(parse_signed(test::from_hex(hex)).error() == Errc::malformed);
    CHECK(parse_proof(test::from_hex(hex)).error() == Errc::malformed);
  }
  CHECK(parse_signed(test::from_hex("0a00"))->body.empty());
  CHECK(parse_signed({})->body.empty());
}

TEST_CASE("an inclusion proof is read as the server's library wrote it") {
  v1::EntryProof m;
  m.set_entry("entry bytes");
  m.set_index(77);
  for (std::size_t i = 0; i < kProofDigestsMax; ++i) m.add_path(text32(static_cast<char>('A' + i)));
  const Buffer bytes = serialise(m);
  const auto proof = parse_proof(bytes);
  REQUIRE(proof);
  CHECK(as_text(proof->entry) == "entry bytes");
  CHECK(proof->index == 77);
  REQUIRE(proof->path.size() == kProofDigestsMax);
  CHECK(same(m.path(31), proof->path[31].bytes()));

  m.add_path(text32('x'));
  CHECK(parse_proof(serialise(m)).error() == Errc::malformed);
  m.mutable_path()->RemoveLast();
  m.set_path(5, std::string(31, 'x'));
  CHECK(parse_proof(serialise(m)).error() == Errc::malformed);
}

TEST_CASE("A02 truncated and bit-flipped documents are read to a document or an error") {
  const Buffer documents[] = {serialise(full_root()), serialise(full_head()),
                              serialise(full_entry())};
  for (const Buffer& bytes : documents) {
    for (std::size_t size = 0; size <= bytes.size(); ++size) {
      const Buffer cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
      parse_root(cut);
      parse_head(cut);
      parse_entry(cut);
      parse_signed(cut);
      parse_proof(cut);
    }
    for (std::size_t bit = 0; bit < bytes.size() * 8; bit += 3) {
      const Buffer flipped = test::with_flipped_bit(bytes, bit);
      parse_root(flipped);
      parse_head(flipped);
      parse_entry(flipped);
      parse_signed(flipped);
      parse_proof(flipped);
    }
  }
  SUCCEED("no crash, no read outside the bytes");
}
