#include "server/http/router.hpp"

namespace mpyd::server::http {

bool matches(std::string_view pattern, const std::vector<std::string>& segments,
             std::vector<std::string>& params) {
  params.clear();
  std::size_t at = 0;
  while (!pattern.empty()) {
    pattern.remove_prefix(1);  // the slash
    const std::string_view part = pattern.substr(0, pattern.find('/'));
    pattern.remove_prefix(part.size());
    if (at == segments.size()) return false;
    const std::string& segment = segments[at++];
    if (part.starts_with('{'))
      params.push_back(segment);
    else if (part != segment)
      return false;
  }
  return at == segments.size();
}

}  // namespace mpyd::server::http
