#include "server/cli/trust_file.hpp"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "protocol/limits.hpp"
#include "server/cli/json_fields.hpp"
#include "server/services/documents.hpp"
#include "server/util/encoding.hpp"
#include "server/util/file.hpp"

namespace mpyd::server::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kFileBytesMax = std::size_t{256} << 20;

Outcome<TargetsDocuments> read_targets(const json::object& object) {
  TargetsDocuments out;
  if (is_absent(object, "head")) return out;
  MPYD_TRY_ASSIGN(out.head, base64_field(object, "head"));
  MPYD_TRY_ASSIGN(out.entries, base64_list(object, "entries"));
  return out;
}

const json::object* find_object(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value == nullptr ? nullptr : value->if_object();
}

json::array base64_array(const std::vector<ByteVector>& documents) {
  json::array out;
  for (const ByteVector& document : documents) out.emplace_back(to_base64(document));
  return out;
}

void put_targets(json::object& out, const TargetsDocuments& targets) {
  if (targets.empty()) return;
  out["head"] = to_base64(targets.head);
  out["entries"] = base64_array(targets.entries);
}

Outcome<void> check_format(const json::object& object) {
  MPYD_TRY_ASSIGN(const std::uint64_t format, number_field(object, "format"));
  std::uint64_t min_reader = 0;
  if (!is_absent(object, "min_reader")) {
    MPYD_TRY_ASSIGN(min_reader, number_field(object, "min_reader"));
  }
  if (!is_known_format(static_cast<std::uint32_t>(std::min<std::uint64_t>(format, 0xffff'ffff))) ||
      min_reader > kFormat)
    return failure(Errc::unsupported,
                   "it is of format " + std::to_string(std::max(format, min_reader)) +
                       ", and this mpyd reads format " + std::to_string(kFormat));
  return {};
}

}  // namespace

Outcome<TrustFile> read_trust_fields(const json::object& object) {
  TrustFile out;
  MPYD_TRY_ASSIGN(out.roots, base64_list(object, "roots"));
  if (out.roots.empty() || out.roots.size() > kRootsMax)
    return failure(Errc::malformed, "there are no usable root documents");
  MPYD_TRY_ASSIGN(out.targets, read_targets(object));
  if (const json::object* ended = find_object(object, "ended")) {
    MPYD_TRY_ASSIGN(out.ended, read_targets(*ended));
  }
  return out;
}

Outcome<TrustFile> parse_trust_file(Bytes text) {
  boost::system::error_code ec;
  const json::value value = json::parse(as_text(text), ec, {}, {.max_depth = 8});
  if (ec || !value.is_object()) return failure(Errc::malformed, "it is damaged");
  const json::object& object = value.get_object();
  const auto kind = text_field(object, "mpyd");
  if (!kind || *kind != "trust")
    return failure(Errc::bad_magic, "this is no file of trust documents",
                   "mpyd trust export makes one");
  MPYD_TRY(check_format(object));
  MPYD_TRY_ASSIGN(TrustFile out, read_trust_fields(object));
  const json::object* draft = find_object(object, "draft");
  if (draft == nullptr) return out;
  if (!is_absent(*draft, "root")) {
    MPYD_TRY_ASSIGN(out.draft_root, base64_field(*draft, "root"));
  } else {
    MPYD_TRY_ASSIGN(out.draft_targets, read_targets(*draft));
  }
  if (!out.has_draft()) return failure(Errc::malformed, "its draft is empty");
  return out;
}

Outcome<TrustFile> load_trust_file(const std::string& path) {
  MPYD_TRY_ASSIGN(const ByteVector text, read_file(path, kFileBytesMax));
  return explain_as(parse_trust_file(text), path);
}

Outcome<void> save_trust_file(const std::string& path, const TrustFile& file) {
  json::object out{{"mpyd", "trust"},
                   {"format", kFormat},
                   {"min_reader", kFormat},
                   {"roots", base64_array(file.roots)}};
  put_targets(out, file.targets);
  if (!file.ended.empty()) {
    json::object ended;
    put_targets(ended, file.ended);
    out["ended"] = std::move(ended);
  }
  if (file.has_draft()) {
    json::object draft;
    if (!file.draft_root.empty()) draft["root"] = to_base64(file.draft_root);
    put_targets(draft, file.draft_targets);
    out["draft"] = std::move(draft);
  }
  MPYD_TRY(write_file(path, as_bytes(json::serialize(out) + "\n"), 0644));
  return {};
}

}  // namespace mpyd::server::cli
