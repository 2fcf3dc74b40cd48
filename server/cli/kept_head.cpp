#include "server/cli/kept_head.hpp"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "server/cli/json_fields.hpp"
#include "server/util/encoding.hpp"
#include "server/util/file.hpp"

namespace mpyd::server::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kFileBytesMax = std::size_t{256} << 20;

}  // namespace

std::string kept_head_path(const std::string& key_file) { return key_file + ".head"; }

Outcome<std::optional<KeptHead>> load_kept_head(const std::string& key_file) {
  const std::string path = kept_head_path(key_file);
  auto file = read_file(path, kFileBytesMax);
  if (!file && file.error().code == Errc::not_found) return std::optional<KeptHead>();
  if (!file) return fail(std::move(file).error());
  boost::system::error_code ec;
  const json::value value = json::parse(as_text(*file), ec);
  if (ec || !value.is_object()) return failure(Errc::malformed, path + " is damaged");
  const json::object& object = value.get_object();
  MPYD_TRY_ASSIGN(const std::uint64_t format, number_field(object, "format"));
  if (format > kFormat)
    return failure(Errc::unsupported,
                   path + " was written by a newer mpyd (format " + std::to_string(format) + ")");
  KeptHead kept;
  MPYD_TRY_ASSIGN(kept.signed_head, base64_field(object, "head"));
  MPYD_TRY_ASSIGN(std::vector<ByteVector> entries, base64_list(object, "entries"));
  MPYD_TRY_ASSIGN(kept.entries, EntrySet::make(std::move(entries)));
  MPYD_TRY_ASSIGN(const trust::SignedDocument document, trust::parse_signed(kept.signed_head));
  MPYD_TRY_ASSIGN(kept.head, trust::parse_head(document.body));
  if (kept.entries.merkle_root() != kept.head.merkle_root)
    return failure(Errc::bad_digest, path + " is damaged: its entries are not those of its head");
  return std::optional<KeptHead>(std::move(kept));
}

json::object head_body(Bytes signed_head, const EntrySet& entries) {
  json::array list;
  for (std::size_t i = 0; i < entries.size(); ++i) list.emplace_back(to_base64(entries.bytes(i)));
  return {{"head", to_base64(signed_head)}, {"entries", std::move(list)}};
}

Outcome<void> save_kept_head(const std::string& key_file, Bytes signed_head,
                             const EntrySet& entries) {
  json::object body = head_body(signed_head, entries);
  body["format"] = kFormat;
  MPYD_TRY(write_file(kept_head_path(key_file), as_bytes(json::serialize(body) + "\n"), 0600));
  return {};
}

}  // namespace mpyd::server::cli
