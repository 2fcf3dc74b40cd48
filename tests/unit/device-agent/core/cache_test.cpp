#include "device-agent/core/cache.hpp"

#include <algorithm>
#include <set>

#include "tests/support/agent/fake_platform.hpp"
#include "tests/support/agent/fake_store.hpp"
#include "tests/support/catch.hpp"

namespace mpyd::test {
namespace {

using agent::KeyCache;

const HardwareId& thermo() {
  static const HardwareId id = HardwareId::parse("hat:Meadow%20Instruments:0042").value();
  return id;
}

struct Keys {
  FakeStore store;
  FakeEntropy entropy;
  KeyCache cache{store, entropy};
  Digest digest = random_fixed<Digest>(1);
  ContentKey key = random_fixed<ContentKey>(2);
  Keys() { cache.set_device_secret(random_fixed<SecretKey>(3)); }
};

TEST_CASE("a content key comes back as it was kept, and lies sealed in the store") {
  Keys keys;
  CHECK(keys.cache.load(keys.digest).error() == Errc::not_found);
  REQUIRE(keys.cache.save(keys.digest, keys.key));
  CHECK(keys.cache.load(keys.digest).value() == keys.key);
  const Buffer& file = keys.store.file("k-");
  CHECK(std::search(file.begin(), file.end(), keys.key.data.begin(), keys.key.data.end()) ==
        file.end());
}

TEST_CASE("another device, or a flipped bit anywhere, opens no content key") {
  Keys keys;
  REQUIRE(keys.cache.save(keys.digest, keys.key));
  KeyCache other(keys.store, keys.entropy);
  other.set_device_secret(random_fixed<SecretKey>(4));
  CHECK(other.load(keys.digest).error() == Errc::decryption);
  Buffer& file = keys.store.file("k-");
  for (std::size_t bit = 0; bit < file.size() * 8; ++bit) {
    const Buffer good = file;
    file = with_flipped_bit(file, bit);
    REQUIRE_FALSE(keys.cache.load(keys.digest));
    file = good;
  }
  file.pop_back();
  CHECK_FALSE(keys.cache.load(keys.digest));
}

TEST_CASE("keeping the key that is kept already writes nothing") {
  Keys keys;
  REQUIRE(keys.cache.save(keys.digest, keys.key));
  keys.store.reset_count();
  REQUIRE(keys.cache.save(keys.digest, keys.key));
  CHECK(keys.store.changes() == 0);
  REQUIRE(keys.cache.save(keys.digest, random_fixed<ContentKey>(9)));
  CHECK(keys.store.changes() == 1);
}

TEST_CASE("no entropy means no key file, not one with a bad nonce") {
  Keys keys;
  keys.entropy.is_good = false;
  CHECK(keys.cache.save(keys.digest, keys.key).error() == Errc::io);
  CHECK(keys.store.files().empty());
}

TEST_CASE("A37 whatever a hardware ID says, file names stay in their alphabet and length") {
  FakeStore store;
  for (const char* text : {"hat:%2E%2E:..", "hat:a:0001", "thex:cafe:0001"}) {
    const auto id = HardwareId::parse(text);
    if (!id) continue;
    const auto name = agent::package_file(*id, random_fixed<Digest>(5));
    CHECK(name.size() == 80);
    // The fake refuses names outside the contract.
    REQUIRE(store.write(name.c_str(), {}));
    REQUIRE(store.write(agent::entry_file(*id).c_str(), {}));
    REQUIRE(store.write(agent::answer_file(*id).c_str(), {}));
  }
  CHECK(store.files().size() >= 6);
}

TEST_CASE("cached packages of one hardware ID are listed, of others not") {
  FakeStore store;
  const HardwareId other = HardwareId::parse("hat:Meadow%20Instruments:0043").value();
  std::set<Digest> expected;
  for (std::uint64_t i = 0; i < 3; ++i) {
    const Digest digest = random_fixed<Digest>(i);
    expected.insert(digest);
    REQUIRE(store.write(agent::package_file(thermo(), digest).c_str(), {}));
    REQUIRE(store.write(agent::package_file(other, random_fixed<Digest>(50 + i)).c_str(), {}));
  }
  std::set<Digest> found;
  for (unsigned n = 0; n < 3; ++n) found.insert(agent::find_cached(store, thermo(), n).value());
  CHECK(found == expected);
  CHECK(agent::find_cached(store, thermo(), 3).error() == Errc::not_found);
  CHECK(agent::is_cached(store, thermo(), *expected.begin()));
  CHECK_FALSE(agent::is_cached(store, other, *expected.begin()));
}

TEST_CASE("numbers survive a reset, damage counts as absent, newer formats are refused") {
  FakeStore store;
  CHECK(agent::load_number(store, "counter").value() == 0);
  for (std::uint64_t value :
       {std::uint64_t{1}, std::uint64_t{0x123456789abcdef0}, ~std::uint64_t{0}}) {
    REQUIRE(agent::save_number(store, "counter", value));
    CHECK(agent::load_number(store, "counter").value() == value);
  }
  store.files()["counter"][0] = std::byte{kFormat + 1};
  CHECK(agent::load_number(store, "counter").error() == Errc::unsupported);
  store.files()["counter"][0] = std::byte{0xff};
  CHECK(agent::load_number(store, "counter").value() == 0);
  store.files()["counter"].resize(4);
  CHECK(agent::load_number(store, "counter").value() == 0);
}

}  // namespace
}  // namespace mpyd::test
