#include "server/http/json_fields.hpp"

#include <boost/json/parse.hpp>

#include "server/util/encoding.hpp"

namespace mpyd::server::http {
namespace {

Unexpected<Error> wrong(std::string_view name, std::string_view expected) {
  return fail(Errc::invalid_argument,
              "the field '" + std::string(name) + "' must be " + std::string(expected));
}

Unexpected<Error> missing(std::string_view name) {
  return fail(Errc::invalid_argument, "the field '" + std::string(name) + "' is missing");
}

Result<std::uint64_t> to_number(const boost::json::value& value, std::string_view name,
                                std::uint64_t max) {
  boost::system::error_code failed;
  const auto number = value.to_number<std::uint64_t>(failed);
  if (failed || value.is_double() || number > max)
    return wrong(name, "a whole number from 0 to " + std::to_string(max));
  return number;
}

std::size_t count_keys(const boost::json::value& value) {
  std::size_t count = 0;
  if (value.is_object()) {
    count = value.get_object().size();
    for (const auto& field : value.get_object()) count += count_keys(field.value());
  } else if (value.is_array()) {
    for (const boost::json::value& item : value.get_array()) count += count_keys(item);
  }
  return count;
}

struct Census {
  std::size_t keys = 0;
  std::size_t values = 0;  // at most one too many for each empty list or object
};

// In valid JSON, outside strings: every colon follows a key; every value is the first of all or of
// its list or object, or follows a comma.
Census take_census(std::string_view json) {
  Census out{.values = 1};
  bool in_string = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    if (json[i] == '"')
      in_string = !in_string;
    else if (json[i] == '\\')
      ++i;
    else if (json[i] == ':' && !in_string)
      ++out.keys;
    else if ((json[i] == ',' || json[i] == '[' || json[i] == '{') && !in_string)
      ++out.values;
  }
  return out;
}

}  // namespace

Result<boost::json::object> parse_json_object(std::string_view body) {
  const Census census = take_census(body);
  if (census.values > kJsonValuesMax)
    return fail(Errc::limit,
                "the body has more JSON values than " + std::to_string(kJsonValuesMax));
  boost::system::error_code failed;
  boost::json::value value = boost::json::parse(body, failed);
  if (failed) return fail(Errc::malformed, "the body is not JSON: " + failed.message());
  if (!value.is_object()) return fail(Errc::malformed, "the body is not a JSON object");
  // Of equal keys the parser keeps the last; who checked the first must not be deceived.
  if (count_keys(value) != census.keys)
    return fail(Errc::malformed, "the body has the same key twice");
  return std::move(value.as_object());
}

const boost::json::value* JsonFields::find(std::string_view name) {
  read_.emplace(name);
  const boost::json::value* value = object_.if_contains(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

Result<std::string> JsonFields::text(std::string_view name) {
  const boost::json::value* value = find(name);
  if (value == nullptr) return missing(name);
  if (!value->is_string()) return wrong(name, "a text");
  return std::string(value->get_string());
}

Result<std::string> JsonFields::text_or(std::string_view name, std::string otherwise) {
  if (find(name) == nullptr) return otherwise;
  return text(name);
}

Result<std::uint64_t> JsonFields::number(std::string_view name, std::uint64_t max) {
  const boost::json::value* value = find(name);
  if (value == nullptr) return missing(name);
  return to_number(*value, name, max);
}

Result<std::optional<std::uint64_t>> JsonFields::optional_number(std::string_view name,
                                                                 std::uint64_t max) {
  const boost::json::value* value = find(name);
  if (value == nullptr) return std::nullopt;
  return to_number(*value, name, max);
}

Result<bool> JsonFields::flag(std::string_view name) {
  const boost::json::value* value = find(name);
  if (value == nullptr) return false;
  if (!value->is_bool()) return wrong(name, "true or false");
  return value->get_bool();
}

Result<ByteVector> JsonFields::base64(std::string_view name) {
  MPYD_TRY_ASSIGN(const std::string encoded, text(name));
  auto bytes = from_base64(encoded);
  if (!bytes) return wrong(name, "base64");
  return bytes;
}

Result<const boost::json::array*> JsonFields::list(std::string_view name) {
  const boost::json::value* value = find(name);
  if (value == nullptr) return missing(name);
  if (!value->is_array()) return wrong(name, "a list");
  return &value->get_array();
}

Result<std::vector<std::string>> JsonFields::texts(std::string_view name) {
  std::vector<std::string> out;
  if (find(name) == nullptr) return out;
  MPYD_TRY_ASSIGN(const boost::json::array* const items, list(name));
  for (const boost::json::value& item : *items) {
    if (!item.is_string()) return wrong(name, "a list of texts");
    out.emplace_back(item.get_string());
  }
  return out;
}

Result<std::vector<ByteVector>> JsonFields::base64_list(std::string_view name) {
  MPYD_TRY_ASSIGN(const auto items, texts(name));
  std::vector<ByteVector> out;
  for (const std::string& item : items) {
    auto bytes = from_base64(item);
    if (!bytes) return wrong(name, "a list of base64 texts");
    out.push_back(*std::move(bytes));
  }
  return out;
}

Result<void> JsonFields::done() const {
  for (const auto& field : object_)
    if (!read_.contains(std::string_view(field.key())))
      return fail(Errc::invalid_argument, "there is no field '" + std::string(field.key()) + "'");
  return {};
}

}  // namespace mpyd::server::http
