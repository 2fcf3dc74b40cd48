#include "server/services/publish_service.hpp"

#include "server/util/encoding.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/server/world.hpp"

namespace mpyd::server {
using test::must;
using test::PackageOptions;
using test::ServerWorld;

namespace {

ByteVector operator+(ByteVector a, const ByteVector& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

std::size_t stored_releases(ServerWorld& world) {
  return must(world.releases.list({})).items.size();
}

MatchQuery match_query(std::string_view abi, Bytes mpy) {
  return {.hardware_id = test::hardware_id(),
          .driver_name = parse_driver_name("thermo").value(),
          .version = parse_version("1.4.0").value(),
          .items = {{.abi = parse_abi(abi).value(),
                     .plain_digest = crypto::sha256(mpy),
                     .plain_bytes = static_cast<std::uint32_t>(mpy.size())}}};
}

}  // namespace

TEST_CASE("publish stores all variants of a release and says so in the audit log") {
  ServerWorld world;
  world.set_policy({world.entry()});
  const auto report = must(world.publish_service.publish(
      world.package({.abi = "6.3-armv7m"}) + world.package({.abi = "6-any"}), "token:ci"));
  CHECK_FALSE(report.all_existed());
  const auto releases = must(world.releases.list({})).items;
  REQUIRE(releases.size() == 1);
  CHECK(releases[0].variants.size() == 2);
  CHECK(world.audit_count("publish") == 1);
}

TEST_CASE("publishing the same bytes again is a success that changes nothing") {
  ServerWorld world;
  world.set_policy({world.entry()});
  const ByteVector body = world.package({});
  const auto first = must(world.publish_service.publish(body, "token:ci"));
  const auto second = must(world.publish_service.publish(body, "token:ci"));
  CHECK(second.all_existed());
  CHECK(second.items[0].variant.digest == first.items[0].variant.digest);
  CHECK(world.audit_count("publish") == 1);
}

TEST_CASE("A38 a limited publisher publishes what it is limited to, and nothing beside it") {
  ServerWorld world;
  world.set_policy({world.entry(), world.entry("hat:Other:0001")});
  const auto reach = must(HardwareReach::make(std::vector<std::string>{"hat:Other:*"}));
  const auto publish = [&](const ByteVector& body) {
    return world.publish_service.publish(body, "token:other", Acceptance::checked, reach);
  };
  CHECK(publish(world.package({})).error().code == Errc::forbidden);
  CHECK(stored_releases(world) == 0);
  CHECK(publish(world.package({.hardware_id = "hat:Other:0001"})));
  CHECK(stored_releases(world) == 1);
}

TEST_CASE("A38 a published version is never overwritten") {
  ServerWorld world;
  world.set_policy({world.entry()});
  must(world.publish({}));
  // The same driver built again: another content key, hence other bytes.
  CHECK(world.publish({}).error().code == Errc::conflict);
  CHECK(world.publish({.release = 2}).error().code == Errc::conflict);
  CHECK(world.publish({.revision_max = 3}).error().code == Errc::conflict);
}

TEST_CASE("a new version needs a release number above the highest") {
  ServerWorld world;
  world.set_policy({world.entry()});
  must(world.publish({.version = "1.4.0", .release = 7}));
  CHECK(world.publish({.version = "1.5.0", .release = 7}).error().code == Errc::conflict);
  CHECK(world.publish({.version = "1.5.0", .release = 6}).error().code == Errc::conflict);
  CHECK(world.publish({.version = "1.5.0", .release = 8}));
}

TEST_CASE("another ABI may join a published version") {
  ServerWorld world;
  world.set_policy({world.entry()});
  must(world.publish({.abi = "6.3-armv7m"}));
  must(world.publish({.abi = "6-any"}));
  CHECK(must(world.releases.list({})).items.front().variants.size() == 2);
}

TEST_CASE("A38 adding ABIs to a release is all or nothing and replaces none") {
  ServerWorld world;
  world.set_policy({world.entry()});
  const ByteVector x64 = world.package({.abi = "6.3-x64"});
  const auto first = must(world.publish_service.publish(x64, "t"));
  const auto added = must(world.publish_service.publish(
      world.package({.abi = "6.3-armv6m"}) + x64 + world.package({.abi = "6-any"}), "t"));
  CHECK_FALSE(added.all_existed());
  CHECK_FALSE(added.items[0].existed);
  CHECK(added.items[1].existed);
  CHECK(added.items[1].variant.digest == first.items[0].variant.digest);
  CHECK(must(world.releases.list({})).items.front().variants.size() == 3);
  // One new, one that would replace.
  const auto refused = world.publish_service.publish(
      world.package({.abi = "6.3-armv7m"}) + world.package({.abi = "6.3-x64"}), "t");
  CHECK(refused.error().code == Errc::conflict);
  const auto releases = must(world.releases.list({})).items;
  REQUIRE(releases.size() == 1);
  CHECK(releases[0].variants.size() == 3);
  for (const Variant& variant : releases[0].variants)
    if (variant.abi.arch == Arch::x64) CHECK(variant.digest == first.items[0].variant.digest);
  CHECK(world.audit_count("publish") == 2);
}

TEST_CASE("a release is bounded in its variants, however many uploads bring them") {
  ServerWorld world;
  world.set_policy({world.entry()});
  std::vector<ByteVector> packages;
  for (const FloatAbi fp : {FloatAbi::none, FloatAbi::soft, FloatAbi::hard})
    for (const ObjectRepr repr : {ObjectRepr::a, ObjectRepr::b, ObjectRepr::c, ObjectRepr::d})
      for (const std::string_view abi : {"6.3-armv6m", "6.3-armv7m", "6.3-x64"})
        packages.push_back(world.package({.abi = abi, .float_abi = fp, .object_repr = repr}));
  REQUIRE(packages.size() > kVariantsPerReleaseMax);
  for (std::size_t i = 0; i < kVariantsPerReleaseMax; ++i)
    must(world.publish_service.publish(packages[i], "t"));
  CHECK(world.publish_service.publish(packages[kVariantsPerReleaseMax], "t").error().code ==
        Errc::limit);
  CHECK(must(world.publish_service.publish(packages[0], "t")).all_existed());
}

TEST_CASE("publish refuses what a motherboard would refuse, and stores nothing of it") {
  ServerWorld world;
  trust::PolicyEntry entry = world.entry();
  SECTION("A21 no policy entry names the hardware ID") {
    CHECK(world.publish({}).error().code == Errc::untrusted);
  }
  SECTION("A01 another publisher's key") {
    entry.publisher_keys.clear();
    entry.publisher_keys.push_back(make_signing_key(KeyRole::publisher).public_key);
    world.set_policy({entry});
    CHECK(world.publish({}).error().code == Errc::untrusted);
  }
  SECTION("another driver name than the policy entry's") {
    world.set_policy({entry});
    CHECK(world.publish({.driver_name = "other"}).error().code == Errc::untrusted);
  }
  SECTION("A06 a release below the floor") {
    entry.floor_release = 5;
    world.set_policy({entry});
    CHECK(world.publish({.release = 4}).error().code == Errc::rollback);
  }
  SECTION("A02 a flipped bit anywhere in the package") {
    world.set_policy({entry});
    const ByteVector good = world.package({});
    for (std::size_t bit = 0; bit < good.size() * 8; bit += 1001) {
      const auto bad = world.publish_service.publish(test::with_flipped_bit(good, bit), "t");
      CAPTURE(bit);
      CHECK_FALSE(bad);
    }
  }
  SECTION("A16 a manifest that claims another ABI than the file has") {
    world.set_policy({entry});
    // Built past the publisher's own checks, as an attacker would.
    ByteVector good = world.package({.abi = "6-any"});
    good.resize(good.size() - 1);
    CHECK_FALSE(world.publish_service.publish(good, "t"));
  }
  SECTION("not sealed to this server") {
    world.set_policy({entry});
    const ExchangeKeyPair other = make_exchange_key();
    const ByteVector foreign = world.package({.recipient = &other.public_key});
    CHECK(world.publish_service.publish(foreign, "t").error().code == Errc::no_key);
  }
  CHECK(stored_releases(world) == 0);
}

TEST_CASE("publish takes packages of one release only, each ABI once, all or nothing") {
  ServerWorld world;
  world.set_policy({world.entry()});
  const auto publish = [&](const ByteVector& body) {
    return world.publish_service.publish(body, "t");
  };
  CHECK(publish(world.package({}) + world.package({.version = "1.5.0", .abi = "6-any"}))
            .error()
            .code == Errc::malformed);
  CHECK(publish(world.package({}) + world.package({})).error().code == Errc::malformed);
  CHECK_FALSE(publish(ByteVector{}));
  CHECK(stored_releases(world) == 0);
  // The second of two conflicts with what is there: the first must not stay.
  must(world.publish({.abi = "6-any"}));
  CHECK(publish(world.package({.abi = "6.3-armv7m"}) + world.package({.abi = "6-any"}))
            .error()
            .code == Errc::conflict);
  CHECK(must(world.releases.list({})).items.front().variants.size() == 1);
}

TEST_CASE("A33 a package waits for the operator's approval: stored, but not delivered") {
  ServerWorld world;
  trust::PolicyEntry entry = world.entry();
  entry.mode = trust::ReleaseMode::approved_only;
  world.set_policy({entry});
  const auto report = must(world.publish({.abi = "6-any"}));
  const Board board{test::hardware_id(), 0, parse_abi("6.3-armv7m").value()};
  Board wide = board;
  wide.device.small_int_bits = 63;
  const auto before = must(world.resolve.resolve(wide));
  CHECK_FALSE(before->chosen);
  CHECK(before->code == Errc::policy);
  entry.approved_digests.push_back(report.items[0].variant.digest);
  world.set_policy({entry});
  CHECK(must(world.resolve.resolve(wide))->chosen);
}

TEST_CASE("match compares the plaintext and what does not depend on keys or time") {
  ServerWorld world;
  world.set_policy({world.entry()});
  const test::Buffer mpy = test::mpy_for("6.3-armv7m");
  const auto stored = must(world.publish({.release = 3}));
  MatchQuery query = match_query("6.3-armv7m", mpy);

  auto report = must(world.publish_service.match(query));
  CHECK(report.items[0].status == MatchReport::Status::same);
  CHECK(report.items[0].digest == stored.items[0].variant.digest);
  CHECK(report.release == 3);
  CHECK(report.highest_release == 3);

  SECTION("another file differs") {
    query.items[0].plain_digest = Digest{};
    CHECK(must(world.publish_service.match(query)).items[0].status == MatchReport::Status::differs);
  }
  SECTION("another revision range differs") {
    query.revision_max = 9;
    CHECK(must(world.publish_service.match(query)).items[0].status == MatchReport::Status::differs);
  }
  SECTION("public instead of encrypted differs") {
    query.items[0].encryption = Encryption::none;
    CHECK(must(world.publish_service.match(query)).items[0].status == MatchReport::Status::differs);
  }
  SECTION("other required modules differ") {
    query.items[0].required_modules = {"network"};
    CHECK(must(world.publish_service.match(query)).items[0].status == MatchReport::Status::differs);
  }
  SECTION("another ABI or version is absent") {
    query.items[0].abi = parse_abi("6-any").value();
    CHECK(must(world.publish_service.match(query)).items[0].status == MatchReport::Status::absent);
    query.version = parse_version("2.0.0").value();
    report = must(world.publish_service.match(query));
    CHECK(report.items[0].status == MatchReport::Status::absent);
    CHECK_FALSE(report.release);
    CHECK(report.highest_release == 3);
  }
}

TEST_CASE("A23 nothing of a driver's plaintext reaches the database files") {
  ServerWorld world;
  world.set_policy({world.entry()});
  must(world.publish({.abi = "6.3-x64"}));
  const std::string needle(as_text(test::mpy_for("6.3-x64")).substr(64, 24));
  for (const auto& file : std::filesystem::directory_iterator(world.directory.path())) {
    std::ifstream in(file.path(), std::ios::binary);
    const std::string content{std::istreambuf_iterator<char>(in), {}};
    CAPTURE(file.path().string());
    CHECK(content.find(needle) == std::string::npos);
  }
}

}  // namespace mpyd::server
