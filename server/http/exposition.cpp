#include "server/http/exposition.hpp"

#include <fmt/format.h>

namespace mpyd::server::http {

void Exposition::family(std::string_view name, std::string_view type, std::string_view help) {
  name_ = name;
  text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

void Exposition::start(std::string_view suffix, std::string_view labels) {
  text_.append(name_).append(suffix);
  if (!labels.empty()) text_.append("{").append(labels) += '}';
  text_ += ' ';
}

void Exposition::sample(std::string_view labels, std::uint64_t value) { sample({}, labels, value); }

void Exposition::sample(std::string_view suffix, std::string_view labels, std::uint64_t value) {
  start(suffix, labels);
  text_.append(std::to_string(value)) += '\n';
}

void Exposition::sample_seconds(std::string_view suffix, std::string_view labels, double seconds) {
  start(suffix, labels);
  text_.append(fmt::format("{:.6f}", seconds)) += '\n';
}

std::string label(std::string_view name, std::string_view value) {
  std::string out(name);
  out += "=\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out += '"';
}

}  // namespace mpyd::server::http
