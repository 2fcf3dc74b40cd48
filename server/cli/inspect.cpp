// mpyd inspect: what a file is, and whether it is whole. What only a key can prove (signatures by
// a publisher, sealed content) is said to be unproved, not valid.
#include <boost/json/array.hpp>

#include "protocol/crypto.hpp"
#include "protocol/eeprom/identify.hpp"
#include "protocol/package/key_block.hpp"
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

// The format a file claims by its first bytes; null if none does.
// A known layout, or a part nobody has written yet.
bool looks_like_eeprom(Bytes file) {
  eeprom::ImageSource source(file);
  const auto board = eeprom::identify(source);
  return board || (board.error() != Errc::bad_magic && board.error() != Errc::truncated) ||
         as_text(file).starts_with("R-Pi");
}

// Says nothing of the content: it may be somebody's secret.
Outcome<Report> inspect_unknown(Bytes file) {
  if (file.empty()) return failure(Errc::truncated, "the file is empty");
  return failure(Errc::bad_magic, "not a file that mpyd inspects",
                 "it knows .mpy, packages (.mpkg), key blocks, images of ID EEPROMs, key files and "
                 "trust documents");
}

Inspector inspector_of(Bytes file) {
  const std::string_view text = as_text(file);
  // With another version, too: the answer is then that this version is not known.
  if (text.starts_with('M') && file.size() >= 4 && file[1] < std::byte{0x20}) return inspect_mpy;
  if (text.starts_with(kKeyFileMagic)) return inspect_key;
  if (text.starts_with("mpyd\x01")) return inspect_mpkg;
  if (text.starts_with("mpyd\x02")) return inspect_key_block;
  if (text.starts_with(kPublicKeyMagic)) return inspect_public_key;
  // A SignedDocument starts with its body: field 1, length-delimited.
  if (text.starts_with("\x0a")) return inspect_signed;
  if (text.starts_with(kTrustFileStart)) return inspect_trust_file;
  if (looks_like_eeprom(file)) return inspect_eeprom;
  return inspect_unknown;
}

}  // namespace

Outcome<void> run_inspect(const InspectOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const ByteVector file, read_file(options.file, kFileBytesMax));
  auto report = inspector_of(file)(file);
  if (!report) return explain_as<void>(fail(std::move(report).error()), options.file);
  report->json["valid"] = true;
  out.result(report->json, report->text + "valid\n");
  return {};
}

}  // namespace mpyd::server::cli
