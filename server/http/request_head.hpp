// From Beast's message to ours.
#pragma once

#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/message.hpp>

#include "server/http/message.hpp"
#include "server/util/error.hpp"

namespace mpyd::server::http {

// Always fills in method and request_id. Errors: malformed (the target is no path and query, the
// body's end is not certain, or not one Host); the connection is of no more use then.
Result<void> read_head(const boost::beast::http::request_header<>& header, RequestHead& out);

}  // namespace mpyd::server::http
