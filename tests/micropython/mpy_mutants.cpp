// mpy_mutants OUTPUT FILE...: damages each .mpy in every way that is a cut or one flipped bit, and
// writes those that mpy::inspect still calls sound to OUTPUT, each as length (u32, little-endian),
// then bytes. Prints how many.
#include <bit>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "protocol/mpy/inspect.hpp"
#include "tests/support/bytes.hpp"

namespace {

struct Tally {
  std::size_t sound = 0;
  std::size_t refused = 0;
};

void judge(mpyd::Bytes file, std::ofstream& out, Tally& tally) {
  if (!mpyd::mpy::inspect(file)) {
    ++tally.refused;
    return;
  }
  ++tally.sound;
  const auto size = static_cast<std::uint32_t>(file.size());
  static_assert(std::endian::native == std::endian::little);
  out.write(reinterpret_cast<const char*>(&size), sizeof size);
  out.write(reinterpret_cast<const char*>(file.data()), static_cast<std::streamsize>(size));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  std::ofstream out(argv[1], std::ios::binary);
  Tally tally;
  for (int i = 2; i < argc; ++i) {
    std::ifstream in(argv[i], std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    const mpyd::Bytes whole = mpyd::as_bytes(text);
    if (!mpyd::mpy::inspect(whole)) {
      std::fprintf(stderr, "%s: refused unchanged\n", argv[i]);
      return 1;
    }
    for (std::size_t size = 0; size < whole.size(); ++size) judge(whole.first(size), out, tally);
    for (std::size_t bit = 0; bit < whole.size() * 8; ++bit)
      judge(mpyd::test::with_flipped_bit(whole, bit), out, tally);
  }
  out.flush();
  std::printf("%zu sound, %zu refused\n", tally.sound, tally.refused);
  return out ? 0 : 1;
}
