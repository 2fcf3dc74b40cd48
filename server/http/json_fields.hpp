// Reading a request's JSON object field by field; keys nobody asked for are errors.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "server/util/bytes.hpp"
#include "server/util/error.hpp"

namespace mpyd::server::http {

// As many policy entries as the largest body has room for. Each value takes its parser some dozens
// of bytes, of which the body need have but two.
inline constexpr std::size_t kJsonValuesMax = 131'072;

// Errors: malformed (not JSON, not an object, or a key twice in one object), limit (more than
// kJsonValuesMax values).
Result<boost::json::object> parse_json_object(std::string_view body);

// All errors are invalid_argument and name the field. Null counts as absent.
class JsonFields {
 public:
  // `object` outlives this.
  explicit JsonFields(const boost::json::object& object) : object_(object) {}

  Result<std::string> text(std::string_view name);
  Result<std::string> text_or(std::string_view name, std::string otherwise);
  Result<std::uint64_t> number(std::string_view name, std::uint64_t max);
  Result<std::optional<std::uint64_t>> optional_number(std::string_view name, std::uint64_t max);
  Result<bool> flag(std::string_view name);  // absent: false
  Result<ByteVector> base64(std::string_view name);
  Result<std::vector<std::string>> texts(std::string_view name);  // absent: none
  Result<std::vector<ByteVector>> base64_list(std::string_view name);
  Result<const boost::json::array*> list(std::string_view name);

  // Errors for the first key that nobody read. Last.
  Result<void> done() const;

 private:
  const boost::json::value* find(std::string_view name);

  const boost::json::object& object_;
  std::set<std::string, std::less<>> read_;
};

}  // namespace mpyd::server::http
