#include <boost/json/parse.hpp>
#include <limits>

#include "server/http/handlers/fields.hpp"
#include "server/http/handlers/handlers.hpp"
#include "server/http/json_response.hpp"
#include "server/http/list_query.hpp"
#include "server/util/encoding.hpp"

namespace mpyd::server::http::handlers {

namespace {

// For whoever checks the chain: texts exactly as they were hashed.
boost::json::object chained(const AuditRow& row) {
  return {{"id", row.id},
          {"time_unix_s", row.event.time_unix_s},
          {"actor", row.event.actor},
          {"action", row.event.action},
          {"subject", row.event.subject},
          {"detail", row.event.detail},
          {"previous", to_hex(row.previous.bytes())},
          {"hash", to_hex(row.hash.bytes())}};
}

// Of a page of the newest rows, the next one lies before it.
Result<AuditLog::Filter> read_filter(const Request& request, const ListQuery& list) {
  AuditLog::Filter filter{.actor = read_text(request, "actor"),
                          .action = read_text(request, "action"),
                          .subject = read_text(request, "subject"),
                          .count_max = list.limit()};
  MPYD_TRY_ASSIGN(const auto since, read_time(request, "since"));
  filter.since_unix_s = since.value_or(0);
  if (const auto text = request.asked("after")) {
    MPYD_TRY_ASSIGN(filter.after,
                    read_number("after", *text, std::numeric_limits<std::int64_t>::max()));
  }
  const std::string_view order = request.query("order");
  filter.latest = order == "newest";
  if (!order.empty() && order != "oldest" && !filter.latest)
    return fail(Errc::invalid_argument, "order is oldest or newest");
  if (filter.latest && filter.after != 0)
    return fail(Errc::invalid_argument, "after goes with order=oldest: the rows that follow one");
  if (list.after().empty()) return filter;
  MPYD_TRY_ASSIGN(const std::uint64_t id, list.after_number(0));
  if (filter.latest)
    filter.before = id;
  else
    filter.after = id;
  return filter;
}

}  // namespace

Result<Response> list_audit(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const ListQuery list, ListQuery::read(request));
  MPYD_TRY_ASSIGN(const AuditLog::Filter filter, read_filter(request, list));
  MPYD_TRY_ASSIGN(const auto page, api.audit.list(filter));
  boost::json::array out;
  for (const AuditRow& row : page.items) {
    boost::system::error_code failed;
    out.push_back(boost::json::object{{"id", row.id},
                                      {"time_unix_s", row.event.time_unix_s},
                                      {"actor", row.event.actor},
                                      {"action", row.event.action},
                                      {"subject", row.event.subject},
                                      {"detail", boost::json::parse(row.event.detail, failed)}});
  }
  Response response = json_response(200, {{"events", std::move(out)}});
  if (page.has_more) {
    const AuditRow& last = filter.latest ? page.items.front() : page.items.back();
    list.link_next(response, request, {std::to_string(last.id)});
  }
  return response;
}

Result<Response> audit_chain(const AdminApi& api, Request& request) {
  std::uint64_t after = 0;
  std::uint64_t limit = 1000;
  if (const auto text = request.query("after"); !text.empty()) {
    MPYD_TRY_ASSIGN(after, read_number("after", text, std::numeric_limits<std::int64_t>::max()));
  }
  if (const auto text = request.query("limit"); !text.empty()) {
    MPYD_TRY_ASSIGN(limit, read_number("limit", text, 1000));
  }
  MPYD_TRY_ASSIGN(const AuditService::Chain chain, api.audit.chain(after, limit));
  boost::json::array rows;
  for (const AuditRow& row : chain.rows) rows.push_back(chained(row));
  return json_response(200, {{"rows", std::move(rows)},
                             {"head", format_audit_head(chain.end.head)},
                             {"numbered", chain.end.numbered},
                             {"foreign", chain.end.foreign}});
}

}  // namespace mpyd::server::http::handlers
