// The man page and the reference. Both tell the same table; only the markup differs.
#include "server/cli/manual.hpp"

#include <algorithm>
#include <cctype>

namespace mpyd::server::cli {
namespace {

void for_each_command(const CommandInfo& command, const auto& visit) {
  visit(command);
  for (const CommandInfo& sub : command.commands) for_each_command(sub, visit);
}

std::string upper(std::string text) {
  for (char& c : text)
    if (c == '-') c = '_';
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

std::string named(const OptionInfo& option) {
  std::string out;
  for (const std::string& name : option.names) out += (out.empty() ? "" : ", ") + name;
  if (option.is_argument) return upper(out);
  return option.is_flag() ? out : out + " " + option.type;
}

// What people ask after "what is it": bounds, default, variable.
std::string more(const OptionInfo& option) {
  std::string out;
  const auto add = [&](const std::string& text) { out += (out.empty() ? "" : "; ") + text; };
  if (option.is_required) add("required");
  if (option.is_repeatable && option.what.find("repeat") == std::string::npos)
    add("may be repeated");
  if (!option.choices.empty()) {
    std::string list;
    for (const std::string& choice : option.choices) list += (list.empty() ? "" : ", ") + choice;
    add("one of " + list);
  }
  if (!option.bounds.empty()) add(option.bounds);
  if (!option.fallback.empty()) add("default " + option.fallback);
  if (!option.variable.empty()) add("variable " + option.variable);
  if (option.is_setting) add("may stand in a configuration file");
  return out;
}

std::string usage(const CommandInfo& command) {
  std::string out = command.path;
  if (!command.commands.empty()) out += command.runs ? " [COMMAND]" : " COMMAND";
  if (std::ranges::any_of(command.options, [](const OptionInfo& o) { return !o.is_argument; }))
    out += " [OPTIONS]";
  for (const OptionInfo& option : command.options) {
    if (!option.is_argument) continue;
    const std::string name = upper(option.names.front()) + (option.is_repeatable ? "..." : "");
    out += option.is_required ? " " + name : " [" + name + "]";
  }
  return out;
}

// A dash is a minus to be copied, a backslash stays one, a dot begins no request.
std::string roff(std::string_view text) {
  std::string out;
  bool is_line_start = true;
  for (const char c : text) {
    if (is_line_start && (c == '.' || c == '\'')) out += "\\&";
    if (c == '-')
      out += "\\-";
    else if (c == '\\')
      out += "\\e";
    else
      out += c;
    is_line_start = c == '\n';
  }
  return out;
}

std::string sentence(const std::string& what, const std::string& extra) {
  std::string out = what;
  if (!extra.empty()) out += " (" + extra + ")";
  return out + ".";
}

std::string roff_command(const CommandInfo& command, bool is_program) {
  std::string out;
  if (!is_program) {
    out += ".SS \"" + roff(command.path) + "\"\n" + roff(command.what) + ".\n.PP\n.B " +
           roff(usage(command)) + "\n";
  }
  for (const OptionInfo& option : command.options)
    out +=
        ".TP\n.B " + roff(named(option)) + "\n" + roff(sentence(option.what, more(option))) + "\n";
  if (!is_program && !command.footer.empty())
    out += ".PP\n.EX\n" + roff(command.footer) + "\n.EE\n";
  return out;
}

// Only the words that Markdown would take for markup.
std::string markdown(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|' || c == '<' || c == '*' || c == '_') out += '\\';
    out += c;
  }
  return out;
}

std::string markdown_command(const CommandInfo& command) {
  std::string out = "\n## " + command.path + "\n\n" + markdown(command.what) + ".\n\n```text\n" +
                    usage(command) + "\n```\n";
  if (!command.options.empty()) out += "\n| option | means |\n| --- | --- |\n";
  for (const OptionInfo& option : command.options)
    out += "| `" + named(option) + "` | " + markdown(sentence(option.what, more(option))) + " |\n";
  if (!command.footer.empty()) out += "\n```text\n" + command.footer + "\n```\n";
  return out;
}

}  // namespace

std::string man_page(const CommandInfo& program, const std::string& version) {
  std::string out = ".TH MPYD 1 \"\" \"mpyd " + roff(version) +
                    "\" \"User Commands\"\n"
                    ".SH NAME\nmpyd \\- drivers for MicroPython boards\n"
                    ".SH SYNOPSIS\n.B mpyd\n[OPTIONS] COMMAND ...\n"
                    ".SH DESCRIPTION\n"
                    "One program: the server that keeps the drivers of expansion boards, and the "
                    "commands of those who publish them and run it.\n"
                    "Results go to standard output, talk to standard error.\n"
                    ".SH OPTIONS\n" +
                    roff_command(program, true) + ".SH COMMANDS\n";
  for_each_command(program, [&](const CommandInfo& command) {
    if (&command != &program) out += roff_command(command, false);
  });
  out +=
      ".SH CONFIGURATION\n"
      "A flag wins over its environment variable, that over the configuration file, that over the "
      "default.\n"
      "Keys of a file are the long names of options, without dashes in front.\n"
      ".SH FILES\n"
      ".TP\n.I /etc/mpyd/server.toml\nSettings of mpyd serve, unless \\-\\-config names another "
      "file.\n"
      ".TP\n.I \\(ti/.config/mpyd/client.toml\nProfiles of all other commands.\n"
      ".SH EXIT STATUS\n"
      "0 ok, 1 failed, 2 usage, 3 not authorised, 4 not found, 5 conflict, 6 verification failed, "
      "7 network.\n";
  return out;
}

std::string reference(const CommandInfo& program) {
  std::string out = "# mpyd, the reference\n";
  for_each_command(program, [&](const CommandInfo& command) { out += markdown_command(command); });
  return out;
}

}  // namespace mpyd::server::cli
