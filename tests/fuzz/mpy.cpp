// A .mpy file as publishers and servers check it.
#include "protocol/mpy/inspect.hpp"

#include "protocol/mpy/header.hpp"
#include "tests/fuzz/fuzz.hpp"

using namespace mpyd;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes file = as_bytes(data, size);
  const auto facts = mpy::inspect(file);
  if (!facts) return 0;
  const auto header = mpy::parse_header(file);
  FUZZ_CHECK(header);
  FUZZ_CHECK(facts->text_bytes + facts->bytecode_bytes + facts->rodata_bytes <= size);
  FUZZ_CHECK(facts->bss_bytes <= mpy::kBssBytesMax);
  FUZZ_CHECK(facts->names.size() <= facts->names_total);
  for (const std::string_view name : facts->names)
    FUZZ_CHECK(name.data() >= as_text(file).data() &&
               name.data() + name.size() <= as_text(file).data() + size);
  // What is accepted ends where it ends: neither a byte less nor one more.
  FUZZ_CHECK(!mpy::inspect(file.first(size - 1)));
  return 0;
}
