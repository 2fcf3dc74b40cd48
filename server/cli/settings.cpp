#include "server/cli/settings.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "server/cli/nearest.hpp"
#include "server/cli/usage.hpp"

namespace mpyd::server::cli {
namespace {

namespace json = boost::json;
using Kind = ConfigValue::Kind;
// By name; of the same name in several commands the first.
using Options = std::map<std::string, CLI::Option*>;

bool is_setting(const CLI::Option& option) {
  return option.get_configurable() && !option.get_positional() && !option.get_lnames().empty();
}

std::vector<CLI::Option*> settings_of(CLI::App& app) {
  return app.get_options([](CLI::Option* option) { return is_setting(*option); });
}

std::vector<CLI::App*> commands_of(CLI::App& app) {
  return app.get_subcommands([](CLI::App*) { return true; });
}

const std::string& name_of(const CLI::Option& option) { return option.get_lnames().front(); }

Kind kind_of(const CLI::Option& option) {
  if (option.get_items_expected_max() == 0) return Kind::flag;
  const std::string type = option.get_type_name();
  const auto is = [&](std::string_view name) { return type.starts_with(name); };
  return is("UINT") || is("INT") || is("FLOAT") ? Kind::number : Kind::text;
}

bool is_list(const CLI::Option& option) { return option.get_items_expected_max() > 1; }

bool is_path(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  return type.starts_with("FILE") || type.starts_with("DIR");
}

const char* environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr || *value == '\0' ? nullptr : value;
}

// A path in a file is meant from where the file lies, or from home.
std::string absolute_path(const std::string& text, const std::string& config_path) {
  const char* const home = environment("HOME");
  if (text.starts_with("~/") && home != nullptr) return home + text.substr(1);
  const std::filesystem::path path(text);
  if (text.empty() || path.is_absolute()) return text;
  return (std::filesystem::path(config_path).parent_path() / path).string();
}

// CLI11 says "--listen: why"; whoever wrote a file or a variable has given no --listen.
std::string reason_of(const CLI::ParseError& error, const CLI::Option& option) {
  const std::string text = error.what();
  const std::string start = "--" + name_of(option) + ": ";
  return text.starts_with(start) ? text.substr(start.size()) : text;
}

Outcome<void> give(CLI::Option& option, const std::vector<std::string>& texts,
                   const std::string& origin) {
  try {
    for (const std::string& text : texts) option.add_result(text);
    option.run_callback();
  } catch (const CLI::ParseError& error) {
    return failure(Errc::invalid_argument,
                   origin + ": " + name_of(option) + ": " + reason_of(error, option));
  }
  return {};
}

std::vector<std::string> default_of(const CLI::Option& option) {
  if (!option.get_default_str().empty()) return {option.get_default_str()};
  if (kind_of(option) == Kind::flag) return {"false"};
  return {};
}

// The server that the token of a profile is for.
std::string server_of(const FileLayer& layer, const CLI::Option& server) {
  const ConfigValue* const named = layer.find("server");
  return named == nullptr ? server.get_default_str() : named->texts.front();
}

// Settles the options of one command, in the order they are declared: the server before its token.
class Settler {
 public:
  Settler(const FileLayer& layer, Settled& out) : layer_(layer), out_(out) {}

  // `is_given`: by a flag, of this command or of one above it.
  Outcome<void> settle(CLI::Option& option, bool is_given) {
    Setting setting{.name = name_of(option), .kind = kind_of(option), .is_list = is_list(option)};
    if (is_given) {
      setting.texts = option.results();
      setting.origin = kFromFlag;
    } else {
      MPYD_TRY(from_elsewhere(option, setting));
    }
    if (setting.name == "server") server_ = &option;
    out_.settings.push_back(std::move(setting));
    return {};
  }

