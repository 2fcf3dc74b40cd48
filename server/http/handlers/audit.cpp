#include <boost/json/parse.hpp>
#include <limits>

#include "server/http/handlers/fields.hpp"
#include "server/http/handlers/handlers.hpp"
#include "server/http/json_response.hpp"

namespace mpyd::server::http::handlers {

Result<Response> list_audit(const AdminApi& api, Request& request) {
  std::uint64_t after = 0;
  std::uint64_t limit = 100;
  if (const auto text = request.query("after"); !text.empty()) {
    MPYD_TRY_ASSIGN(after, read_number("after", text, std::numeric_limits<std::int64_t>::max()));
  }
  if (const auto text = request.query("limit"); !text.empty()) {
    MPYD_TRY_ASSIGN(limit, read_number("limit", text, 1000));
  }
  const std::string_view order = request.query("order");
  const bool newest = order == "newest";
  if (!order.empty() && order != "oldest" && !newest)
    return fail(Errc::invalid_argument, "order is oldest or newest");
  if (newest && after != 0)
    return fail(Errc::invalid_argument, "after goes with order=oldest: the rows that follow one");
  MPYD_TRY_ASSIGN(const auto rows, newest ? api.audit.newest(limit) : api.audit.list(after, limit));
  boost::json::array out;
  for (const AuditRow& row : rows) {
    boost::system::error_code failed;
    out.push_back(boost::json::object{{"id", row.id},
                                      {"time_unix_s", row.event.time_unix_s},
                                      {"actor", row.event.actor},
                                      {"action", row.event.action},
                                      {"subject", row.event.subject},
                                      {"detail", boost::json::parse(row.event.detail, failed)}});
  }
  return json_response(200, {{"events", std::move(out)}});
}

}  // namespace mpyd::server::http::handlers
