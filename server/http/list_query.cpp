#include "server/http/list_query.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/url/encode.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>
#include <charconv>

#include "protocol/crypto.hpp"
#include "server/util/encoding.hpp"

namespace mpyd::server::http {
namespace {

namespace json = boost::json;

constexpr std::size_t kCursorCharsMax = 2048;

bool is_place(std::string_view parameter) { return parameter == "cursor" || parameter == "limit"; }

// Tells lists apart: path, filters and order, in whatever sequence they came.
std::string list_digest(const RequestHead& head) {
  auto query = head.query;
  std::ranges::sort(query);
  std::string text = head.path;
  for (const auto& [name, value] : query)
    if (!is_place(name)) text += '\n' + name + '=' + value;
  return to_hex(crypto::sha256(as_bytes(text)).bytes().first(8));
}

Error bad_cursor() {
  return Error(Errc::invalid_argument,
               "the cursor is not one of this list with these filters; take it from the Link of "
               "the page before, or start without one");
}

// hex of ["list digest", "field", ...]
std::string format_cursor(const RequestHead& head, const std::vector<std::string>& fields) {
  json::array parts{list_digest(head)};
  for (const std::string& field : fields) parts.emplace_back(field);
  return to_hex(as_bytes(json::serialize(parts)));
}

Result<std::vector<std::string>> parse_cursor(const RequestHead& head, std::string_view text) {
  if (text.size() > kCursorCharsMax) return fail(bad_cursor());
  const auto bytes = from_hex(text);
  if (!bytes) return fail(bad_cursor());
  boost::system::error_code failed;
  const json::value value = json::parse(as_text(*bytes), failed, {}, {.max_depth = 2});
  if (failed || !value.is_array()) return fail(bad_cursor());
  std::vector<std::string> out;
  for (const json::value& part : value.get_array()) {
    if (!part.is_string()) return fail(bad_cursor());
    out.emplace_back(part.get_string());
  }
  if (out.size() < 2 || out.front() != list_digest(head)) return fail(bad_cursor());
  out.erase(out.begin());
  return out;
}

Result<std::uint64_t> to_number(std::string_view text) {
  std::uint64_t out = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (failed != std::errc{} || end != text.data() + text.size() || out > INT64_MAX)
    return fail(bad_cursor());
  return out;
}

}  // namespace

Result<ListQuery> ListQuery::read(const Request& request,
                                  std::span<const std::string_view> orders) {
  ListQuery out;
  if (const auto limit = request.asked("limit")) {
    const auto number = to_number(*limit);
    if (!number || *number == 0 || *number > kPageRowsMax)
      return fail(Errc::invalid_argument, "limit must be a whole number from 1 to " +
                                              std::to_string(kPageRowsMax) +
                                              "; a Link leads to the rows beyond");
    out.limit_ = *number;
  }
  std::string_view sort = orders.empty() ? std::string_view() : orders.front();
  if (const auto asked = request.asked("sort")) {
    if (std::ranges::find(orders, *asked) == orders.end())
      return fail(Errc::invalid_argument,
                  fmt::format("sort must be one of {}", fmt::join(orders, ", ")));
    sort = *asked;
  }
  out.is_descending_ = sort.starts_with('-');
  if (out.is_descending_) sort.remove_prefix(1);
  out.order_ = sort;
  if (const auto cursor = request.asked("cursor")) {
    MPYD_TRY_ASSIGN(out.after_, parse_cursor(request.head, *cursor));
  }
  return out;
}

Result<std::uint64_t> ListQuery::after_number(std::size_t field) const {
  if (field >= after_.size()) return fail(bad_cursor());
  return to_number(after_[field]);
}

void ListQuery::link_next(Response& response, const Request& request,
                          const std::vector<std::string>& last) const {
  const auto encoded = [](std::string_view text) {
    return boost::urls::encode(text, boost::urls::unreserved_chars);
  };
  std::string target = request.head.path + "?";
  for (const auto& [name, value] : request.head.query)
    if (name != "cursor") target += encoded(name) + "=" + encoded(value) + "&";
  target += "cursor=" + format_cursor(request.head, last);
  response.headers.emplace_back("Link", "<" + target + ">; rel=\"next\"");
}

}  // namespace mpyd::server::http
