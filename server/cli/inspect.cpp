// mpyd inspect: what a file is, and whether it is whole. What only a key can prove (signatures by
// a publisher, sealed content) is said to be unproved, not valid.
#include <boost/json/array.hpp>

#include "mpyd/v1/identity.pb.h"
#include "protocol/crypto.hpp"
#include "protocol/eeprom/identify.hpp"
#include "protocol/package/key_block.hpp"
#include "server/app/backup_file.hpp"
#include "server/cli/commands.hpp"
#include "server/cli/eeprom_text.hpp"
#include "server/cli/mpy_text.hpp"
#include "server/cli/package_text.hpp"
#include "server/cli/trust_view.hpp"
#include "server/crypto/key_file.hpp"
#include "server/util/encoding.hpp"
#include "server/util/file.hpp"

namespace mpyd::server::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kFileBytesMax = std::size_t{80} << 20;

struct Report {
  json::object json;
  std::string text;
};
using Inspector = Outcome<Report> (*)(Bytes file);

Outcome<Report> inspect_mpy(Bytes file) {
  const auto facts = mpy::inspect(file);
  if (!facts) return fail(Failure(mpy_error(facts.error())));
  return Report{mpy_json(*facts, file), mpy_text(*facts, file)};
}

Outcome<Report> inspect_mpkg(Bytes file) {
  MPYD_TRY_ASSIGN(const std::vector<PackageView> views, split_mpkg(file));
  Report report{{{"kind", "mpkg"}}, {}};
  json::array packages;
  for (const PackageView& view : views) {
    MPYD_TRY_ASSIGN(const CheckedPackage checked, check_package(view.package));
    packages.emplace_back(package_json(checked, view.key_block));
    report.text += package_text(checked, view.key_block);
  }
  report.json["packages"] = std::move(packages);
  return report;
}

Outcome<Report> inspect_key_block(Bytes file) {
  MPYD_TRY_ASSIGN(const std::size_t size, key_block_bytes(file));
  if (size != file.size()) return fail(size < file.size() ? Errc::trailing : Errc::truncated);
  return Report{{{"kind", "key_block"}, {"recipients", recipients_json(file)}},
                "key block, sealed to " + recipients_text(file) + "\n"};
}

Outcome<Report> inspect_key(Bytes file) {
  MPYD_TRY_ASSIGN(const KeyFileInfo info, parse_key_info(file));
  const std::string public_key = to_hex(info.public_key);
  return Report{{{"kind", "key"},
                 {"role", std::string(role_name(info.role))},
                 {"public_key", public_key},
                 {"passphrase", info.passphrase},
                 {"created_unix_s", info.created_unix_s}},
                std::string(role_name(info.role)) + " key, " +
                    (info.passphrase ? "protected by a passphrase" : "without a passphrase") +
                    ", made " + format_time(info.created_unix_s) + "\npublic key  " + public_key +
                    "\n"};
}

Outcome<Report> inspect_public_key(Bytes file) {
  MPYD_TRY_ASSIGN(const PublicKeyLine line, parse_public_key_line(as_text(file)));
  const std::string public_key = to_hex(line.key);
  const std::string role(role_name(line.role));
  return Report{{{"kind", "public_key"}, {"role", role}, {"public_key", public_key}},
                "public key of a " + role + "\npublic key  " + public_key + "\n"};
}

Outcome<Report> inspect_eeprom(Bytes file) {
  MPYD_TRY_ASSIGN(const EepromReport report, report_eeprom(file));
  return Report{report.json, report.text};
}

Outcome<Report> inspect_root(Bytes file) {
  std::array<std::byte, trust::kScratchBytes> scratch{};
  MPYD_TRY_ASSIGN(const trust::Root root, trust::verify_first_root(file, scratch));
  MPYD_TRY_ASSIGN(const std::string fingerprint, root_fingerprint(file));
  const std::string server_key = to_hex(root.server_key.bytes());
  return Report{{{"kind", "root"},
                 {"version", root.version},
                 {"epoch", root.targets_epoch},
                 {"fingerprint", fingerprint},
                 {"server_key", server_key},
                 {"expires_unix_s", root.expires_unix_s}},
                "root document version " + std::to_string(root.version) + ", epoch " +
                    std::to_string(root.targets_epoch) +
                    ", signed by its own threshold\nfingerprint  " + fingerprint +
                    "\nserver key   " + server_key + "\nexpires      " +
                    format_time(root.expires_unix_s) + "\n"};
}

