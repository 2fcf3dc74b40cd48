#include "server/cli/kept_head.hpp"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "protocol/trust/verify.hpp"
#include "server/cli/json_fields.hpp"
#include "server/util/encoding.hpp"
#include "server/util/file.hpp"

namespace mpyd::server::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kFileBytesMax = std::size_t{256} << 20;

Outcome<trust::TargetsHead> parse_signed_head(Bytes signed_head) {
  MPYD_TRY_ASSIGN(const trust::SignedDocument document, trust::parse_signed(signed_head));
  MPYD_TRY_ASSIGN(const trust::TargetsHead head, trust::parse_head(document.body));
  return head;
}

Outcome<trust::Root> parse_signed_root(Bytes signed_root) {
  MPYD_TRY_ASSIGN(const trust::SignedDocument document, trust::parse_signed(signed_root));
  MPYD_TRY_ASSIGN(const trust::Root root, trust::parse_root(document.body));
  return root;
}

// What is kept is the only memory of what a key signed: it never goes back.
Outcome<void> refuse_to_go_back(const std::string& path, bool is_older, bool is_other,
                                const std::string& kept) {
  if (!is_older && !is_other) return {};
  return failure(is_older ? Errc::rollback : Errc::equivocation,
                 path + " keeps " + kept + ", which this key signed, and is not replaced by " +
                     (is_older ? "an older one" : "another one of the same version"));
}

}  // namespace

std::strong_ordering compare_versions(const trust::TargetsHead& a, const trust::TargetsHead& b) {
  const auto epochs = a.epoch <=> b.epoch;
  return epochs != 0 ? epochs : a.version <=> b.version;
}

std::string kept_head_path(const std::string& key_file) { return key_file + ".head"; }

Outcome<KeptHead> load_head_file(const std::string& path) {
  MPYD_TRY_ASSIGN(const ByteVector file, read_file(path, kFileBytesMax));
  boost::system::error_code ec;
  const json::value value = json::parse(as_text(file), ec, {}, {.max_depth = 4});
  if (ec || !value.is_object()) return failure(Errc::malformed, path + " is damaged");
  const json::object& object = value.get_object();
  const auto format = number_field(object, "format");
  if (!format)
    return failure(Errc::bad_magic, path + " is not a head that was kept beside a targets key");
  if (*format > kFormat || !is_known_format(static_cast<std::uint32_t>(*format)))
    return failure(Errc::unsupported, path + " is of format " + std::to_string(*format) +
                                          ", which this mpyd does not read");
  KeptHead kept;
  MPYD_TRY_ASSIGN(kept.signed_head, base64_field(object, "head"));
  MPYD_TRY_ASSIGN(std::vector<ByteVector> entries, base64_list(object, "entries"));
  MPYD_TRY_ASSIGN(kept.entries, EntrySet::make(std::move(entries)));
  MPYD_TRY_ASSIGN(kept.head, parse_signed_head(kept.signed_head));
  if (kept.entries.merkle_root() != kept.head.merkle_root)
    return failure(Errc::bad_digest, path + " is damaged: its entries are not those of its head");
  return kept;
}

Outcome<std::optional<KeptHead>> load_kept_head(const std::string& key_file) {
  auto kept = load_head_file(kept_head_path(key_file));
  if (kept) return std::optional<KeptHead>(*std::move(kept));
  if (kept.error().error.code == Errc::not_found) return std::optional<KeptHead>();
  return fail(std::move(kept).error());
}

Outcome<std::optional<ByteVector>> load_kept_root(const std::string& key_file) {
  auto file = read_file(key_file + ".root", kDocumentBytesMax);
  if (file) return std::optional<ByteVector>(*std::move(file));
  if (file.error().code == Errc::not_found) return std::optional<ByteVector>();
  return fail(std::move(file).error());
}

Outcome<void> save_kept_root(const std::string& key_file, Bytes signed_root) {
  MPYD_TRY_ASSIGN(const auto kept, load_kept_root(key_file));
  if (kept) {
    MPYD_TRY_ASSIGN(const trust::Root last, parse_signed_root(*kept));
    MPYD_TRY_ASSIGN(const trust::Root next, parse_signed_root(signed_root));
    MPYD_TRY(refuse_to_go_back(
        key_file + ".root", next.version < last.version || next.targets_epoch < last.targets_epoch,
        next.version == last.version &&
            trust::body_digest(*kept) != trust::body_digest(signed_root),
        "root version " + std::to_string(last.version)));
  }
  MPYD_TRY(write_file(key_file + ".root", signed_root, 0600));
  return {};
}

json::object head_body(Bytes signed_head, const EntrySet& entries) {
  json::array list;
  for (std::size_t i = 0; i < entries.size(); ++i) list.emplace_back(to_base64(entries.bytes(i)));
  return {{"head", to_base64(signed_head)}, {"entries", std::move(list)}};
}

Outcome<void> save_kept_head(const std::string& key_file, Bytes signed_head,
                             const EntrySet& entries) {
  MPYD_TRY_ASSIGN(const std::optional<KeptHead> kept, load_kept_head(key_file));
  if (kept) {
    MPYD_TRY_ASSIGN(const trust::TargetsHead head, parse_signed_head(signed_head));
    const auto order = compare_versions(head, kept->head);
    MPYD_TRY(refuse_to_go_back(
        kept_head_path(key_file), order < 0,
        order == 0 && trust::body_digest(kept->signed_head) != trust::body_digest(signed_head),
        "version " + std::to_string(kept->head.version) + " of epoch " +
            std::to_string(kept->head.epoch)));
  }
  json::object body = head_body(signed_head, entries);
  body["format"] = kFormat;
  MPYD_TRY(write_file(kept_head_path(key_file), as_bytes(json::serialize(body) + "\n"), 0600));
  return {};
}

}  // namespace mpyd::server::cli
