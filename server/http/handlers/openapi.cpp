#include "server/http/openapi.hpp"

#include "server/http/entity_tag.hpp"
#include "server/http/handlers/handlers.hpp"

namespace mpyd::server::http::handlers {

Result<Response> openapi(const AdminApi&, Request& request) {
  const Bytes text = as_bytes(openapi_json());
  Response response{.content_type = "application/json",
                    .headers = {{"ETag", entity_tag(text)}, {"Cache-Control", "no-cache"}}};
  if (names_all(request.head.if_none_match, response.headers.front().second))
    response.status = 304;
  else
    response.body = to_vector(text);
  return response;
}

}  // namespace mpyd::server::http::handlers
