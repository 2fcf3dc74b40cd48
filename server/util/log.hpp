// The daemon's log: lines on stderr, as text for people or as JSON for programs. spdlog writes
// them; a line may carry fields beside its sentence. No token, key, body or query of a request is
// ever put into either.
#pragma once

#include <spdlog/common.h>
#include <span>
#include <string_view>
#include <variant>

namespace mpyd::server {

enum class LogFormat : std::uint8_t {
  text,  // TIME LEVEL SENTENCE name=value ...; under journald its own level mark, and no time
  json,  // one object a line: time, level, message, and the fields
};

struct LogField {
  std::string_view name;  // of ours: a word
  std::variant<std::string_view, std::uint64_t, double> value;
};

// From now on all lines go to stderr. `level`: nothing below it. Control characters of a line are
// escaped, so that nobody's text starts a new one.
void log_to_stderr(LogFormat format, spdlog::level::level_enum level);

// One line with fields. Threads: any.
void log_line(spdlog::level::level_enum level, std::string_view message,
              std::span<const LogField> fields);

// The line itself, without the line's end. Seams for tests: everything but the clock.
struct LogLine {
  std::string_view time;
  spdlog::level::level_enum level = spdlog::level::info;
  std::string_view message;
  std::span<const LogField> fields;
};
std::string format_log_text(const LogLine& line);
std::string format_log_json(const LogLine& line);

}  // namespace mpyd::server
