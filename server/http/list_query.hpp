// What every list of the admin API has in common: bounded pages, one order, and a Link to the next.
//
//   ?limit=N             rows of a page, 1 to 1000, 100 if it is not there
//   ?sort=ORDER          one of the list's orders; -x is x turned round
//   ?cursor=C            where the next page starts; only ever taken from a Link
//   Link: <...>; rel="next"   while more rows follow; with all other parameters as they were
//
// A cursor says after which row the page starts, so rows that come and go meanwhile neither shift
// nor repeat others. It belongs to its list, filters and order.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/http/message.hpp"
#include "server/util/error.hpp"

namespace mpyd::server::http {

inline constexpr std::size_t kPageRowsMax = 1000;
inline constexpr std::size_t kPageRowsDefault = 100;

class ListQuery {
 public:
  // `orders`: what sort= may be, the first one if it is not there; none: the list has one order.
  // Errors: invalid_argument (limit, sort, or a cursor of another list).
  static Result<ListQuery> read(const Request& request,
                                std::span<const std::string_view> orders = {});

  std::size_t limit() const { return limit_; }
  std::string_view order() const { return order_; }  // without the minus sign
  bool is_descending() const { return is_descending_; }
  // The fields that say where the last row of the page before stood; empty: from the start.
  const std::vector<std::string>& after() const { return after_; }
  // One of them as a number. Errors: invalid_argument.
  Result<std::uint64_t> after_number(std::size_t field) const;

  // `last`: as after(), of the last row told here.
  void link_next(Response& response, const Request& request,
                 const std::vector<std::string>& last) const;

 private:
  std::size_t limit_ = kPageRowsDefault;
  std::string order_;
  bool is_descending_ = false;
  std::vector<std::string> after_;
};

}  // namespace mpyd::server::http
