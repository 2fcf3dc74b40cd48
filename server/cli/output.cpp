#include "server/cli/output.hpp"

#include <unistd.h>
#include <algorithm>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <iostream>

#include "server/util/text.hpp"

namespace mpyd::server::cli {
namespace {

// Text from files and servers must not steer the terminal.
std::string printable(std::string_view text) { return harmless_text(text, "\n\t"); }

}  // namespace

void Output::result(const boost::json::object& json, std::string_view text) const {
  if (json_) {
    std::cout << harmless_json(boost::json::serialize(json)) << '\n';
  } else {
    std::cout << printable(text);
    if (!text.empty() && text.back() != '\n') std::cout << '\n';
  }
  std::cout.flush();
}

Outcome<void> Output::finish() const {
  if (std::cout.flush()) return {};
  return failure(Errc::io, "cannot write the result to standard output",
                 "what was to be done is done, but not all of what it tells arrived: look where "
                 "standard output goes, for space and for who reads it");
}

void Output::say(std::string_view line) const {
  if (!is_quiet_) std::cerr << printable(line) << '\n';
}

void Output::report(const Failure& failed) const {
  const std::string hint = failed.hint.empty() ? default_hint(failed.error.code) : failed.hint;
  // One line each: a server's detail must not look like a line of ours.
  std::cerr << "error: " << harmless_text(failed.error.message) << '\n';
  if (!hint.empty()) std::cerr << "hint: " << harmless_text(hint) << '\n';
  if (!json_) return;
  boost::json::object error{{"code", std::string(name(failed.error.code))},
                            {"message", failed.error.message}};
  if (!hint.empty()) error["hint"] = hint;
  result({{"error", error}}, {});
}

Outcome<void> Output::confirm(std::string_view question, bool already_yes,
                              std::string_view refusal) const {
  if (already_yes) return {};
  std::cerr << printable(question) << " [y/N] " << std::flush;
  std::string answer;
  const bool is_answered = static_cast<bool>(std::getline(std::cin, answer));
  if (answer == "y" || answer == "yes") return {};
  if (::isatty(STDIN_FILENO) == 0 && !is_answered) {
    std::cerr << '\n';
    return failure(Errc::invalid_argument, std::string(question) + " Nobody is here to answer",
                   "repeat with --yes if this is what you want");
  }
  return failure(Errc::conflict, std::string(refusal));
}

std::string format_table(std::vector<std::vector<std::string>> rows) {
  // A cell is a server's text, too, and must not look like a row.
  for (auto& row : rows)
    for (std::string& cell : row) cell = harmless_text(cell);
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      out += row[i];
      if (i + 1 < row.size()) out.append(widths[i] - row[i].size() + 2, ' ');
    }
    out += '\n';
  }
  return out;
}

std::string format_list(std::vector<std::vector<std::string>> rows, std::string_view nothing) {
  if (rows.size() > 1) return format_table(std::move(rows));
  return std::string(nothing) + "\n";
}

}  // namespace mpyd::server::cli
