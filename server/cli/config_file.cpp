#include "server/cli/config_file.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <toml++/toml.h>
#include <unistd.h>
#include <algorithm>

#include "server/util/file.hpp"

namespace mpyd::server::cli {
namespace {

constexpr std::size_t kConfigBytesMax = std::size_t{64} << 10;
// [profile.NAME.trust.rotate.root] is the deepest there can be.
constexpr unsigned kTableDepthMax = 6;

unsigned first_line(const toml::node& node) { return node.source().begin.line; }

// One scalar. False: a kind that no option has, such as a date.
bool read_scalar(const toml::node& node, ConfigValue::Kind& kind, std::string& text) {
  if (const auto* as_string = node.as_string()) {
    kind = ConfigValue::Kind::text;
    text = as_string->get();
  } else if (const auto* as_integer = node.as_integer()) {
    kind = ConfigValue::Kind::number;
    text = std::to_string(as_integer->get());
  } else if (const auto* as_float = node.as_floating_point()) {
    kind = ConfigValue::Kind::number;
    text = fmt::format("{}", as_float->get());
  } else if (const auto* as_flag = node.as_boolean()) {
    kind = ConfigValue::Kind::flag;
    text = as_flag->get() ? "true" : "false";
  } else {
    return false;
  }
  return true;
}

Outcome<ConfigValue> read_value(std::string_view key, const toml::node& node,
                                const std::string& path) {
  ConfigValue value{.key = std::string(key),
                    .line = first_line(node),
                    .last_line = std::max(first_line(node), unsigned{node.source().end.line})};
  const auto refuse = [&]() {
    return failure(Errc::invalid_argument, path + ":" + std::to_string(value.line) + ": " +
                                               value.key +
                                               " must be a text, a number, true or false, or a "
                                               "list of texts");
  };
  const toml::array* const list = node.as_array();
  if (list == nullptr) {
    value.texts.emplace_back();
    if (!read_scalar(node, value.kind, value.texts.back())) return refuse();
    return value;
  }
  value.is_list = true;
  for (const toml::node& item : *list) {
    ConfigValue::Kind kind{};
    std::string text;
    if (!read_scalar(item, kind, text)) return refuse();
    if (!value.texts.empty() && kind != value.kind) return refuse();
    value.kind = kind;
    value.texts.push_back(std::move(text));
  }
  return value;
}

Outcome<ConfigTable> read_table(std::string_view name, const toml::table& table,
                                const std::string& path, unsigned depth) {
  ConfigTable out{.name = std::string(name), .line = first_line(table)};
  if (depth > kTableDepthMax)
    return failure(Errc::limit, path + ":" + std::to_string(out.line) +
                                    ": too many tables in one "
                                    "another");
  for (const auto& [key, node] : table) {
    if (const toml::table* inner = node.as_table()) {
      MPYD_TRY_ASSIGN(ConfigTable read, read_table(key.str(), *inner, path, depth + 1));
      out.tables.push_back(std::move(read));
    } else {
      MPYD_TRY_ASSIGN(ConfigValue read, read_value(key.str(), node, path));
      out.values.push_back(std::move(read));
    }
  }
  // toml++ sorts by name; people read, and correct, from top to bottom.
  std::ranges::stable_sort(out.values, {}, &ConfigValue::line);
  std::ranges::stable_sort(out.tables, {}, &ConfigTable::line);
  return out;
}

}  // namespace

const ConfigValue* ConfigTable::find(std::string_view key) const {
  const auto found = std::ranges::find(values, key, &ConfigValue::key);
  return found == values.end() ? nullptr : &*found;
}

const ConfigTable* ConfigTable::find_table(std::string_view wanted) const {
  const auto found = std::ranges::find(tables, wanted, &ConfigTable::name);
  return found == tables.end() ? nullptr : &*found;
}

Outcome<ConfigFile> parse_config(std::string_view toml, const std::string& path) {
  try {
    const toml::table parsed = toml::parse(toml);
    MPYD_TRY_ASSIGN(ConfigTable root, read_table({}, parsed, path, 0));
    return ConfigFile{path, std::move(root)};
  } catch (const toml::parse_error& error) {
    return failure(Errc::invalid_argument,
                   path + ":" + std::to_string(error.source().begin.line) + ": " +
                       std::string(error.description()),
                   "texts stand in quotes, as in listen = \"127.0.0.1:8780\"");
  }
}

Outcome<std::optional<std::string>> read_config(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::optional<std::string>();
    return fail(Failure(errno_error("cannot look at", path)));
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return failure(Errc::forbidden, path + " is not used: others may write it",
                   "close it first: chmod go-w " + path);
  if (status.st_uid != 0 && status.st_uid != ::geteuid())
    return failure(Errc::forbidden, path + " is not used: it belongs to another user",
                   "make it yours or root's: chown");
  MPYD_TRY_ASSIGN(const ByteVector bytes, read_file(path, kConfigBytesMax));
  return std::optional(std::string(as_text(bytes)));
}

Outcome<std::optional<ConfigFile>> load_config(const std::string& path) {
  MPYD_TRY_ASSIGN(const auto text, read_config(path));
  if (!text) return std::optional<ConfigFile>();
  MPYD_TRY_ASSIGN(ConfigFile file, parse_config(*text, path));
  return std::optional(std::move(file));
}

std::string toml_quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == '\x7f') {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

}  // namespace mpyd::server::cli
