#include "protocol/trust/verify.hpp"

#include <string>
#include <vector>

#include "protocol/trust/merkle.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/packages.hpp"
#include "tests/support/trust_documents.hpp"

using namespace mpyd;
using namespace mpyd::trust;
using mpyd::test::add_signature;
using mpyd::test::Buffer;
using mpyd::test::make_signer;
using mpyd::test::serialise;
using mpyd::test::sign;
using mpyd::test::sign_body;
using mpyd::test::signed_document;
using mpyd::test::Signer;

namespace {

std::byte g_scratch[kScratchBytes];
MutableBytes scratch() { return g_scratch; }

const Signer kA = make_signer(1), kB = make_signer(2), kC = make_signer(3);
const Signer kTargets = make_signer(10), kStranger = make_signer(99);
const Signer kP = make_signer(20), kQ = make_signer(21);

using Signers = std::vector<Signer>;

RoleKeys role_of(const Signers& signers, std::uint32_t threshold) {
  RoleKeys role;
  for (const Signer& signer : signers) role.keys.push_back(signer.key);
  role.threshold = threshold;
  return role;
}

Result<void> verify_body(const v1::SignedDocument& m, const RoleKeys& role,
                         std::string_view prefix = kRootPrefix) {
  const Buffer bytes = serialise(m);
  return verify_threshold(parse_signed(bytes).value(), prefix, role, scratch());
}

v1::Root root_message() { return test::example_root({kA, kB, kC}, 2, {kTargets}); }

Root pinned_root() {
  return verify_first_root(signed_document(root_message(), kRootPrefix, {kA, kB}), scratch())
      .value();
}

Result<TargetsHead> verify(const v1::TargetsHead& m, HeadInForce in_force = {},
                           std::uint64_t now = 0) {
  return verify_head(pinned_root(), in_force, signed_document(m, kTargetsPrefix, {kTargets}), now,
                     scratch());
}

}  // namespace

TEST_CASE("A03 a threshold counts distinct keys of the role and nothing else") {
  const Buffer body = test::copy(std::string_view("body"));
  const RoleKeys two_of_three = role_of({kA, kB, kC}, 2);
  const RoleKeys doubled = role_of({kA, kA, kB}, 2);
  const RoleKeys only_doubled = role_of({kA, kA}, 2);
  const Signers eight(8, kB);
  struct Row {
    const char* what;
    Signers signers;
    RoleKeys role;
    Errc error;  // Errc{}: accepted
  };
  const Row kRows[] = {
      {"t of n", Signers{kA, kC}, two_of_three, Errc{}},
      {"n of n", Signers{kA, kB, kC}, two_of_three, Errc{}},
      {"t - 1", Signers{kA}, two_of_three, Errc::threshold},
      {"none", Signers{}, two_of_three, Errc::bad_signature},
      {"one key twice", Signers{kA, kA}, two_of_three, Errc::threshold},
      {"one key eight times", eight, two_of_three, Errc::threshold},
      {"strangers do not count", Signers{kA, kStranger}, two_of_three, Errc::threshold},
      {"only strangers", Signers{kStranger, kP}, two_of_three, Errc::bad_signature},
      {"a role that lists one key twice", Signers{kA}, only_doubled, Errc::threshold},
      {"the same, signed twice", Signers{kA, kA}, doubled, Errc::threshold},
      {"a doubled key beside another", Signers{kA, kB}, doubled, Errc{}},
  };
  for (const Row& row : kRows) {
    INFO(row.what);
    const auto verified = verify_body(sign_body(body, kRootPrefix, row.signers), row.role);
    CHECK((verified ? Errc{} : verified.error()) == row.error);
  }
}

TEST_CASE("A04 an invalid extra signature beside enough valid ones changes nothing") {
  const Buffer body = test::copy(std::string_view("body"));
  const RoleKeys role = role_of({kA, kB, kC}, 2);
  v1::SignedDocument m;
  m.set_body("body");
  add_signature(m, kA.key, SignatureBytes{});  // an invalid one of a key that also signs
  add_signature(m, kC.key, sign(kC, kRootPrefix, as_bytes("other")));
  add_signature(m, kStranger.key, sign(kStranger, kRootPrefix, body));
  add_signature(m, kA.key, sign(kA, kRootPrefix, body));
  add_signature(m, kB.key, sign(kB, kRootPrefix, body));
  CHECK(verify_body(m, role));
  m.mutable_signatures()->RemoveLast();
  CHECK(verify_body(m, role).error() == Errc::threshold);
}

