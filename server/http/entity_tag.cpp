#include "server/http/entity_tag.hpp"

#include <algorithm>

#include "protocol/crypto.hpp"
#include "server/util/encoding.hpp"

namespace mpyd::server::http {

namespace {

std::string half_digest(Bytes data) {
  const Digest digest = crypto::sha256(data);
  return to_hex(digest.bytes().first(Digest::kSize / 2));
}

// "GUARDED-ALL" -> "GUARDED ; a tag of one part stays as it is.
std::string_view guarded_part(std::string_view tag) { return tag.substr(0, tag.find('-')); }

template <class IsNamed>
bool any_item(std::string_view list, const IsNamed& is_named) {
  if (list == "*") return true;
  while (!list.empty()) {
    std::string_view item = list.substr(0, list.find(','));
    list.remove_prefix(std::min(item.size() + 1, list.size()));
    while (item.starts_with(' ')) item.remove_prefix(1);
    while (item.ends_with(' ')) item.remove_suffix(1);
    if (is_named(item)) return true;
  }
  return false;
}

}  // namespace

std::string entity_tag(Bytes representation) { return '"' + half_digest(representation) + '"'; }

std::string entity_tag(const Response& response) {
  if (!response.guarded) return entity_tag(response.body);
  return '"' + half_digest(*response.guarded) + '-' + half_digest(response.body) + '"';
}

bool names_all(std::string_view if_none_match, std::string_view tag) {
  return any_item(if_none_match, [&](std::string_view item) {
    if (item.starts_with("W/")) item.remove_prefix(2);
    return item == tag;
  });
}

bool names_guarded(std::string_view if_match, std::string_view tag) {
  return any_item(if_match,
                  [&](std::string_view item) { return guarded_part(item) == guarded_part(tag); });
}

}  // namespace mpyd::server::http
