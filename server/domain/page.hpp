// A piece of a list that is too long to be told at once.
#pragma once

#include <vector>

namespace mpyd::server {

template <class T>
struct Page {
  std::vector<T> items;
  bool has_more = false;  // rows follow the last one
};

// Of rows that were asked for as `count_max` and one more.
template <class T>
Page<T> make_page(std::vector<T> rows, std::size_t count_max) {
  const bool has_more = rows.size() > count_max;
  if (has_more) rows.erase(rows.begin() + static_cast<std::ptrdiff_t>(count_max), rows.end());
  return {std::move(rows), has_more};
}

}  // namespace mpyd::server