TEST_CASE("A01 a signature counts for the key that made it, and for these bytes") {
  const Buffer body = test::copy(std::string_view("body"));
  v1::SignedDocument m;
  m.set_body("body");
  add_signature(m, kA.key, sign(kStranger, kRootPrefix, body));
  CHECK(verify_body(m, role_of({kA}, 1)).error() == Errc::bad_signature);
  m = sign_body(body, kRootPrefix, {kA});
  REQUIRE(verify_body(m, role_of({kA}, 1)));
  for (std::size_t bit = 0; bit < 32; ++bit) {
    m.set_body(test::text_of(test::with_flipped_bit(body, bit)));
    CHECK(verify_body(m, role_of({kA}, 1)).error() == Errc::bad_signature);
  }
}

TEST_CASE("a scratch buffer that is too small is the error limit") {
  const Buffer bytes = serialise(sign_body(as_bytes("body"), kRootPrefix, {kA}));
  const auto document = parse_signed(bytes).value();
  std::byte small[16];
  CHECK(verify_threshold(document, kRootPrefix, role_of({kA}, 1), small).error() == Errc::limit);
  std::byte exact[17];
  CHECK(verify_threshold(document, kRootPrefix, role_of({kA}, 1), exact));
}

TEST_CASE("prefixes of signatures end in NUL, and none begins another") {
  const std::string_view kPrefixes[] = {kRootPrefix, kTargetsPrefix, kManifestPrefix};
  for (std::string_view a : kPrefixes) {
    CHECK(a.back() == '\0');
    CHECK(a.find('\0') == a.size() - 1);
    for (std::string_view b : kPrefixes) CHECK((a == b || a.substr(0, b.size()) != b));
  }
  CHECK(kRootPrefix == std::string_view("mpyd root v1\0", 13));
  CHECK(kTargetsPrefix == std::string_view("mpyd targets v1\0", 16));
  CHECK(kManifestPrefix == std::string_view("mpyd manifest v1\0", 17));
}

TEST_CASE("A05 a signature made for one kind of document counts for no other") {
  // One key signs all, so that only the prefix stands between the kinds.
  v1::Root root_m = test::example_root({kA}, 1, {kB});
  const auto root = verify_first_root(signed_document(root_m, kRootPrefix, {kA}), scratch());
  REQUIRE(root);
  CHECK(verify_first_root(signed_document(root_m, kTargetsPrefix, {kA}), scratch()).error() ==
        Errc::bad_signature);
  CHECK(verify_first_root(signed_document(root_m, kManifestPrefix, {kA}), scratch()).error() ==
        Errc::bad_signature);
  CHECK(verify_first_root(signed_document(root_m, "", {kA}), scratch()).error() ==
        Errc::bad_signature);

  const auto root_of_targets = verify_first_root(
      signed_document(test::example_root({kB}, 1, {kA}), kRootPrefix, {kB}), scratch());
  REQUIRE(root_of_targets);
  const v1::TargetsHead head = test::example_head();
  const auto head_under = [&](std::string_view prefix) {
    return verify_head(*root_of_targets, {}, signed_document(head, prefix, {kA}), 0, scratch());
  };
  CHECK(head_under(kTargetsPrefix));
  CHECK(head_under(kRootPrefix).error() == Errc::bad_signature);
  CHECK(head_under(kManifestPrefix).error() == Errc::bad_signature);

  test::BuiltPackage package = test::build_package(test::example_manifest(), as_bytes("M"), {kA});
  PackageHead parsed = parse_package_head(package.bytes).value();
  const PolicyEntry entry = parse_entry(serialise(test::example_entry({kA}))).value();
  const auto release_under = [&](std::string_view prefix) {
    parsed.signatures[0].signature = sign(kA, prefix, package.manifest_bytes);
    return verify_release(parsed, entry, {}, entry.hardware_id, 3, PackageOrigin::network,
                          scratch());
  };
  CHECK(release_under(kManifestPrefix));
  CHECK(release_under(kTargetsPrefix).error() == Errc::bad_signature);
  CHECK(release_under(kRootPrefix).error() == Errc::bad_signature);
}

