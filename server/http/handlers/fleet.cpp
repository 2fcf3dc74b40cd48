#include <limits>

#include "server/http/handlers/handlers.hpp"
#include "server/http/json_fields.hpp"
#include "server/http/json_response.hpp"
#include "server/http/list_query.hpp"
#include "server/util/encoding.hpp"

namespace mpyd::server::http::handlers {
namespace {

namespace json = boost::json;

json::object key_json(const FleetKeys::Key& key) {
  return {{"generation", key.generation},
          {"public_key", to_hex(key.public_key.bytes())},
          {"created_unix_s", key.created_unix_s}};
}

json::object place_json(const std::optional<ServerPlace::Address>& address) {
  json::object out{{"host", nullptr}, {"port", nullptr}};
  if (!address) return out;
  out["host"] = address->host;
  out["port"] = address->port;
  return out;
}

}  // namespace

Result<Response> list_fleet_keys(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const ListQuery list, ListQuery::read(request));
  std::uint64_t before = std::numeric_limits<std::uint64_t>::max();
  if (!list.after().empty()) {
    MPYD_TRY_ASSIGN(before, list.after_number(0));
  }
  auto keys = api.fleet_keys.list();
  std::erase_if(keys, [&](const FleetKeys::Key& key) { return key.generation >= before; });
  const auto page = make_page(std::move(keys), list.limit());
  json::array out;
  for (const FleetKeys::Key& key : page.items) out.push_back(key_json(key));
  Response response = json_response(200, {{"keys", std::move(out)}});
  if (page.has_more)
    list.link_next(response, request, {std::to_string(page.items.back().generation)});
  return response;
}

Result<Response> make_fleet_key(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const auto object, parse_json_object(request.body));
  JsonFields fields(object);
  MPYD_TRY_ASSIGN(const std::uint64_t generation,
                  fields.number("generation", std::numeric_limits<std::uint32_t>::max()));
  MPYD_TRY(fields.done());
  MPYD_TRY_ASSIGN(const FleetKeys::Made made,
                  api.fleet_keys.make(static_cast<std::uint32_t>(generation), request.actor));
  return json_response(made.existed ? 200 : 201, key_json(made.key));
}

Result<Response> show_device_server(const AdminApi& api, Request&) {
  return json_response(200, place_json(api.place.current()));
}

Result<Response> move_device_server(const AdminApi& api, Request& request) {
  MPYD_TRY_ASSIGN(const auto object, parse_json_object(request.body));
  JsonFields fields(object);
  ServerPlace::Address address;
  MPYD_TRY_ASSIGN(address.host, fields.text("host"));
  MPYD_TRY_ASSIGN(const std::uint64_t port, fields.number("port", 0xffff));
  address.port = static_cast<std::uint16_t>(port);
  MPYD_TRY(fields.done());
  MPYD_TRY(api.place.move_to(address, request.actor));
  return json_response(200, place_json(address));
}

Result<Response> cancel_device_server(const AdminApi& api, Request& request) {
  MPYD_TRY(api.place.cancel(request.actor));
  return Response{.status = 204};
}

}  // namespace mpyd::server::http::handlers
