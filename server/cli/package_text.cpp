#include "server/cli/package_text.hpp"

#include <fmt/format.h>

#include "protocol/package/key_block.hpp"
#include "server/cli/output.hpp"
#include "server/util/encoding.hpp"

namespace mpyd::server::cli {
namespace {

namespace json = boost::json;

std::string revisions_text(const Manifest& manifest) {
  if (manifest.revision_min == 0 && manifest.revision_max == 0xffffffff) return "all";
  return std::to_string(manifest.revision_min) + "-" +
         (manifest.revision_max == 0xffffffff ? std::string()
                                              : std::to_string(manifest.revision_max));
}

std::vector<std::string> recipients(Bytes key_block) {
  std::vector<std::string> out;
  for (std::size_t at = kKeyBlockFixedBytes; at + kKeyEntryBytes <= key_block.size();
       at += kKeyEntryBytes)
    out.push_back(to_hex(key_block.subspan(at, KeyId::kSize)));
  return out;
}

std::string names(const std::vector<std::string>& keys) {
  return keys.empty() ? "nobody" : fmt::format("{}", fmt::join(keys, ", "));
}

std::vector<std::string> signers(const PackageHead& head) {
  std::vector<std::string> out;
  for (const PackageSignature& signature : head.signatures)
    out.push_back(to_hex(signature.key_id.bytes()));
  return out;
}

}  // namespace

std::string mpkg_file_name(const Manifest& manifest) {
  return std::string(manifest.driver_name.view()) + "-" + std::string(manifest.version.view()) +
         "-" + std::string(format_abi(manifest.abi).view()) + ".mpkg";
}

json::array recipients_json(Bytes key_block) {
  json::array out;
  for (const std::string& id : recipients(key_block)) out.emplace_back(id);
  return out;
}

std::string recipients_text(Bytes key_block) { return names(recipients(key_block)); }

json::object package_json(const CheckedPackage& package, Bytes key_block) {
  const Manifest& m = package.head.manifest;
  json::array signer_ids;
  for (const std::string& id : signers(package.head)) signer_ids.emplace_back(id);
  json::array required;
  for (const ModuleName& module : m.required_modules)
    required.emplace_back(std::string(module.view()));
  return {{"driver_name", std::string(m.driver_name.view())},
          {"version", std::string(m.version.view())},
          {"release", m.release},
          {"hardware_id", std::string(m.hardware_id.view())},
          {"revision_min", m.revision_min},
          {"revision_max", m.revision_max},
          {"abi", std::string(format_abi(m.abi).view())},
          {"driver_interface", m.driver_interface},
          {"requires", std::move(required)},
          {"plain_bytes", m.plain_bytes},
          {"ram_bytes", m.ram_bytes},
          {"package_bytes", package.head.package_bytes},
          {"encryption", m.encryption == Encryption::none ? "none" : "secretstream"},
          {"created_unix_s", m.created_unix_s},
          {"digest", std::string(format_digest(package.digest).view())},
          {"signer_key_ids", std::move(signer_ids)},
          {"recipient_key_ids", recipients_json(key_block)}};
}

std::string package_text(const CheckedPackage& package, Bytes key_block) {
  const Manifest& m = package.head.manifest;
  std::string required;
  for (const ModuleName& module : m.required_modules) required += " " + std::string(module.view());
  return "package    " + std::string(format_digest(package.digest).view()) + "\ndriver     " +
         std::string(m.driver_name.view()) + " " + std::string(m.version.view()) + ", release " +
         std::to_string(m.release) + "\nfor        " + std::string(m.hardware_id.view()) +
         ", revisions " + revisions_text(m) + "\nABI        " +
         std::string(format_abi(m.abi).view()) +
         (required.empty() ? "" : "\nrequires  " + required) + "\nsize       " +
         std::to_string(m.plain_bytes) + " bytes of driver, " +
         std::to_string(package.head.package_bytes) + " bytes of package" + "\ncontent    " +
         (m.encryption == Encryption::none ? std::string("public, in clear")
                                           : "encrypted, sealed to " + recipients_text(key_block)) +
         "\nsigned by  " + names(signers(package.head)) + " (trust decides what that counts)" +
         "\ncreated    " + format_time(m.created_unix_s) + "\n";
}

}  // namespace mpyd::server::cli