TEST_CASE("A05 a root is no head and a head is no root, whoever signed it") {
  CHECK(
      !verify_first_root(signed_document(test::example_head(), kRootPrefix, {kA, kB}), scratch()));
  CHECK(!verify_head(pinned_root(), {}, signed_document(root_message(), kTargetsPrefix, {kTargets}),
                     0, scratch()));
}

TEST_CASE("the first root must be signed by its own threshold") {
  const v1::Root m = root_message();
  const auto first = verify_first_root(signed_document(m, kRootPrefix, {kB, kC}), scratch());
  REQUIRE(first);
  CHECK(first->version == 1);
  CHECK(first->root.keys.size() == 3);
  CHECK(verify_first_root(signed_document(m, kRootPrefix, {kA}), scratch()).error() ==
        Errc::threshold);
  CHECK(verify_first_root(signed_document(m, kRootPrefix, {kTargets, kStranger}), scratch())
            .error() == Errc::bad_signature);
  CHECK(!verify_first_root({}, scratch()));
}

TEST_CASE(
    "A20 a new root needs the thresholds of the old and of the new one, and the next number") {
  const Root current = pinned_root();  // 2 of A, B, C
  const Signer d = make_signer(5), e = make_signer(6);
  v1::Root next = test::example_root({kC, d, e}, 2, {kTargets});
  next.set_version(2);
  const auto walk = [&](const v1::Root& m, const std::vector<Signer>& signers) {
    return verify_next_root(current, signed_document(m, kRootPrefix, signers), scratch());
  };
  CHECK(walk(next, {kA, kB, d, e})->version == 2);
  CHECK(walk(next, {kA, kC, d}));                              // C counts in both
  CHECK(walk(next, {kA, kB}).error() == Errc::bad_signature);  // only by the old
  CHECK(walk(next, {d, e}).error() == Errc::bad_signature);    // only by the new
  CHECK(walk(next, {kA, kB, d}).error() == Errc::threshold);   // new: t - 1
  CHECK(walk(next, {kA, d, e}).error() == Errc::threshold);    // A19 old: t - 1
  CHECK(walk(next, {kC, d}).error() == Errc::threshold);
  CHECK(walk(next, {kTargets, d, e}).error() == Errc::bad_signature);

  const std::vector<Signer> all = {kA, kB, kC, d, e};
  for (std::uint32_t version : {1U, 3U, 4U, 0xffffffffU}) {
    v1::Root other = next;
    other.set_version(version);
    CHECK(walk(other, all).error() == Errc::rollback);
  }
  v1::Root older_epoch = next;
  older_epoch.set_targets_epoch(2);
  CHECK(walk(older_epoch, all).error() == Errc::rollback);
  v1::Root newer_epoch = next;
  newer_epoch.set_targets_epoch(4);
  CHECK(walk(newer_epoch, all)->targets_epoch == 4);
}

TEST_CASE("A20 roots cannot be walked past the largest number") {
  Root current = pinned_root();
  current.version = 0xffffffff;
  v1::Root next = root_message();
  for (std::uint32_t version : {0U, 1U, 0xffffffffU}) {
    next.set_version(version);
    CHECK(!verify_next_root(current, signed_document(next, kRootPrefix, {kA, kB}), scratch()));
  }
}

TEST_CASE("A06 a head older than the one in force is a rollback") {
  const v1::TargetsHead m = test::example_head();  // epoch 3, version 9
  CHECK(verify(m)->version == 9);
  CHECK(verify(m, {.epoch = 3, .version = 8}));
  CHECK(verify(m, {.epoch = 3, .version = 9}));
  CHECK(verify(m, {.epoch = 3, .version = 10}).error() == Errc::rollback);
  CHECK(verify(m, {.epoch = 3, .version = 0xffffffff}).error() == Errc::rollback);
}

