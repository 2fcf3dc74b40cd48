// Packages that are not sealed to this server.
#include "tests/support/catch.hpp"
#include "tests/support/server/device.hpp"

namespace mpyd::server {
using test::must;
using test::ServerWorld;
using test::SyncingDevice;

namespace {

struct UncheckedWorld : ServerWorld {
  explicit UncheckedWorld(bool allowed = true) {
    allow(allowed);
    must(devices.enroll(device.pair.key, "bench", "test"));
  }
  void allow(bool allowed) {
    trust::PolicyEntry e = entry();
    e.unchecked_packages = allowed;
    set_policy({e});
  }
  ByteVector sealed_elsewhere() const { return package({.recipient = &fleet.public_key}); }
  Result<PublishReport> take(const ByteVector& bytes) {
    return publish_service.publish(bytes, "test", Acceptance::unchecked);
  }
  v1::SlotAnswer ask() {
    auto request = device.request();
    SyncingDevice::add_board(request);
    return device.exchange(sync, request).slots(0);
  }
  ExchangeKeyPair fleet = make_exchange_key();
  SyncingDevice device{server_key.public_key};
};

}  // namespace

TEST_CASE("a package of others is taken unchecked only where publisher and policy say so") {
  UncheckedWorld world;
  const auto package = world.sealed_elsewhere();
  CHECK(world.publish_service.publish(package, "test").error().code == Errc::no_key);
  world.allow(false);
  CHECK(world.take(package).error().code == Errc::policy);
  CHECK(must(world.releases.count()) == 0);
  world.allow(true);
  const auto report = must(world.take(package));
  CHECK(report.items[0].variant.unchecked);
  CHECK(must(world.take(package)).all_existed());
}

TEST_CASE("a package that this server can open is checked, whatever was asked") {
  UncheckedWorld world;
  CHECK_FALSE(must(world.take(world.package({}))).items[0].variant.unchecked);
}

TEST_CASE("A02 everything of an unchecked package that needs no key is checked") {
  UncheckedWorld world;
  const auto package = world.sealed_elsewhere();
  for (std::size_t bit = 0; bit < package.size() * 8; bit += 997) {
    auto bad = package;
    bad[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
    const auto taken = world.take(bad);
    CAPTURE(bit);
    // A key block that nobody here can open may hold anything.
    const auto size = split_mpkg(package)->front().package.size();
    if (bit / 8 < size) CHECK_FALSE(taken);
  }
}

TEST_CASE("an unchecked package is delivered without a key, only while policy allows it") {
  UncheckedWorld world;
  const auto digest = must(world.take(world.sealed_elsewhere())).items[0].variant.digest;
  auto answer = world.ask();
  CHECK(as_text(digest.bytes()) == answer.package_digest());
  CHECK(answer.content_key().empty());
  CHECK(answer.reason() == 0);
  world.allow(false);
  answer = world.ask();
  CHECK(answer.package_digest().empty());
  CHECK(answer.reason() == static_cast<std::uint32_t>(Errc::policy));
}

TEST_CASE("A17 a package whose required modules were changed after signing is refused") {
  UncheckedWorld world;
  auto package = world.package({.release = 2, .required_module = "framebuf"});
  must(world.take(world.package({.version = "1.3.0", .required_module = "framebuf"})));
  const std::size_t at = as_text(package).find("framebuf");
  REQUIRE(at != std::string_view::npos);
  copy_bytes(as_bytes("rootkits"), MutableBytes(package).subspan(at, 8));
  CHECK(world.take(package).error().code == Errc::bad_signature);
  CHECK(must(world.releases.count()) == 1);
}

TEST_CASE("A18 of a release with one bad variant nothing is stored, whichever comes first") {
  UncheckedWorld world;
  const auto good = world.package({});
  auto bad = world.package({.abi = "6.3-armv6m"});
  bad[bad.size() / 2] ^= std::byte{1};
  for (const auto& order : {std::pair{good, bad}, std::pair{bad, good}}) {
    ByteVector body = order.first;
    body.insert(body.end(), order.second.begin(), order.second.end());
    CHECK_FALSE(world.take(body));
    CHECK(must(world.releases.count()) == 0);
    CHECK(world.ask().package_digest().empty());
  }
}

}  // namespace mpyd::server
