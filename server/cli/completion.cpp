// Completions: each script is a table of the commands' words and options, and one function that
// reads it. What is not in the table is a file.
#include <fmt/format.h>

#include "server/cli/manual.hpp"

namespace mpyd::server::cli {
namespace {

void for_each_command(const CommandInfo& command, const auto& visit) {
  visit(command);
  for (const CommandInfo& sub : command.commands) for_each_command(sub, visit);
}

std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'')
      out += "'\\''";
    else
      out += c;
  }
  return out + "'";
}

std::string joined(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, " "));
}

// Options of the program itself may stand behind any command.
std::vector<OptionInfo> options_of(const CommandInfo& program, const CommandInfo& command) {
  std::vector<OptionInfo> out = command.options;
  if (&program != &command)
    for (const OptionInfo& option : program.options)
      if (option.names.front() != "--version") out.push_back(option);
  out.push_back({.names = {"--help"}, .what = "Show help"});
  return out;
}

// A KEY may be written out, but mostly is FILE.pub.
bool takes_file(const OptionInfo& option) { return option.type == "FILE" || option.type == "KEY"; }

std::string option_names(const std::vector<OptionInfo>& options) {
  std::string out;
  for (const OptionInfo& option : options)
    if (!option.is_argument) out += (out.empty() ? "" : " ") + joined(option.names);
  return out;
}

// Patterns of a shell's `case` for the options that take a value: FILE, DIR, one of a list, any.
struct ValuePatterns {
  std::string choices;  // a line for each
  std::string folders;
  std::string files;
  std::string others;
};

ValuePatterns patterns_of(const CommandInfo& program) {
  ValuePatterns out;
  const auto add = [](std::string& patterns, const std::string& pattern) {
    patterns += (patterns.empty() ? "" : "|") + quoted(pattern);
  };
  for_each_command(program, [&](const CommandInfo& command) {
    for (const OptionInfo& option : command.options) {
      if (option.is_argument && !option.choices.empty())
        out.choices += fmt::format("    {}) words={};;\n", quoted(command.path + " "),
                                   quoted(joined(option.choices)));
      if (option.is_argument || option.is_flag()) continue;
      for (const std::string& name : option.names) {
        const std::string pattern = command.path + " " + name;
        if (!option.choices.empty())
          out.choices +=
              fmt::format("    {}) words={};;\n", quoted(pattern), quoted(joined(option.choices)));
        else if (option.type == "DIR")
          add(out.folders, pattern);
        else if (takes_file(option))
          add(out.files, pattern);
        else
          add(out.others, pattern);
      }
    }
  });
  return out;
}

std::string bash_script(const CommandInfo& program) {
  std::string commands;
  std::string options;
  for_each_command(program, [&](const CommandInfo& command) {
    std::string words;
    for (const CommandInfo& sub : command.commands) words += (words.empty() ? "" : " ") + sub.name;
    if (!words.empty())
      commands += fmt::format("    {}) words={};;\n", quoted(command.path), quoted(words));
    options += fmt::format("    {}) words={};;\n", quoted(command.path),
                           quoted(option_names(options_of(program, command))));
  });
  const ValuePatterns values = patterns_of(program);
  std::string kinds;
  if (!values.folders.empty()) kinds += "    " + values.folders + ") kind=folder;;\n";
  if (!values.files.empty()) kinds += "    " + values.files + ") kind=file;;\n";
  if (!values.others.empty()) kinds += "    " + values.others + ") kind=none;;\n";
  return "# bash completion for mpyd, made by: mpyd completion bash\n"
         "_mpyd_commands() {\n  words=\n  case $1 in\n" +
         commands +
         "  esac\n}\n"
         "_mpyd_options() {\n  words=\n  case $1 in\n" +
         options +
         "  esac\n}\n"
         "# $1: command and option, or command and a blank for its argument.\n"
         "_mpyd_values() {\n  words= kind=\n  case $1 in\n" +
         values.choices + kinds +
         "  esac\n}\n"
         R"(_mpyd() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
  local command=mpyd word words kind i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    _mpyd_commands "$command"
    [[ $word != -* && " $words " == *" $word "* ]] && command="$command $word"
  done
  # bash splits --option=value into three words.
  if [[ $current == = ]]; then
    current=
  elif [[ $previous == = ]]; then
    previous=${COMP_WORDS[COMP_CWORD-2]}
  fi
  if [[ $previous == --* ]]; then
    _mpyd_values "$command $previous"
    [[ -n $words$kind ]] || _mpyd_values "mpyd $previous"
    if [[ -n $words ]]; then
      mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
      return
    elif [[ $kind == folder ]]; then
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -d -- "$current")
      return
    elif [[ $kind == file ]]; then
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
    elif [[ $kind == none ]]; then
      compopt +o default 2>/dev/null
      return
    fi
  fi
  if [[ $current == -* ]]; then
    _mpyd_options "$command"
  else
    _mpyd_values "$command "
    [[ -n $words ]] || _mpyd_commands "$command"
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -o default -F _mpyd mpyd
)";
}