TEST_CASE("A08 the version in force with other content is equivocation") {
  v1::TargetsHead m = test::example_head();
  const Digest body = crypto::sha256(serialise(m));
  const HeadInForce in_force{.epoch = 3, .version = 9, .body_digest = body};
  CHECK(verify(m, in_force));
  m.set_entry_count(2);
  CHECK(verify(m, in_force).error() == Errc::equivocation);
  m.set_version(10);
  CHECK(verify(m, in_force));
  m.set_version(8);
  CHECK(verify(m, in_force).error() == Errc::rollback);
}

TEST_CASE("A11 only a head of the root's own epoch counts, and a new epoch starts versions anew") {
  v1::TargetsHead m = test::example_head();
  m.set_version(1);
  // A stolen targets key signed the largest version; root raised the epoch from 2 to 3.
  CHECK(verify(m, {.epoch = 2, .version = 0xffffffff}));
  m.set_epoch(2);
  CHECK(verify(m).error() == Errc::rollback);
  m.set_epoch(4);
  CHECK(verify(m).error() == Errc::rollback);
}

TEST_CASE("A09 an expired head is refused when there is a time to judge it by") {
  const v1::TargetsHead m = test::example_head();  // expires at 2000
  CHECK(verify(m, {}, 1999));
  CHECK(verify(m, {}, 2000).error() == Errc::expired);
  CHECK(verify(m, {}, 0xffffffffffffffff).error() == Errc::expired);
  CHECK(verify(m, {}, 0));
}

TEST_CASE("A19 a head needs the targets threshold; root keys do not sign heads") {
  v1::Root root_m = test::example_root({kA, kB}, 2, {kTargets, kP});
  root_m.mutable_targets()->set_threshold(2);
  const auto root = verify_first_root(signed_document(root_m, kRootPrefix, {kA, kB}), scratch());
  REQUIRE(root);
  const auto by = [&](const std::vector<Signer>& signers) {
    return verify_head(*root, {}, signed_document(test::example_head(), kTargetsPrefix, signers), 0,
                       scratch());
  };
  CHECK(by({kTargets, kP}));
  CHECK(by({kTargets}).error() == Errc::threshold);
  CHECK(by({kA, kB}).error() == Errc::bad_signature);
}

TEST_CASE("A02 no bit of a signed head can be flipped without losing it") {
  const Root root = pinned_root();
  const Buffer bytes = signed_document(test::example_head(), kTargetsPrefix, {kTargets});
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit)
    if (verify_head(root, {}, test::with_flipped_bit(bytes, bit), 0, scratch()))
      FAIL("bit " << bit);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    CHECK(!verify_head(root, {}, Bytes(bytes).first(size), 0, scratch()));
}

TEST_CASE("A21 an entry counts for its own hardware ID, under the head that proves it") {
  std::vector<Buffer> entries;
  std::vector<Digest> leaves;
  for (int i = 0; i < 5; ++i) {
    v1::PolicyEntry m = test::example_entry({kP});
    m.set_hardware_id("hat:Vendor:000" + std::to_string(i));
    entries.push_back(serialise(m));
    leaves.push_back(merkle_leaf(entries.back()));
  }
  TargetsHead head;
  head.merkle_root = merkle_root(leaves);
  head.entry_count = 5;
  const auto proof_of = [&](std::size_t index) {
    return EntryProof{entries[index], static_cast<std::uint32_t>(index),
                      merkle_proof(leaves, index)};
  };
  const auto id = [](int i) {
    return HardwareId::parse("hat:Vendor:000" + std::to_string(i)).value();
  };
  for (int i = 0; i < 5; ++i) {
    CHECK(verify_entry(head, proof_of(i), id(i))->hardware_id == id(i));
    for (int other = 0; other < 6; ++other)
      if (other != i) CHECK(verify_entry(head, proof_of(i), id(other)).error() == Errc::untrusted);
  }
  EntryProof forged = proof_of(2);
  const Buffer wider = serialise(test::example_entry({kStranger}));
  forged.entry = wider;
  CHECK(verify_entry(head, forged, id(2)).error() == Errc::untrusted);
  forged = proof_of(2);
  forged.index = 3;
  CHECK(verify_entry(head, forged, id(2)).error() == Errc::untrusted);
  TargetsHead newer = head;
  newer.merkle_root = test::random_fixed<Digest>(1);
  CHECK(verify_entry(newer, proof_of(2), id(2)).error() == Errc::untrusted);
  newer = head;
  newer.entry_count = 4;
  CHECK(verify_entry(newer, proof_of(4), id(4)).error() == Errc::untrusted);

  // Proved but not readable: refused all the same.
  const Buffer garbage = test::from_hex("ff");
  head.merkle_root = merkle_leaf(garbage);
  head.entry_count = 1;
  EntryProof alone;
  alone.entry = garbage;
  CHECK(verify_entry(head, alone, id(0)).error() == Errc::malformed);
  const Buffer large(kEntryBytesMax + 1);
  alone.entry = large;
  CHECK(verify_entry(head, alone, id(0)).error() == Errc::limit);
}

