// Fields of an answer's JSON. Each error names the field: a server that answers otherwise is not
// the one this client was made for.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <string>
#include <vector>

#include "server/cli/outcome.hpp"
#include "server/util/bytes.hpp"

namespace mpyd::server::cli {

// All errors are malformed. Absent and null are the same.
Outcome<std::string> text_field(const boost::json::object& object, std::string_view name);
Outcome<std::uint64_t> number_field(const boost::json::object& object, std::string_view name);
Outcome<ByteVector> base64_field(const boost::json::object& object, std::string_view name);
// Absent: empty.
Outcome<std::vector<ByteVector>> base64_list(const boost::json::object& object,
                                             std::string_view name);
Outcome<std::vector<boost::json::object>> object_list(const boost::json::object& object,
                                                      std::string_view name);

Outcome<std::vector<std::string>> text_list(const boost::json::object& object,
                                            std::string_view name);

// For display only: "-" if absent, numbers and booleans as JSON writes them.
std::string shown(const boost::json::object& object, std::string_view name);
// For display only: "-" if absent or not a time.
std::string shown_time(const boost::json::object& object, std::string_view name);
// For display only: a list's texts with commas between them; empty if absent.
std::string joined_texts(const boost::json::object& object, std::string_view name);
bool is_absent(const boost::json::object& object, std::string_view name);

}  // namespace mpyd::server::cli
