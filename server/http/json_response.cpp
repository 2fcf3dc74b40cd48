#include "server/http/json_response.hpp"

#include <boost/json/serialize.hpp>

namespace mpyd::server::http {

Response json_response(unsigned status, const boost::json::object& body) {
  const std::string text = boost::json::serialize(body) + "\n";
  return {.status = status,
          .content_type = "application/json",
          .headers = {{"Cache-Control", "no-store"}},
          .body = to_vector(as_bytes(text))};
}

}  // namespace mpyd::server::http