namespace {

// One package and one entry, to be bent rule by rule.
struct Release {
  Manifest manifest = test::example_manifest();
  std::vector<Signer> signers = {kP};
  PolicyEntry entry = parse_entry(serialise(test::example_entry({kP}))).value();
  std::vector<SigningKey> revoked;
  HardwareId hardware_id = manifest.hardware_id;
  std::uint32_t revision = 3;
  PackageOrigin origin = PackageOrigin::network;

  Result<void> judge() const {
    const test::BuiltPackage package = test::build_package(manifest, as_bytes("M"), signers);
    return verify_release(parse_package_head(package.bytes).value(), entry, revoked, hardware_id,
                          revision, origin, scratch());
  }
  Release& publishers(const std::vector<Signer>& keys, std::uint32_t threshold) {
    entry = parse_entry(serialise(test::example_entry(keys, threshold))).value();
    return *this;
  }
};

Errc error_of(const Release& release) {
  const auto judged = release.judge();
  REQUIRE(!judged);
  return judged.error();
}

}  // namespace

TEST_CASE("a release that fits in every respect is accepted") { CHECK(Release().judge()); }

TEST_CASE("A03 a release needs its entry's threshold of distinct publisher keys") {
  Release r;
  r.publishers({kP, kQ}, 2);
  r.signers = {kP, kQ};
  CHECK(r.judge());
  r.signers = {kP};
  CHECK(error_of(r) == Errc::threshold);
  r.signers = {kP, kP};
  CHECK(error_of(r) == Errc::threshold);
  r.signers = {kP, kStranger};
  CHECK(error_of(r) == Errc::threshold);
  r.publishers({kP, kP}, 2);
  r.signers = {kP, kP};
  CHECK(error_of(r) == Errc::threshold);
}

TEST_CASE("A21 a publisher whom the entry does not name has no say") {
  Release r;
  r.signers = {kStranger};
  CHECK(error_of(r) == Errc::untrusted);
  r.signers = {kTargets, kA};
  CHECK(error_of(r) == Errc::untrusted);
  r.signers = {kStranger, kP};
  CHECK(r.judge());
}

TEST_CASE("A21 a revoked key never counts, not even beside enough others") {
  Release r;
  r.revoked = {kStranger.key, kP.key};
  CHECK(error_of(r) == Errc::revoked);
  r.publishers({kP, kQ}, 1);
  CHECK(error_of(r) == Errc::revoked);
  r.signers = {kP, kQ};
  CHECK(r.judge());  // the other key suffices
  r.publishers({kP, kQ}, 2);
  CHECK(error_of(r) == Errc::revoked);
  r.revoked = {kStranger.key};
  CHECK(r.judge());
}

TEST_CASE("A02 no bit of a signed head of a package can be flipped without losing it") {
  const test::BuiltPackage package =
      test::build_package(test::example_manifest(), as_bytes("M"), {kP});
  const PolicyEntry entry = Release().entry;
  const std::size_t head_bytes = package.bytes.size() - package.body().size();
  for (std::size_t bit = 0; bit < head_bytes * 8; ++bit) {
    const Buffer bytes = test::with_flipped_bit(package.bytes, bit);
    const auto head = parse_package_head(bytes);
    if (head &&
        verify_release(*head, entry, {}, entry.hardware_id, 3, PackageOrigin::network, scratch()))
      FAIL("bit " << bit);
  }
}