 private:
  Outcome<void> from_elsewhere(CLI::Option& option, Setting& setting) {
    const std::string variable = option.get_envname();
    const ConfigValue* const value = layer_.find(setting.name);
    if (const char* const text = variable.empty() ? nullptr : environment(variable.c_str())) {
      setting.texts = {text};
      setting.origin = variable;
    } else if (setting.name == "token-file" && environment("MPYD_TOKEN") != nullptr) {
      setting.origin = "not set, since MPYD_TOKEN is";
      return {};
    } else if (value != nullptr && may_use(*value)) {
      setting.texts = value->texts;
      setting.origin = layer_.file->at(value->line);
      if (is_path(option))
        for (std::string& path : setting.texts) path = absolute_path(path, layer_.file->path);
    } else {
      setting.texts = default_of(option);
      setting.origin = setting.texts.empty() ? "not set" : "default";
      return {};
    }
    return give(option, setting.texts, setting.origin);
  }

  bool may_use(const ConfigValue& value) {
    if (value.key != "token-file" || server_ == nullptr) return true;
    const std::string meant = server_of(layer_, *server_);
    if (server_->count() == 0 || server_->results().front() == meant) return true;
    out_.notes.push_back("the token of " + layer_.file->at(value.line) + " is for " + meant +
                         " only, and not sent to " + server_->results().front());
    return false;
  }

  const FileLayer& layer_;
  Settled& out_;
  CLI::Option* server_ = nullptr;
};

bool is_server_command(const CLI::App& app) { return app.get_name() == "serve"; }

// Of a command and all below it, without the server's.
void collect(CLI::App& app, Options& out) {
  if (is_server_command(app)) return;
  for (CLI::Option* option : settings_of(app)) out.emplace(name_of(*option), option);
  for (CLI::App* sub : commands_of(app)) collect(*sub, out);
}

std::vector<std::string> names_of(const Options& options) {
  std::vector<std::string> names;
  for (const auto& [name, option] : options) names.push_back(name);
  return names;
}

Unexpected<Failure> unknown(const ConfigFile& file, unsigned line, std::string_view what,
                            const std::string& name, const std::vector<std::string>& known) {
  const std::string nearest = nearest_name(name, known);
  return failure(Errc::invalid_argument,
                 file.at(line) + ": there is no " + std::string(what) + " '" + name + "'" +
                     (nearest.empty() ? "" : "; the nearest is '" + nearest + "'"),
                 "mpyd reference lists them all");
}

std::string_view kind_text(Kind kind) {
  switch (kind) {
    case Kind::text:
      return "a text in quotes";
    case Kind::number:
      return "a number";
    case Kind::flag:
      break;
  }
  return "true or false";
}

// Names under which people would put what has no place in a file that is shown and copied.
bool is_secret_name(std::string_view name) {
  return name == "token" || name == "password" || name == "passphrase" || name == "secret";
}

Outcome<void> check_value(const ConfigFile& file, const ConfigValue& value,
                          const Options& options) {
  if (is_secret_name(value.key) && !options.contains(value.key))
    return failure(Errc::invalid_argument,
                   file.at(value.line) + ": a secret has no place here: " + value.key,
                   "put it into a file of mode 0600 of its own, as mpyd login does, and name that: "
                   "token-file = \"FILE\"");
  const auto found = options.find(value.key);
  if (found == options.end()) return unknown(file, value.line, "key", value.key, names_of(options));
  const Kind kind = kind_of(*found->second);
  if (value.kind == kind && (!value.is_list || is_list(*found->second))) return {};
  if (value.is_list && value.texts.empty() && is_list(*found->second)) return {};
  return failure(Errc::invalid_argument,
                 file.at(value.line) + ": " + value.key + " must be " +
                     std::string(kind_text(kind)) +
                     (is_list(*found->second) ? ", or a list of these" : ""));
}

// A table of a profile: keys of the commands below `app`, and a table for each of these commands.
Outcome<void> check_command_table(const ConfigFile& file, const ConfigTable& table, CLI::App& app) {
  Options options;
  collect(app, options);
  for (const ConfigValue& value : table.values) MPYD_TRY(check_value(file, value, options));
  std::vector<std::string> commands;
  for (CLI::App* sub : commands_of(app)) {
    Options below;
    collect(*sub, below);
    if (!below.empty()) commands.push_back(sub->get_name());
  }
  for (const ConfigTable& inner : table.tables) {
    if (std::ranges::find(commands, inner.name) == commands.end())
      return unknown(file, inner.line, "command with settings", inner.name, commands);
    MPYD_TRY(check_command_table(file, inner, *app.get_subcommand(inner.name)));
  }
  return {};
}

// As the command would have it: a path from where the file lies, one of a list as a list.
Setting setting_of_table(const ConfigFile& file, const ConfigValue& value, const Options& options) {
  Setting out{value.key, value.kind, value.is_list, value.texts, file.at(value.line)};
  const auto found = options.find(value.key);
  if (found == options.end()) return out;
  out.is_list = is_list(*found->second);
  if (is_path(*found->second))
    for (std::string& path : out.texts) path = absolute_path(path, file.path);
  return out;
}

void list_tables(const ConfigFile& file, const ConfigTable& table, CLI::App& app,
                 const std::string& prefix, std::vector<Setting>& out) {
  for (const ConfigTable& inner : table.tables) {
    CLI::App& sub = *app.get_subcommand(inner.name);  // the file was checked
    Options options;
    collect(sub, options);
    const std::string command = prefix + inner.name + " ";
    for (const ConfigValue& value : inner.values) {
      out.push_back(setting_of_table(file, value, options));
      out.back().name.insert(0, command);
    }
    list_tables(file, inner, sub, command, out);
  }
}

std::string toml_value(const Setting& setting) {
  std::string out;
  for (const std::string& text : setting.texts)
    out += (out.empty() ? "" : ", ") + (setting.kind == Kind::text ? toml_quoted(text) : text);
  return setting.is_list ? "[" + out + "]" : out;
}

json::value json_value(const Setting& setting, const std::string& text) {
  if (setting.kind == Kind::flag) return text == "true" || text == "1";
  if (setting.kind == Kind::number) {
    boost::system::error_code ec;
    json::value number = json::parse(text, ec);
    if (!ec) return number;
  }
  return json::value(text);
}

}  // namespace

