#include "server/http/handlers/handlers.hpp"
#include "server/http/json_fields.hpp"
#include "server/http/json_response.hpp"
#include "server/util/build_version.hpp"
#include "server/util/encoding.hpp"

namespace mpyd::server::http::handlers {

Result<Response> status(const AdminApi& api, Request& request) {
  const auto view = api.trust.view();
  boost::json::object out{{"version", build_version()},
                          {"root_version", view->root().version},
                          {"root_fingerprint", view->root_fingerprint()},
                          {"server_key", to_hex(api.server_keys.current()->public_key.bytes())},
                          {"targets_epoch", view->root().targets_epoch},
                          {"head_version", view->head() ? view->head()->version : 0U}};
  if (!request.reach.is_limited()) {
    MPYD_TRY_ASSIGN(out["releases"], api.releases.count());
    MPYD_TRY_ASSIGN(out["devices"], api.devices.count());
  }
  return json_response(200, out);
}

Result<Response> trust(const AdminApi& api, Request&) {
  const auto view = api.trust.view();
  boost::json::array roots;
  for (const ByteVector& root : view->roots()) roots.emplace_back(to_base64(root));
  boost::json::array entries;
  for (std::size_t i = 0; i < view->entries().size(); ++i)
    entries.emplace_back(to_base64(view->entries().bytes(i)));
  boost::json::object body{{"root", to_base64(view->roots().back())},
                           {"roots", std::move(roots)},
                           {"head", nullptr},
                           {"entries", std::move(entries)},
                           {"ended", nullptr}};
  if (view->head()) body["head"] = to_base64(view->head_document());
  if (!view->ended_head().empty()) {
    boost::json::array ended;
    for (const ByteVector& entry : view->ended_entries()) ended.emplace_back(to_base64(entry));
    body["ended"] = {{"head", to_base64(view->ended_head())}, {"entries", std::move(ended)}};
  }
  return json_response(200, body);
}

Result<Response> put_targets(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const auto object, parse_json_object(request.body));
  JsonFields fields(object);
  MPYD_TRY_ASSIGN(const ByteVector head, fields.base64("head"));
  MPYD_TRY_ASSIGN(auto entries, fields.base64_list("entries"));
  MPYD_TRY(fields.done());
  MPYD_TRY_ASSIGN(const auto accepted,
                  api.trust.replace_targets(head, std::move(entries), request.actor));
  return json_response(200, {{"epoch", accepted.epoch}, {"version", accepted.version}});
}

Result<Response> add_root(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const auto object, parse_json_object(request.body));
  JsonFields fields(object);
  MPYD_TRY_ASSIGN(const ByteVector root, fields.base64("root"));
  MPYD_TRY(fields.done());
  MPYD_TRY_ASSIGN(const RotationReport report, api.rotation.accept_root(root, request.actor));
  return json_response(200, {{"version", report.root.version},
                             {"epoch", report.root.targets_epoch},
                             {"server_key", to_hex(report.root.server_key.bytes())},
                             {"existed", report.existed},
                             {"new_server_key", report.new_server_key},
                             {"key_blocks", report.rewrapped.changed},
                             {"damaged", report.rewrapped.damaged}});
}

Result<Response> next_server_key(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const auto object, parse_json_object(request.body));
  MPYD_TRY(JsonFields(object).done());
  MPYD_TRY_ASSIGN(const NextServerKey next, api.rotation.next_server_key(request.actor));
  return json_response(200, {{"public_key", to_hex(next.public_key.bytes())},
                             {"existed", next.existed},
                             {"key_blocks", next.key_blocks}});
}

// Not by a rehearsal: where that key is in force by now, one would make the file of another.
Result<Response> next_server_key_again(const AdminApi&, Request&) {
  return fail(Errc::conflict,
              "this was done, and what was answered is not known any more; ask with another "
              "Idempotency-Key for the key that a root is to name next");
}

}  // namespace mpyd::server::http::handlers
