// schema/openapi.yaml as JSON; schema/generate-openapi makes its text.
#pragma once

#include <string_view>

namespace mpyd::server::http {

std::string_view openapi_json();

}  // namespace mpyd::server::http
