#include "depth.hpp"

#include <algorithm>
#include <array>

namespace mpyd::bench {
namespace {

constexpr std::uint32_t kPaint = 0xC5C5C5C5;
constexpr unsigned kOwnWords = 16;                  // that paint() itself may use
constexpr std::uintptr_t kWindowBytes = 24 * 1024;  // below the entry

std::uintptr_t entry_at = 0;  // 0: nobody watches
std::array<std::uint32_t, kParts> found{};
std::uint32_t found_in_all = 0;
std::uint32_t copied_bytes = 0;
std::array<std::uint32_t, kWindowBytes / sizeof(std::uint32_t)> copy;

bool is_python(Part part) {
  return part == Part::bus || part == Part::network || part == Part::store || part == Part::host ||
         part == Part::told || part == Part::driver;
}

volatile std::uint32_t* bottom() {
  return reinterpret_cast<volatile std::uint32_t*>(entry_at - kWindowBytes);
}

// Everything below whoever calls.
__attribute__((noinline)) void paint() {
  auto* const here = static_cast<volatile std::uint32_t*>(__builtin_frame_address(0));
  for (volatile std::uint32_t* word = bottom(); word < here - kOwnWords; ++word) *word = kPaint;
}

std::uint32_t used() {
  volatile std::uint32_t* word = bottom();
  while (reinterpret_cast<std::uintptr_t>(word) < entry_at && *word == kPaint) ++word;
  return static_cast<std::uint32_t>(entry_at - reinterpret_cast<std::uintptr_t>(word));
}

void copy_deepest(std::uint32_t bytes) {
  if (bytes <= copied_bytes) return;
  copied_bytes = bytes;
  const auto* from = reinterpret_cast<const volatile std::uint32_t*>(entry_at - bytes);
  std::copy_n(from, bytes / sizeof(std::uint32_t), copy.begin());
}

}  // namespace

void note_leaving(Part part) {
  if (entry_at == 0) return;
  const std::uint32_t bytes = used();
  found_in_all = std::max(found_in_all, bytes);
  if (is_python(part)) return;
  auto& most = found[static_cast<unsigned>(part)];
  most = std::max(most, bytes);
  copy_deepest(bytes);
  // What this part used is not the next one's.
  paint();
}

void note_back(Part part) {
  if (entry_at != 0 && !is_python(part)) paint();
}

void watch_depth(std::uintptr_t entry) {
  entry_at = entry;
  paint();
}

void forget_depth() { entry_at = 0; }

std::uint32_t deepest(Part part) { return found[static_cast<unsigned>(part)]; }
std::uint32_t deepest_of_all() { return found_in_all; }

std::span<const std::uint32_t> deepest_words() {
  return {copy.data(), copied_bytes / sizeof(std::uint32_t)};
}

}  // namespace mpyd::bench
