#include "server/util/log.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <cstdlib>

#include "server/util/text.hpp"

namespace mpyd::server {
namespace {

using spdlog::level::level_enum;

// spdlog 1.10 knows no fields. Its formatters run on the thread that logs, inside the call.
thread_local std::span<const LogField> fields_of_line;

void append_escaped(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const Character character = first_character(text);
    if (character.is_harmless)
      out += character.bytes;
    else
      for (const char c : character.bytes)
        out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    text.remove_prefix(character.bytes.size());
  }
}

void append_text_value(std::string& out, std::string_view text) {
  const bool is_word = !text.empty() && text.find_first_of(" \"=\\") == std::string_view::npos;
  if (is_word) {
    append_escaped(out, text);
    return;
  }
  std::string quoted;
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  out += '"';
  append_escaped(out, quoted);
  out += '"';
}

// JSON may hold what a terminal obeys, and must be UTF-8.
std::string json_string(std::string_view text) {
  const std::string json =
      boost::json::serialize(boost::json::string_view(text.data(), text.size()));
  std::string out;
  for (std::string_view rest = json; !rest.empty();) {
    const Character character = first_character(rest);
    if (character.is_harmless)
      out += character.bytes;
    else
      out += fmt::format("\\u{:04x}", character.code);
    rest.remove_prefix(character.bytes.size());
  }
  return out;
}

std::string number_text(std::uint64_t value) { return std::to_string(value); }
std::string number_text(double value) { return fmt::format("{:.1f}", value); }

// sd-daemon(3): a line that starts with <N> has syslog's priority N.
std::string_view journal_mark(level_enum level) {
  switch (level) {
    case spdlog::level::trace:
    case spdlog::level::debug:
      return "<7>";
    case spdlog::level::warn:
      return "<4>";
    case spdlog::level::err:
      return "<3>";
    case spdlog::level::critical:
      return "<2>";
    default:
      return "<6>";
  }
}

// systemd says in JOURNAL_STREAM which file is the journal: DEVICE:INODE.
bool is_stderr_the_journal() {
  const char* const said = std::getenv("JOURNAL_STREAM");
  struct stat status {};
  if (said == nullptr || ::fstat(STDERR_FILENO, &status) != 0) return false;
  return said == fmt::format("{}:{}", status.st_dev, status.st_ino);
}

std::string format_time(spdlog::log_clock::time_point time) {
  const auto since = time.time_since_epoch();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(since).count() % 1000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(spdlog::log_clock::to_time_t(time)),
                     ms);
}

class LineFormatter final : public spdlog::formatter {
 public:
  LineFormatter(LogFormat format, bool is_journal) : format_(format), is_journal_(is_journal) {}

  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const std::string time = format_time(message.time);
    LogLine line{.time = time,
                 .level = message.level,
                 .message = {message.payload.data(), message.payload.size()},
                 .fields = fields_of_line};
    std::string text;
    if (is_journal_) {
      // The journal has the time, and learns the level from the mark.
      line.time = {};
      text = journal_mark(message.level);
    }
    text += format_ == LogFormat::json ? format_log_json(line) : format_log_text(line);
    text += '\n';
    out.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<LineFormatter>(format_, is_journal_);
  }

 private:
  LogFormat format_;
  bool is_journal_;
};

std::string_view level_name(level_enum level) {
  const auto text = spdlog::level::to_string_view(level);
  return {text.data(), text.size()};
}

}  // namespace

std::string format_log_text(const LogLine& line) {
  std::string out;
  if (!line.time.empty()) out.append(line.time).append(" ").append(level_name(line.level)) += ' ';
  append_escaped(out, line.message);
  for (const LogField& field : line.fields) {
    out.append(" ").append(field.name) += '=';
    if (const auto* const text = std::get_if<std::string_view>(&field.value))
      append_text_value(out, *text);
    else if (const auto* const whole = std::get_if<std::uint64_t>(&field.value))
      out += number_text(*whole);
    else
      out += number_text(std::get<double>(field.value));
  }
  return out;
}

std::string format_log_json(const LogLine& line) {
  std::string out = "{";
  if (!line.time.empty()) out += "\"time\":" + json_string(line.time) + ",";
  out += "\"level\":" + json_string(level_name(line.level)) +
         ",\"message\":" + json_string(line.message);
  for (const LogField& field : line.fields) {
    out += "," + json_string(field.name) + ":";
    if (const auto* const text = std::get_if<std::string_view>(&field.value))
      out += json_string(*text);
    else if (const auto* const whole = std::get_if<std::uint64_t>(&field.value))
      out += number_text(*whole);
    else
      out += number_text(std::get<double>(field.value));
  }
  return out + "}";
}

void log_to_stderr(LogFormat format, level_enum level) {
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  auto logger = std::make_shared<spdlog::logger>("mpyd", std::move(sink));
  logger->set_formatter(std::make_unique<LineFormatter>(format, is_stderr_the_journal()));
  logger->set_level(level);
  logger->flush_on(spdlog::level::trace);
  spdlog::set_default_logger(std::move(logger));
}

void log_line(level_enum level, std::string_view message, std::span<const LogField> fields) {
  fields_of_line = fields;
  spdlog::log(level, "{}", message);
  fields_of_line = {};
}

}  // namespace mpyd::server