Outcome<Report> inspect_head(Bytes file) {
  MPYD_TRY_ASSIGN(const trust::SignedDocument document, trust::parse_signed(file));
  MPYD_TRY_ASSIGN(const trust::TargetsHead head, trust::parse_head(document.body));
  return Report{{{"kind", "head"},
                 {"epoch", head.epoch},
                 {"version", head.version},
                 {"entries", head.entry_count},
                 {"signatures", document.signatures.size()},
                 {"expires_unix_s", head.expires_unix_s}},
                "targets head version " + std::to_string(head.version) + " of epoch " +
                    std::to_string(head.epoch) + " over " + std::to_string(head.entry_count) +
                    " entries, " + std::to_string(document.signatures.size()) +
                    " signatures (only a root can prove them)\nexpires      " +
                    format_time(head.expires_unix_s) + "\n"};
}

// Which of both a SignedDocument is, its body tells.
Outcome<Report> inspect_signed(Bytes file) {
  auto root = inspect_root(file);
  if (root || root.error().error.code == Errc::unsupported) return root;
  auto head = inspect_head(file);
  return head ? std::move(head) : std::move(root);
}

// What mpyd trust export wrote, or a draft: verified from its own first root, which proves that it
// is whole, not whose it is.
Outcome<Report> inspect_trust_file(Bytes text) {
  MPYD_TRY_ASSIGN(TrustFile file, parse_trust_file(text));
  const ByteVector first = file.roots.front();
  MPYD_TRY_ASSIGN(const TrustView view, verify_trust(file, first));
  MPYD_TRY_ASSIGN(const std::string fingerprint, root_fingerprint(first));
  Report report{{{"kind", "trust"},
                 {"root_version", view.root.version},
                 {"first_fingerprint", fingerprint},
                 {"epoch", view.root.targets_epoch},
                 {"head_version", view.head ? view.head->version : 0U},
                 {"entries", view.entries.size()},
                 {"draft", nullptr}},
                "trust documents: root version " + std::to_string(view.root.version) +
                    ", targets head version " +
                    std::to_string(view.head ? view.head->version : 0U) + " of epoch " +
                    std::to_string(view.root.targets_epoch) + " with " +
                    std::to_string(view.entries.size()) +
                    " entries\nfingerprint of root version 1  " + fingerprint + "\n"};
  if (!file.draft_root.empty()) {
    MPYD_TRY_ASSIGN(const trust::SignedDocument document, trust::parse_signed(file.draft_root));
    report.json["draft"] = {{"kind", "root"}, {"signatures", document.signatures.size()}};
    report.text +=
        "draft of the next root, " + std::to_string(document.signatures.size()) + " signatures\n";
  } else if (!file.draft_targets.empty()) {
    MPYD_TRY_ASSIGN(const Report draft, inspect_head(file.draft_targets.head));
    report.json["draft"] = draft.json;
    report.text += "draft: " + draft.text;
  }
  return report;
}

void wipe_secrets(v1::Identity& identity) {
  for (std::string* secret :
       {identity.mutable_device_secret_key(), identity.mutable_enroll_token()})
    crypto::wipe(std::as_writable_bytes(std::span(*secret)));
}

// What is in the file of a motherboard or a fleet, but for its secrets.
Outcome<Report> identity_report(const v1::Identity& identity) {
  const Bytes root_document = as_bytes(identity.root());
  std::array<std::byte, trust::kScratchBytes> scratch{};
  MPYD_TRY_ASSIGN(const trust::Root root, trust::verify_first_root(root_document, scratch));
  MPYD_TRY_ASSIGN(const std::string fingerprint, root_fingerprint(root_document));
  const bool has_key = identity.device_secret_key().size() == SecretKey::kSize;
  const bool has_token = !identity.enroll_token().empty();
  if (!has_key && !has_token)
    return failure(Errc::malformed, "an identity without a key and without a token");
  const std::string server = identity.server_host() + ":" + std::to_string(identity.server_port());
  return Report{{{"kind", has_key ? "identity" : "fleet"},
                 {"format", identity.format()},
                 {"name", identity.name()},
                 {"server", server},
                 {"root_version", root.version},
                 {"fingerprint", fingerprint},
                 {"own_key", has_key},
                 {"enroll_token", has_token},
                 {"entries", identity.entries_size()},
                 {"after_expiry", identity.after_expiry() == 1 ? "keep" : "refuse"}},
                std::string(has_key ? "identity of one device" : "fleet file") + ", format " +
                    std::to_string(identity.format()) +
                    (identity.name().empty() ? "" : ", named " + identity.name()) +
                    "\nserver       " + server + "\nroot         version " +
                    std::to_string(root.version) + "\nfingerprint  " + fingerprint +
                    "\nown key      " +
                    (has_key ? "yes" : "no: each device makes its own at its first start") +
                    "\ntoken        " + (has_token ? "yes" : "no") + "\npolicy       " +
                    std::to_string(identity.entries_size()) + " entries\n" +
                    "a secret: keep it from others\n"};
}

