// A server's answer as the agent reads it, piece by piece.
#include "device-agent/core/http.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/support/bytes.hpp"

using namespace mpyd;

namespace {

struct Outcome {
  bool refused = false;
  bool complete = false;
  unsigned status = 0;
  test::Buffer body;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome read(Bytes bytes, std::uint32_t body_bytes_max, std::size_t step) {
  agent::HttpResponse response(body_bytes_max);
  Outcome out;
  while (!bytes.empty()) {
    const Bytes piece = bytes.first(std::min(step, bytes.size()));
    bytes = bytes.subspan(piece.size());
    const auto body = response.feed(piece);
    if (!body) {
      out.refused = true;
      break;
    }
    out.body.insert(out.body.end(), body->begin(), body->end());
    FUZZ_CHECK(out.body.size() <= body_bytes_max);
  }
  out.complete = response.complete();
  out.status = response.has_head() ? response.status() : 0;
  FUZZ_CHECK(!out.complete || out.body.size() == response.content_length() || out.refused);
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Input input(data, size);
  const std::uint32_t bytes_max = input.u16();
  const std::size_t step = 1 + input.byte();
  const Bytes rest = input.rest();
  const Outcome by_bytes = read(rest, bytes_max, 1);
  const Outcome by_steps = read(rest, bytes_max, step);
  // How the network cuts the answer changes nothing; only where a refused one ends may differ.
  FUZZ_CHECK(by_bytes.refused == by_steps.refused);
  FUZZ_CHECK(by_bytes.status == by_steps.status);
  if (!by_bytes.refused) FUZZ_CHECK(by_bytes == by_steps);
  return 0;
}
