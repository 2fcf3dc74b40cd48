// mpyd diff: what differs between two releases, two .mpkg or two .mpy. What is sealed stays sealed:
// of an encrypted package its manifest, its sizes and its digest are compared, never its content.
#include <algorithm>
#include <boost/json/array.hpp>
#include <filesystem>
#include <map>

#include "protocol/package/key_block.hpp"
#include "server/cli/commands.hpp"
#include "server/cli/json_fields.hpp"
#include "server/cli/mpy_text.hpp"
#include "server/cli/package_text.hpp"
#include "server/cli/published.hpp"
#include "server/util/file.hpp"

namespace mpyd::server::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kFileBytesMax = kPackagesPerFileMax * (kPackageBytesMax + kKeyBlockBytesMax);

// One side of the comparison: fields of the whole, and fields by ABI. A .mpy has only the former.
struct Side {
  bool is_mpy = false;
  json::object fields;
  std::map<std::string, json::object> variants;
  bool has_sealed = false;
};

// Fields of a package that all packages of one release share.
constexpr std::string_view kShared[] = {"driver_name", "version",      "release",
                                        "hardware_id", "revision_min", "revision_max"};

// What a .mpy is, without what is said of it anyway.
json::object content_fields(const mpy::Facts& facts, Bytes mpy) {
  json::object out = mpy_json(facts, mpy);
  for (const std::string_view name : {"kind", "abi", "bytes"}) out.erase(name);
  return out;
}

// Content in clear needs no key.
Outcome<json::object> public_content(const PackageView& view) {
  MPYD_TRY_ASSIGN(const OpenedPackage opened,
                  open_package(view.package, view.key_block, ExchangeKeyPair{}));
  const auto facts = mpy::inspect(opened.plain.span());
  if (!facts) return fail(Failure(mpy_error(facts.error())));
  return content_fields(*facts, opened.plain.span());
}

Outcome<void> add_package(const PackageView& view, const CheckedPackage& checked, Side& side) {
  json::object fields = package_json(checked, view.key_block);
  const std::string abi = shown(fields, "abi");
  fields.erase("abi");
  for (const std::string_view name : kShared) {
    side.fields[name] = fields.at(name);
    fields.erase(name);
  }
  if (checked.head.manifest.encryption == Encryption::none) {
    MPYD_TRY_ASSIGN(const json::object content, public_content(view));
    for (const auto& field : content) fields[field.key()] = field.value();
  } else {
    side.has_sealed = true;
  }
  side.variants[abi] = std::move(fields);
  return {};
}

Outcome<Side> side_of_file(const std::string& path) {
  MPYD_TRY_ASSIGN(const ByteVector file, read_file(path, kFileBytesMax));
  Side side;
  if (as_text(file).starts_with("mpyd\x01")) {
    MPYD_TRY_ASSIGN(const std::vector<PackageView> views, split_mpkg(file));
    for (const PackageView& view : views) {
      MPYD_TRY_ASSIGN(const CheckedPackage checked, check_package(view.package));
      MPYD_TRY(add_package(view, checked, side));
    }
    return side;
  }
  if (!as_text(file).starts_with('M'))
    return failure(Errc::bad_magic, "neither a .mpy nor a .mpkg",
                   "mpyd inspect " + path + " says what it is");
  const auto facts = mpy::inspect(file);
  if (!facts) return fail(Failure(mpy_error(facts.error())));
  side.is_mpy = true;
  side.fields = mpy_json(*facts, file);
  side.fields.erase("kind");
  return side;
}

Outcome<Side> side_of_release(const AdminClient& client, const std::string& text) {
  MPYD_TRY_ASSIGN(const PublishedName name, parse_published_name(text));
  MPYD_TRY_ASSIGN(const PublishedRelease found, find_one_release(client, name));
  MPYD_TRY_ASSIGN(const auto variants, object_list(found.release, "variants"));
  Side side;
  for (const json::object& variant : variants) {
    MPYD_TRY_ASSIGN(const FetchedPackage package,
                    fetch_package(client, PublishedVariant{found.release, variant}));
    MPYD_TRY(add_package(package.view, package.checked, side));
    side.variants[shown(variant, "abi")]["yanked"] = shown(variant, "withdrawn") == "true";
  }
  return side;
}

