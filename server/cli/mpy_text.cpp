#include "server/cli/mpy_text.hpp"

#include <algorithm>
#include <boost/json/array.hpp>

#include "protocol/crypto.hpp"

namespace mpyd::server::cli {
namespace {

namespace json = boost::json;

std::string digest_of(Bytes file) {
  return std::string(format_digest(crypto::sha256(file)).view());
}

std::string abi_of(const mpy::Facts& facts) {
  return std::string(format_abi(with_defaults(facts.abi)).view());
}

// A name is whatever the file says, control characters included; a terminal must not obey it.
std::string safe(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool plain = c > ' ' && c < '\x7f' && c != '\\';
    constexpr std::string_view kDigits = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(c);
    if (plain)
      out += c;
    else
      out.append("\\x").append(1, kDigits[byte >> 4]).append(1, kDigits[byte & 15]);
  }
  return out;
}

bool has_name(const mpy::Facts& facts, std::string_view name) {
  return std::ranges::find(facts.names, name) != facts.names.end();
}

std::string names_text(const mpy::Facts& facts) {
  std::string out;
  for (const std::string_view name : facts.names) out += (out.empty() ? "" : " ") + safe(name);
  if (facts.names_total > facts.names.size())
    out += (out.empty() ? "" : " ") + std::string("and ") +
           std::to_string(facts.names_total - facts.names.size()) + " more";
  return out.empty() ? "nothing" : out;
}

std::string code_text(const mpy::Facts& facts) {
  std::string out;
  const auto add = [&out](std::uint32_t bytes, const char* what) {
    if (bytes != 0) out += (out.empty() ? "" : ", ") + std::to_string(bytes) + " bytes of " + what;
  };
  add(facts.text_bytes, "machine code");
  add(facts.bytecode_bytes, "bytecode");
  add(facts.rodata_bytes, "read-only data");
  add(facts.bss_bytes, "variables");
  return out + ", " + std::to_string(facts.functions) +
         (facts.functions == 1 ? " function" : " functions");
}

// What a driver needs to be one; a module that stores the two by other means is the exception.
std::string interface_text(const mpy::Facts& facts) {
  const bool attach = has_name(facts, "attach");
  const bool detach = has_name(facts, "detach");
  if (attach && detach) return "attach and detach are there";
  if (attach) return "attach is there; there is no detach";
  return "no attach: a motherboard could not start it as a driver";
}

}  // namespace

json::object mpy_json(const mpy::Facts& facts, Bytes file) {
  json::array names;
  for (const std::string_view name : facts.names) names.emplace_back(safe(name));
  return {{"kind", "mpy"},
          {"abi", abi_of(facts)},
          {"native", facts.abi.is_native()},
          {"small_int_bits", facts.abi.small_int_bits},
          {"text_bytes", facts.text_bytes},
          {"bytecode_bytes", facts.bytecode_bytes},
          {"rodata_bytes", facts.rodata_bytes},
          {"bss_bytes", facts.bss_bytes},
          {"functions", facts.functions},
          {"ram_bytes", facts.ram_bytes},
          {"floats_cross", facts.floats_cross},
          {"names", std::move(names)},
          {"names_total", facts.names_total},
          {"names_are_exports", facts.exports == mpy::Exports::exact},
          {"bytes", file.size()},
          {"sha256", digest_of(file)}};
}

std::string mpy_text(const mpy::Facts& facts, Bytes file) {
  const bool exact = facts.exports == mpy::Exports::exact;
  std::string out = "MicroPython module (.mpy), " + abi_of(facts) + ", " +
                    (facts.abi.is_native() ? "native code, " : "bytecode, ") +
                    std::to_string(file.size()) + " bytes\n";
  out += "holds      " + code_text(facts) + "\n";
  out += "RAM        at least " + std::to_string(facts.ram_bytes) + " bytes to load it\n";
  out += (exact ? "exports    " : "names      ") + names_text(facts) + "\n";
  out += "driver     " + interface_text(facts) + "\n";
  if (facts.floats_cross)
    out +=
        "floats     it seems to pass C floats to or from MicroPython: it must be published with "
        "its\n"
        "           float ABI (FILE.mpy:float=soft or hard, if that is not the default of its "
        "arch)\n";
  return out + "SHA-256    " + digest_of(file) + "\n";
}

}  // namespace mpyd::server::cli
