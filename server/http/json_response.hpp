#pragma once

#include <boost/json/object.hpp>

#include "server/http/message.hpp"

namespace mpyd::server::http {

// Never cached.
Response json_response(unsigned status, const boost::json::object& body);

}  // namespace mpyd::server::http