TEST_CASE("A04 an invalid signature of a named key beside a valid one changes nothing") {
  const test::BuiltPackage package =
      test::build_package(test::example_manifest(), as_bytes("M"), {kP, kQ, kP});
  PackageHead head = parse_package_head(package.bytes).value();
  head.signatures[0].signature = SignatureBytes{};
  head.signatures[1].signature = SignatureBytes{};
  const PolicyEntry entry = Release().publishers({kP, kQ}, 1).entry;
  const auto judge = [&] {
    return verify_release(head, entry, {}, entry.hardware_id, 3, PackageOrigin::network, scratch());
  };
  CHECK(judge());
  head.signatures[2].signature = SignatureBytes{};
  CHECK(judge().error() == Errc::bad_signature);
}

TEST_CASE("A16 a release is for its hardware ID and its range of revisions") {
  Release r;
  for (std::uint32_t revision : {2U, 7U}) {
    r.revision = revision;
    CHECK(r.judge());
  }
  for (std::uint32_t revision : {0U, 1U, 8U, 0xffffffffU}) {
    r.revision = revision;
    CHECK(error_of(r) == Errc::wrong_hardware);
  }
  r = {};
  r.hardware_id = HardwareId::parse("hat:Meadow%20Instruments:0043").value();
  CHECK(error_of(r) == Errc::wrong_hardware);
  r = {};
  r.entry.hardware_id = HardwareId::parse("hat:Meadow%20Instruments:0043").value();
  CHECK(error_of(r) == Errc::wrong_hardware);
  r = {};
  r.manifest.hardware_id = HardwareId::parse("hat:Meadow%20Instruments:0043").value();
  CHECK(error_of(r) == Errc::wrong_hardware);
}

TEST_CASE("a release must carry the driver name that the entry names") {
  Release r;
  r.manifest.driver_name = parse_driver_name("thermos").value();
  CHECK(error_of(r) == Errc::untrusted);
}

TEST_CASE("A06 A40 a release below the signed floor is refused whatever the device forgot") {
  Release r;
  r.entry.floor_release = 14;
  CHECK(r.judge());
  r.entry.floor_release = 15;
  CHECK(error_of(r) == Errc::rollback);
  r.origin = PackageOrigin::cache;
  CHECK(error_of(r) == Errc::rollback);
}

TEST_CASE("a package on an EEPROM counts only where the entry allows it") {
  Release r;
  r.origin = PackageOrigin::eeprom;
  r.entry.eeprom_packages = false;
  CHECK(error_of(r) == Errc::policy);
  r.entry.eeprom_packages = true;
  CHECK(r.judge());
  r.entry.eeprom_packages = false;
  for (PackageOrigin origin : {PackageOrigin::network, PackageOrigin::cache}) {
    r.origin = origin;
    CHECK(r.judge());
  }
}

TEST_CASE("A01 signatures are judged before anything the manifest says") {
  Release r;
  r.signers = {kStranger};
  r.revision = 99;
  r.entry.floor_release = 99;
  CHECK(error_of(r) == Errc::untrusted);
}

TEST_CASE("A33 an entry's digests decide: revoked, approved only, pinned") {
  const auto digest = test::random_fixed<Digest>(1);
  const auto other = test::random_fixed<Digest>(2);
  PolicyEntry entry;
  CHECK(verify_digest_policy(digest, entry));

  entry.revoked_digests.push_back(other);
  CHECK(verify_digest_policy(digest, entry));
  entry.revoked_digests.push_back(digest);
  CHECK(verify_digest_policy(digest, entry).error() == Errc::revoked);

  entry = {};
  entry.mode = ReleaseMode::approved_only;
  CHECK(verify_digest_policy(digest, entry).error() == Errc::policy);
  entry.approved_digests.push_back(other);
  CHECK(verify_digest_policy(digest, entry).error() == Errc::policy);
  entry.approved_digests.push_back(digest);
  CHECK(verify_digest_policy(digest, entry));
  entry.revoked_digests.push_back(digest);  // revoked beats approved
  CHECK(verify_digest_policy(digest, entry).error() == Errc::revoked);

  entry = {};
  entry.pinned_digests.push_back(other);
  CHECK(verify_digest_policy(digest, entry).error() == Errc::policy);
  entry.pinned_digests.push_back(digest);
  CHECK(verify_digest_policy(digest, entry));
  entry.mode = ReleaseMode::approved_only;  // a pin does not approve
  CHECK(verify_digest_policy(digest, entry).error() == Errc::policy);
}
