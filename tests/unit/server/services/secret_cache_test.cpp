#include "server/services/secret_cache.hpp"

#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"

using namespace mpyd;
using server::SecretCache;

TEST_CASE("a secret cache keeps the newest and forgets the oldest") {
  SecretCache<Digest, ContentKey> cache(3);
  const auto key = [](std::uint64_t n) { return test::random_fixed<Digest>(n); };
  const auto secret = [](std::uint64_t n) { return test::random_fixed<ContentKey>(n + 100); };
  for (std::uint64_t n = 0; n < 3; ++n) cache.put(key(n), secret(n));
  REQUIRE(cache.find(key(0)));
  CHECK(*cache.find(key(0)) == secret(0));
  cache.put(key(1), secret(7));
  CHECK(*cache.find(key(1)) == secret(7));
  cache.put(key(3), secret(3));
  CHECK(cache.find(key(0)) == nullptr);
  for (std::uint64_t n : {2U, 3U}) CHECK(*cache.find(key(n)) == secret(n));
}