// What stands behind a colon or in brackets has a meaning in zsh's specifications.
std::string zsh_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string zsh_action(const OptionInfo& option) {
  if (!option.choices.empty()) return "(" + joined(option.choices) + ")";
  if (option.type == "DIR") return "_files -/";
  return takes_file(option) ? "_files" : " ";
}

std::string function_name(const CommandInfo& command) {
  std::string out = "_" + command.path;
  for (char& c : out)
    if (c == ' ' || c == '-') c = '_';
  return out;
}

std::string zsh_specs(const CommandInfo& program, const CommandInfo& command) {
  std::string out;
  for (const OptionInfo& option : options_of(program, command)) {
    if (option.is_argument) {
      out += " \\\n    " + quoted((option.is_repeatable ? "*:" : ":") +
                                  zsh_text(option.names.front()) + ":" + zsh_action(option));
      continue;
    }
    for (const std::string& name : option.names) {
      std::string spec =
          (option.is_repeatable ? "*" : "") + name + "[" + zsh_text(option.what) + "]";
      if (!option.is_flag()) spec += ":" + zsh_text(option.type) + ":" + zsh_action(option);
      out += " \\\n    " + quoted(spec);
    }
  }
  return out;
}

std::string zsh_script(const CommandInfo& program) {
  std::string out = "#compdef mpyd\n# zsh completion for mpyd, made by: mpyd completion zsh\n";
  for_each_command(program, [&](const CommandInfo& command) {
    out += fmt::format("{}() {{\n", function_name(command));
    if (command.commands.empty()) {
      out += "  _arguments -s" + zsh_specs(program, command) + "\n}\n";
      return;
    }
    out += "  local line state\n  _arguments -C" + zsh_specs(program, command) +
           " \\\n    '1:command:->command' '*::argument:->argument'\n"
           "  case $state in\n  command)\n    local -a commands=(";
    for (const CommandInfo& sub : command.commands)
      out += "\n      " + quoted(sub.name + ":" + sub.what);
    out += ")\n    _describe command commands;;\n  argument)\n    case $line[1] in\n";
    for (const CommandInfo& sub : command.commands)
      out += fmt::format("    {}) {};;\n", sub.name, function_name(sub));
    out += "    esac;;\n  esac\n}\n";
  });
  return out + "if [[ $funcstack[1] == _mpyd ]]; then _mpyd \"$@\"; else compdef _mpyd mpyd; fi\n";
}

std::string fish_script(const CommandInfo& program) {
  std::string out = R"(# fish completion for mpyd, made by: mpyd completion fish
# Whether the words so far that are commands are exactly these.
function __mpyd_at
    set -l command mpyd
    for word in (commandline -opc)[2..-1]
        contains -- "$command $word" $__mpyd_commands; and set command "$command $word"
    end
    test "$command" = "$argv"
end
set -g __mpyd_commands
)";
  for_each_command(program, [&](const CommandInfo& command) {
    if (&command != &program) out += "set -a __mpyd_commands " + quoted(command.path) + "\n";
  });
  for_each_command(program, [&](const CommandInfo& command) {
    const std::string when = "complete -c mpyd -n " + quoted("__mpyd_at " + command.path) + " ";
    for (const CommandInfo& sub : command.commands)
      out += when + "-f -a " + sub.name + " -d " + quoted(sub.what) + "\n";
    for (const OptionInfo& option : options_of(program, command)) {
      std::string values;
      if (!option.choices.empty())
        values = " -x -a " + quoted(joined(option.choices));
      else if (option.type == "DIR")
        values = " -x -a '(__fish_complete_directories)'";
      else if (!option.is_flag())
        values = takes_file(option) ? " -r" : " -x";
      if (option.is_argument) {
        if (!option.choices.empty()) out += when + values.substr(1) + "\n";
        continue;
      }
      for (const std::string& name : option.names)
        out += when + (name.starts_with("--") ? "-l " + name.substr(2) : "-s " + name.substr(1)) +
               values + " -d " + quoted(option.what) + "\n";
    }
  });
  return out;
}

}  // namespace

Outcome<std::string> completion_script(const CommandInfo& program, const std::string& shell) {
  if (shell == "bash") return bash_script(program);
  if (shell == "zsh") return zsh_script(program);
  if (shell == "fish") return fish_script(program);
  return failure(Errc::invalid_argument, "no completions for the shell '" + shell + "'",
                 "there are bash, zsh and fish");
}

}  // namespace mpyd::server::cli
