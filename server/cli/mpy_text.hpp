// A .mpy file as people and programs read it.
#pragma once

#include <boost/json/object.hpp>
#include <string>

#include "protocol/mpy/inspect.hpp"

namespace mpyd::server::cli {

// `file` is what `facts` were read from.
boost::json::object mpy_json(const mpy::Facts& facts, Bytes file);
std::string mpy_text(const mpy::Facts& facts, Bytes file);

}  // namespace mpyd::server::cli