Outcome<Side> side_of(const std::string& text, const ServerOptions& server) {
  std::error_code ignored;
  if (std::filesystem::exists(text, ignored)) return explain_as(side_of_file(text), text);
  const std::string extension = std::filesystem::path(text).extension();
  if (text.find('/') != std::string::npos || extension == ".mpy" || extension == ".mpkg")
    return failure(Errc::not_found, "there is no file " + text,
                   "give two files, or two releases of the server: NAME@VERSION");
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(server));
  return side_of_release(client, text);
}

struct Difference {
  json::object json;
  std::string text;
};

json::array values_missing(const json::array& from, const json::array& in) {
  json::array out;
  for (const json::value& value : from)
    if (std::find(in.begin(), in.end(), value) == in.end()) out.push_back(value);
  return out;
}

std::string plain(const json::value& value) {
  return shown(json::object{{"value", value}}, "value");
}

// -gone +new, for lists; a -> b for all else.
std::string change_text(const json::value& a, const json::value& b) {
  if (!a.is_array() || !b.is_array()) return plain(a) + " -> " + plain(b);
  std::string out;
  for (const json::value& gone : values_missing(a.get_array(), b.get_array()))
    out += (out.empty() ? "-" : " -") + plain(gone);
  for (const json::value& added : values_missing(b.get_array(), a.get_array()))
    out += (out.empty() ? "+" : " +") + plain(added);
  return out.empty() ? "the same, in another order" : out;
}

// Of fields that both have: what only one side tells is not known of the other.
Difference difference_of(const json::object& a, const json::object& b, const std::string& indent) {
  Difference out;
  for (const auto& field : a) {
    const json::value& value = field.value();
    const json::value* const other = b.if_contains(field.key());
    if (other == nullptr || *other == value) continue;
    out.json[field.key()] = {{"a", value}, {"b", *other}};
    std::string label{std::string_view(field.key())};
    label.resize(std::max<std::size_t>(label.size(), 18), ' ');
    out.text += indent + label + "  " + change_text(value, *other) + "\n";
  }
  return out;
}

Difference compare(const Side& a, const Side& b) {
  Difference whole = difference_of(a.fields, b.fields, "");
  json::object variants;
  json::array only_a;
  json::array only_b;
  std::string text = whole.text;
  for (const auto& [abi, fields] : a.variants) {
    const auto other = b.variants.find(abi);
    if (other == b.variants.end()) {
      only_a.emplace_back(abi);
      text += abi + "  only in A\n";
      continue;
    }
    const Difference one = difference_of(fields, other->second, "  ");
    if (one.json.empty()) continue;
    variants[abi] = one.json;
    text += abi + "\n" + one.text;
  }
  for (const auto& [abi, fields] : b.variants)
    if (!a.variants.contains(abi)) {
      only_b.emplace_back(abi);
      text += abi + "  only in B\n";
    }
  const bool same = text.empty();
  return {{{"same", same},
           {"fields", std::move(whole.json)},
           {"variants", std::move(variants)},
           {"only_a", std::move(only_a)},
           {"only_b", std::move(only_b)}},
          same ? "nothing differs\n" : text};
}

}  // namespace

Outcome<void> run_diff(const DiffOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const Side a, side_of(options.a, options.server));
  MPYD_TRY_ASSIGN(const Side b, side_of(options.b, options.server));
  if (a.is_mpy != b.is_mpy)
    return failure(Errc::invalid_argument,
                   "a .mpy is compared with a .mpy, packages with packages or releases",
                   "mpyd pack makes a package of a .mpy");
  Difference found = compare(a, b);
  found.json["a"] = options.a;
  found.json["b"] = options.b;
  found.json["sealed"] = a.has_sealed || b.has_sealed;
  if (a.has_sealed || b.has_sealed)
    out.say("note: sealed content is not opened: names and code were not compared");
  out.result(found.json, "A  " + options.a + "\nB  " + options.b + "\n" + found.text);
  return {};
}

}  // namespace mpyd::server::cli
