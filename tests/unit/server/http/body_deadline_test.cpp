#include "server/http/body_deadline.hpp"

#include "tests/support/catch.hpp"

namespace mpyd::server::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Time = BodyDeadline::Time;

constexpr std::size_t kKiB = 1024;

}  // namespace

TEST_CASE("A13 whoever sends nothing has fifteen seconds") {
  const Time start{};
  BodyDeadline deadline(start);
  CHECK(deadline.after(0, start) == start + seconds(15));
  CHECK(deadline.after(0, start + seconds(14)) == start + seconds(15));
}

TEST_CASE("A13 what came fast is no credit for later") {
  const Time start{};
  BodyDeadline deadline(start);
  CHECK(deadline.after(64 * kKiB * kKiB, start + seconds(2)) == start + seconds(17));
  // One byte a second after that.
  for (int s = 3; s < 17; ++s)
    CHECK(deadline.after(64 * kKiB * kKiB + static_cast<std::size_t>(s), start + seconds(s)) <
          start + milliseconds(17'001));
}

TEST_CASE("a link that is slow but steady is borne, with its ups and downs") {
  Time now{};
  BodyDeadline deadline(now);
  Time until = deadline.after(0, now);
  std::size_t received = 0;
  for (int minute = 0; minute < 60; ++minute) {
    now += seconds(12);  // nothing at all
    REQUIRE(now < until);
    for (int s = 0; s < 48; ++s) {
      now += seconds(1);
      received += 22 * kKiB;
      until = deadline.after(received, now);
      REQUIRE(now < until);
    }
  }
}

TEST_CASE("A13 a link below the slowest rate runs out of time") {
  Time now{};
  BodyDeadline deadline(now);
  Time until = deadline.after(0, now);
  std::size_t received = 0;
  while (now < until && now < Time{} + seconds(100)) {
    now += seconds(1);
    received += 8 * kKiB;
    until = deadline.after(received, now);
  }
  CHECK(now == Time{} + seconds(30));
}

}  // namespace mpyd::server::http
