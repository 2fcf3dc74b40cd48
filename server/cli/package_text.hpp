// Packages as people and programs read them.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <string>

#include "server/services/packaging.hpp"

namespace mpyd::server::cli {

boost::json::object package_json(const CheckedPackage& package, Bytes key_block);
std::string package_text(const CheckedPackage& package, Bytes key_block);

// NAME-VERSION-ABI.mpkg
std::string mpkg_file_name(const Manifest& manifest);

// Key IDs of the recipients of a key block that key_block_bytes accepted.
boost::json::array recipients_json(Bytes key_block);
std::string recipients_text(Bytes key_block);

}  // namespace mpyd::server::cli
