// Entity tags (RFC 9110, section 8.8.3). Ours are strong, in quotes, without comma or quote inside.
#pragma once

#include <string>
#include <string_view>

#include "server/http/message.hpp"

namespace mpyd::server::http {

// Of a representation: the first half of its SHA-256.
std::string entity_tag(Bytes representation);
// Of an answer. Where If-Match guards less than all of it, the tag has two parts, "GUARDED-ALL":
// what is told has another tag when anything of it is another, and a change may go by the first
// part alone.
std::string entity_tag(const Response& response);

// Lists of entity tags, or `*`. If-None-Match takes weak ones for what they stand for, If-Match
// takes none (RFC 9110, section 13.1).
bool names_all(std::string_view if_none_match, std::string_view tag);
bool names_guarded(std::string_view if_match, std::string_view tag);

}  // namespace mpyd::server::http