SettingsHeldBack::SettingsHeldBack(CLI::App& app) { hold(app); }

void SettingsHeldBack::hold(CLI::App& app) {
  for (CLI::Option* option : settings_of(app)) {
    held_.push_back({option, option->get_envname(), option->get_required()});
    option->envname({})->required(false);
  }
  for (CLI::App* sub : commands_of(app)) hold(*sub);
}

void SettingsHeldBack::give_back() {
  for (const Held& held : held_) held.option->envname(held.envname)->required(held.is_required);
  held_.clear();
}

const ConfigValue* FileLayer::find(std::string_view key) const {
  for (const ConfigTable* table : tables)
    if (const ConfigValue* value = table->find(key)) return value;
  return nullptr;
}

std::vector<CLI::App*> parsed_chain(CLI::App& root) {
  std::vector<CLI::App*> chain = {&root};
  while (!chain.back()->get_subcommands().empty())
    chain.push_back(chain.back()->get_subcommands().front());
  return chain;
}

bool takes_settings(CLI::App& command) { return !settings_of(command).empty(); }

Outcome<Settled> settle(CLI::App& root, const FileLayer& layer) {
  const std::vector<CLI::App*> chain = parsed_chain(root);
  Settled out;
  Settler settler(layer, out);
  for (CLI::Option* option : settings_of(*chain.back())) {
    // `mpyd audit --server URL verify` gives the same setting to a command above.
    CLI::Option* given = option;
    for (CLI::App* app : chain)
      if (CLI::Option* const above = app->get_option_no_throw("--" + name_of(*option));
          above != nullptr && above->count() > 0)
        given = above;
    MPYD_TRY(settler.settle(*given, given->count() > 0));
  }
  return out;
}