Outcome<Report> inspect_identity(Bytes file) {
  v1::Identity identity;
  const bool is_parsed = identity.ParseFromArray(file.data(), static_cast<int>(file.size()));
  Outcome<Report> report = failure(Errc::malformed, "it is damaged");
  if (is_parsed && !is_known_format(identity.format()))
    report =
        failure(Errc::unsupported, "an identity of format " + std::to_string(identity.format()) +
                                       ", which this mpyd does not read");
  else if (is_parsed)
    report = identity_report(identity);
  wipe_secrets(identity);
  return report;
}

// Field 1 is the format, and there is a root in field 4 and a host in field 5: nothing else that
// mpyd writes has those.
bool looks_like_identity(Bytes file) {
  if (!as_text(file).starts_with("\x08")) return false;
  v1::Identity identity;
  const bool is_parsed = identity.ParseFromArray(file.data(), static_cast<int>(file.size()));
  wipe_secrets(identity);
  return is_parsed && !identity.root().empty() && !identity.server_host().empty();
}

// A known layout, a part nobody has written yet, or what only damage keeps from being one. Nothing
// that may be a secret: the first bytes of a damaged image are shown.
bool looks_like_eeprom(Bytes file) {
  eeprom::ImageSource source(file);
  const auto board = eeprom::identify(source);
  if (board || board.error() == Errc::blank) return true;
  for (const std::string_view magic : {"R-Pi", "THEX", "LIFE", "JSON", "\xaa\x55\x33\xee"})
    if (as_text(file).starts_with(magic)) return true;
  return false;
}

// Says nothing of the content: it may be somebody's secret.
Outcome<Report> inspect_unknown(Bytes file) {
  if (file.empty()) return failure(Errc::truncated, "the file is empty");
  return failure(Errc::bad_magic, "not a file that mpyd inspects",
                 "it knows .mpy, packages (.mpkg), key blocks, images of ID EEPROMs, key files, "
                 "identities and fleet files, and trust documents");
}

Outcome<Report> inspect_backup(Bytes) {
  return failure(Errc::unsupported, "a backup of a server",
                 "mpyd restore FILE --data DIR checks it to its end, into an empty directory");
}

// By the first bytes of a file, the format it claims to be of.
Inspector inspector_of(Bytes file) {
  const std::string_view text = as_text(file);
  // With another version, too: the answer is then that this version is not known.
  if (text.starts_with('M') && file.size() >= 4 && file[1] < std::byte{0x20}) return inspect_mpy;
  if (text.starts_with(kKeyFileMagic)) return inspect_key;
  if (text.starts_with(kBackupMagic)) return inspect_backup;
  if (text.starts_with("mpyd\x01")) return inspect_mpkg;
  if (text.starts_with("mpyd\x02")) return inspect_key_block;
  if (text.starts_with(kPublicKeyMagic)) return inspect_public_key;
  // A SignedDocument starts with its body: field 1, length-delimited.
  if (text.starts_with("\x0a")) return inspect_signed;
  if (text.starts_with(kTrustFileStart)) return inspect_trust_file;
  if (looks_like_identity(file)) return inspect_identity;
  if (looks_like_eeprom(file)) return inspect_eeprom;
  return inspect_unknown;
}

}  // namespace

Outcome<void> run_inspect(const InspectOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(ByteVector file, read_file(options.file, kFileBytesMax));
  auto report = inspector_of(file)(file);
  crypto::wipe(file);  // it may be a secret
  if (!report) return explain_as<void>(fail(std::move(report).error()), options.file);
  report->json["valid"] = true;
  out.result(report->json, report->text + "valid\n");
  return {};
}

}  // namespace mpyd::server::cli
