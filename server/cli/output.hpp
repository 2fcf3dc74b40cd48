// Where a command's words go: the result to stdout, talk to stderr.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "server/cli/outcome.hpp"
#include "server/util/clock.hpp"

namespace mpyd::server::cli {

class Output {
 public:
  // `is_quiet`: say() says nothing; results, errors and questions stay.
  explicit Output(bool json, bool is_quiet = false) : json_(json), is_quiet_(is_quiet) {}

  // The one result of a command: one line of JSON under --json, otherwise `text`.
  void result(const boost::json::object& json, std::string_view text) const;
  // Talk, for people: to stderr, one line; not under --quiet.
  void say(std::string_view line) const;
  // After the command: whether its result arrived. Errors: io.
  Outcome<void> finish() const;
  // error: ... / hint: ..., to stderr; under --json also one object on stdout.
  void report(const Failure& failed) const;

  // Asks for yes on standard input, a terminal or a pipe. Errors: conflict with `refusal` as its
  // message (any other answer), invalid_argument (nobody is there to ask: the input is at its end).
  Outcome<void> confirm(std::string_view question, bool already_yes,
                        std::string_view refusal = "not confirmed; nothing was changed") const;

 private:
  bool json_;
  bool is_quiet_;
};

// A refusal for confirm().
inline constexpr std::string_view kNotSigned = "not confirmed; nothing was signed";

// Columns aligned by spaces; the first row is the heading. Each cell is one line.
std::string format_table(std::vector<std::vector<std::string>> rows);
// A list that may be empty: then `nothing` stands there instead of a heading without rows.
std::string format_list(std::vector<std::vector<std::string>> rows, std::string_view nothing);

}  // namespace mpyd::server::cli