Outcome<void> check_required_settings(CLI::App& root) {
  std::string path;
  for (CLI::App* app : parsed_chain(root)) {
    path += (path.empty() ? "" : " ") + app->get_name();
    for (const CLI::Option* option : settings_of(*app))
      if (option->get_required() && option->count() == 0)
        return Unexpected<Failure>(
            parse_failure(path, CLI::RequiredError(option->get_name()).what()));
  }
  return {};
}

Outcome<Settled> settle_all(CLI::App& root, const FileLayer& layer) {
  Options options;
  collect(root, options);
  Settled out;
  Settler settler(layer, out);
  // By name, `server` comes before `token-file`. They belong to commands that do not run.
  for (const auto& [name, option] : options) MPYD_TRY(settler.settle(*option, false));
  for (const ConfigTable* table : layer.tables)
    list_tables(*layer.file, *table, root, {}, out.settings);
  return out;
}

Outcome<void> check_server_config(CLI::App& serve, const ConfigFile& file) {
  Options options;
  for (CLI::Option* option : settings_of(serve)) options.emplace(name_of(*option), option);
  for (const ConfigValue& value : file.root.values) MPYD_TRY(check_value(file, value, options));
  if (file.root.tables.empty()) return {};
  const ConfigTable& table = file.root.tables.front();
  return unknown(file, table.line, "table, only keys, and none is called", table.name,
                 names_of(options));
}

Outcome<void> check_client_config(CLI::App& root, const ConfigFile& file) {
  for (const ConfigValue& value : file.root.values) {
    if (value.key != "default")
      return unknown(file, value.line, "key outside of a [profile.NAME]", value.key,
                     {"default", "profile"});
    if (value.kind != Kind::text || value.is_list)
      return failure(Errc::invalid_argument,
                     file.at(value.line) + ": default must be the name of a profile, in quotes");
  }
  for (const ConfigTable& table : file.root.tables) {
    if (table.name != "profile") return unknown(file, table.line, "table", table.name, {"profile"});
    for (const ConfigValue& value : table.values)
      return failure(Errc::invalid_argument,
                     file.at(value.line) + ": " + value.key + " stands in no profile",
                     "profiles are tables with a name: [profile.NAME]");
    for (const ConfigTable& profile : table.tables)
      MPYD_TRY(check_command_table(file, profile, root));
  }
  return {};
}

FileLayer profile_layer(const ConfigFile& file, std::string_view profile,
                        const std::vector<CLI::App*>& chain) {
  FileLayer layer{.file = &file};
  const ConfigTable* table = file.root.find_table("profile");
  if (table != nullptr) table = table->find_table(profile);
  // The chain begins with the program, whose table is the profile itself.
  for (std::size_t i = 0; table != nullptr; table = table->find_table(chain[i]->get_name())) {
    layer.tables.insert(layer.tables.begin(), table);
    if (++i == chain.size()) break;
  }
  return layer;
}

std::string settings_text(const std::vector<Setting>& settings) {
  std::vector<std::string> lines;
  std::size_t width = 0;
  for (const Setting& setting : settings) {
    const bool is_set = !setting.texts.empty();
    lines.push_back(is_set ? setting.name + " = " + toml_value(setting) : "# " + setting.name);
    width = std::max(width, lines.back().size());
  }
  std::string out;
  for (std::size_t i = 0; i < lines.size(); ++i)
    out +=
        lines[i] + std::string(width - lines[i].size() + 2, ' ') + "# " + settings[i].origin + "\n";
  return out;
}

json::array settings_json(const std::vector<Setting>& settings) {
  json::array out;
  for (const Setting& setting : settings) {
    json::value value;  // null: not set
    if (setting.is_list && !setting.texts.empty()) {
      json::array& list = value.emplace_array();
      for (const std::string& text : setting.texts) list.push_back(json_value(setting, text));
    } else if (!setting.texts.empty()) {
      value = json_value(setting, setting.texts.front());
    }
    out.push_back(json::object{
        {"name", setting.name}, {"value", std::move(value)}, {"origin", setting.origin}});
  }
  return out;
}

}  // namespace mpyd::server::cli
