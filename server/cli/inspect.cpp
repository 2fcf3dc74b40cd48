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
                 "root documents");
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
  if (text.starts_with("\x0a")) return inspect_root;
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
