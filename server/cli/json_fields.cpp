#include "server/cli/json_fields.hpp"

#include <boost/json/serialize.hpp>

#include "server/cli/output.hpp"
#include "server/util/encoding.hpp"
#include "server/util/text.hpp"

namespace mpyd::server::cli {
namespace {

namespace json = boost::json;

Unexpected<Failure> bad_field(std::string_view name) {
  return failure(Errc::malformed,
                 "the server's answer has no usable field '" + std::string(name) + "'",
                 "are client and server of the same version? (mpyd --version)");
}

Outcome<ByteVector> decode(const json::value& value, std::string_view name) {
  if (!value.is_string()) return bad_field(name);
  auto bytes = from_base64(value.get_string());
  if (!bytes) return bad_field(name);
  return *std::move(bytes);
}

// Null if absent or no array.
const json::array* find_list(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value == nullptr ? nullptr : value->if_array();
}

}  // namespace

bool is_absent(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value == nullptr || value->is_null();
}

Outcome<std::string> text_field(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) return bad_field(name);
  return std::string(value->get_string());
}

Outcome<std::uint64_t> number_field(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr) return bad_field(name);
  boost::system::error_code ec;
  const auto number = value->to_number<std::uint64_t>(ec);
  if (ec) return bad_field(name);
  return number;
}

Outcome<ByteVector> base64_field(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr) return bad_field(name);
  return decode(*value, name);
}

Outcome<std::vector<ByteVector>> base64_list(const json::object& object, std::string_view name) {
  std::vector<ByteVector> out;
  if (is_absent(object, name)) return out;
  const json::array* list = find_list(object, name);
  if (list == nullptr) return bad_field(name);
  for (const json::value& item : *list) {
    MPYD_TRY_ASSIGN(ByteVector bytes, decode(item, name));
    out.push_back(std::move(bytes));
  }
  return out;
}

Outcome<std::vector<json::object>> object_list(const json::object& object, std::string_view name) {
  std::vector<json::object> out;
  if (is_absent(object, name)) return out;
  const json::array* list = find_list(object, name);
  if (list == nullptr) return bad_field(name);
  for (const json::value& item : *list) {
    if (!item.is_object()) return bad_field(name);
    out.push_back(item.get_object());
  }
  return out;
}

Outcome<std::vector<std::string>> text_list(const json::object& object, std::string_view name) {
  std::vector<std::string> out;
  if (is_absent(object, name)) return out;
  const json::array* list = find_list(object, name);
  if (list == nullptr) return bad_field(name);
  for (const json::value& item : *list) {
    if (!item.is_string()) return bad_field(name);
    out.emplace_back(item.get_string());
  }
  return out;
}

std::string shown(const json::object& object, std::string_view name) {
  if (is_absent(object, name)) return "-";
  const json::value& value = object.at(name);
  return harmless_text(value.is_string() ? std::string(value.get_string())
                                         : json::serialize(value));
}

std::string joined_texts(const json::object& object, std::string_view name) {
  std::string out;
  if (const auto texts = text_list(object, name))
    for (const std::string& text : *texts) out += (out.empty() ? "" : ",") + harmless_text(text);
  return out;
}

std::string shown_time(const json::object& object, std::string_view name) {
  const auto seconds = number_field(object, name);
  return seconds ? format_time(*seconds) : "-";
}

}  // namespace mpyd::server::cli
