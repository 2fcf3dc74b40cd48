#include "server/cli/nearest.hpp"

#include <algorithm>
#include <numeric>

namespace mpyd::server::cli {
namespace {

constexpr std::size_t kComparedBytesMax = 64;

// Levenshtein's distance.
std::size_t distance(std::string_view a, std::string_view b) {
  a = a.substr(0, kComparedBytesMax);
  b = b.substr(0, kComparedBytesMax);
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, changed});
    }
  }
  return row.back();
}

}  // namespace

std::string nearest_name(std::string_view text, const std::vector<std::string>& names) {
  const auto nearest = std::ranges::min_element(
      names, {}, [&](const std::string& name) { return distance(text, name); });
  return nearest == names.end() ? std::string() : *nearest;
}

std::string similar_name(std::string_view text, const std::vector<std::string>& names) {
  const std::string nearest = nearest_name(text, names);
  const std::size_t compared = std::min(text.size(), kComparedBytesMax);
  const std::size_t bound = std::max<std::size_t>(compared / 3, 1);
  if (distance(text, nearest) <= bound) return nearest;
  const auto longer = std::ranges::find_if(
      names, [&](const std::string& name) { return text.size() >= 2 && name.starts_with(text); });
  return longer == names.end() ? std::string() : *longer;
}

}  // namespace mpyd::server::cli
