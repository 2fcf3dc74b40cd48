// mpyd eeprom build and identify: images of ID EEPROMs.
#include <array>
#include <filesystem>
#include <vector>

#include "protocol/limits.hpp"
#include "server/cli/commands.hpp"
#include "server/cli/eeprom_image.hpp"
#include "server/cli/eeprom_text.hpp"
#include "server/crypto/random.hpp"
#include "server/util/encoding.hpp"
#include "server/util/file.hpp"

namespace mpyd::server::cli {
namespace {

// A batch is what one reel of labels takes; a mistyped number shall not fill a disk.
constexpr std::uint32_t kBatchMax = 10'000;

struct Built {
  EepromImage image;
  EepromReport report;
};

// Read back by the rules a motherboard applies, packages included, before anyone flashes it.
Outcome<Built> build_and_check(const EepromBuildOptions& options, const EepromContent& content) {
  MPYD_TRY_ASSIGN(EepromImage image, build_eeprom_image(options, content));
  MPYD_TRY_ASSIGN(EepromReport report,
                  explain_as(report_eeprom(image.bytes), "the image just built"));
  const std::string id(report.json.at("hardware_id").as_string());
  if (!options.hardware_id.empty() && id != options.hardware_id)
    return failure(Errc::invalid_argument,
                   "the image would be of " + id + ", not of " + options.hardware_id,
                   "hex digits of ids are lower case");
  return Built{std::move(image), std::move(report)};
}

Outcome<void> build_one(const EepromBuildOptions& options, const EepromContent& content,
                        const Output& out) {
  MPYD_TRY_ASSIGN(Built built, build_and_check(options, content));
  MPYD_TRY(write_file(options.out_file, built.image.bytes, 0644));
  built.report.json["file"] = options.out_file;
  built.report.json["used_bytes"] = built.image.used;
  out.result(built.report.json, built.report.text + "image          " + options.out_file + ", " +
                                    std::to_string(built.image.used) + " bytes used of " +
                                    std::to_string(built.image.bytes.size()) + "\n");
  return {};
}

// Version 4 of RFC 9562: 122 random bits.
std::string random_uuid() {
  std::array<std::byte, 16> bytes{};
  random_bytes(bytes);
  bytes[6] = (bytes[6] & std::byte{0x0f}) | std::byte{0x40};
  bytes[8] = (bytes[8] & std::byte{0x3f}) | std::byte{0x80};
  std::string text = to_hex(bytes);
  for (const std::size_t at : {20U, 16U, 12U, 8U}) text.insert(at, "-");
  return text;
}

// As it is shown everywhere: four hex digits.
std::string unique_id_text(std::uint32_t number) {
  const std::array<std::byte, 2> bytes = {static_cast<std::byte>(number >> 8),
                                          static_cast<std::byte>(number & 0xff)};
  return to_hex(bytes);
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

// The n-th board's serial, as --serial takes it, and its file.
struct Numbered {
  std::string serial;
  std::string file;
};

Outcome<std::vector<Numbered>> number_boards(BuildLayout layout,
                                             const EepromBuildOptions& options) {
  const bool counts = layout == BuildLayout::hexpansion;
  if (layout == BuildLayout::life)
    return failure(Errc::invalid_argument, "a LIFE add-on has no serial to count");
  if (!options.serial.empty())
    return failure(Errc::invalid_argument, "--serial is of one board, --batch of several");
  if (!counts && options.serial_start != 0)
    return failure(Errc::invalid_argument, "a HAT's serials are UUIDs, which do not count up",
                   "leave out --serial-start: every image of a batch gets a UUID of its own");
  const std::uint32_t first = options.serial_start != 0 ? options.serial_start : 1;
  if (options.batch > kBatchMax || (counts && (first > 0xffff || options.batch > 0x10000 - first)))
    return failure(Errc::limit, "a batch has at most " + std::to_string(kBatchMax) +
                                    " boards, and a hexpansion's unique id ends at 65535");
  if (options.out_file.find("{n}") == std::string::npos &&
      options.out_file.find("{serial}") == std::string::npos)
    return failure(Errc::invalid_argument, "all boards of the batch would be one file",
                   "write --out 'images/{serial}.eep' or 'images/board-{n}.eep'");
  std::vector<Numbered> out;
  for (std::uint32_t n = 0; n < options.batch; ++n) {
    const std::string shown = counts ? unique_id_text(first + n) : random_uuid();
    Numbered one{counts ? "0x" + shown : shown, options.out_file};
    replace_all(one.file, "{n}", std::to_string(n + 1));
    replace_all(one.file, "{serial}", shown);
    out.push_back(std::move(one));
  }
  return out;
}

// Before the first is written, so that a batch is whole or was not begun.
Outcome<void> check_no_file_is_there(const std::vector<Numbered>& boards) {
  for (const Numbered& one : boards) {
    std::error_code ignored;
    if (std::filesystem::exists(one.file, ignored))
      return failure(Errc::conflict, one.file + " is there already; nothing was written",
                     "its board may have been labelled: choose another --out, or --force");
  }
  return {};
}

Outcome<void> build_batch(const EepromBuildOptions& options, const EepromContent& content,
                          const Output& out) {
  MPYD_TRY_ASSIGN(const BuildLayout layout, build_layout_of(options));
  MPYD_TRY_ASSIGN(const std::vector<Numbered> boards, number_boards(layout, options));
  if (!options.force) MPYD_TRY(check_no_file_is_there(boards));
  EepromBuildOptions single = options;
  for (const Numbered& one : boards) {
    single.serial = one.serial;
    MPYD_TRY_ASSIGN(const Built built, build_and_check(single, content));
    MPYD_TRY(options.force ? write_file(one.file, built.image.bytes, 0644)
                           : create_file(one.file, built.image.bytes, 0644));
    const auto& said = built.report.json;
    const boost::json::object label = {{"file", one.file},
                                       {"hardware_id", said.at("hardware_id")},
                                       {"revision", said.at("revision")},
                                       {"serial", said.at("serial")}};
    out.result(label, one.file + "\t" + std::string(label.at("hardware_id").as_string()) + "\t" +
                          std::to_string(options.revision) + "\t" +
                          std::string(label.at("serial").as_string()));
  }
  return {};
}

Outcome<void> identify_file(const std::string& file, bool is_one_of_many, const Output& out) {
  MPYD_TRY_ASSIGN(const ByteVector image, read_file(file, kEepromBytesMax));
  MPYD_TRY_ASSIGN(EepromReport report, explain_as(report_eeprom(image), file));
  report.json["file"] = file;
  out.result(report.json,
             is_one_of_many ? "file           " + file + "\n" + report.text + "\n" : report.text);
  return {};
}

}  // namespace

Outcome<void> run_eeprom_build(const EepromBuildOptions& options, const Output& out) {
  MPYD_TRY(build_layout_of(options));
  MPYD_TRY_ASSIGN(const EepromContent content, read_eeprom_content(options));
  if (options.batch != 0) return build_batch(options, content, out);
  if (options.serial_start != 0)
    return failure(Errc::invalid_argument, "--serial-start is for --batch", "give --serial");
  return build_one(options, content, out);
}

// One bad image does not keep the others from being told.
Outcome<void> run_eeprom_identify(const EepromIdentifyOptions& options, const Output& out) {
  if (!options.device.bus.empty()) return identify_real_eeprom(options.device, out);
  if (options.files.empty())
    return failure(Errc::invalid_argument, "which EEPROM?",
                   "name image files, or the bus of a real one: --bus /dev/i2c-1");
  const bool are_many = options.files.size() > 1;
  Errc worst{};
  for (const std::string& file : options.files) {
    auto done = identify_file(file, are_many, out);
    if (done) continue;
    if (!are_many) return done;
    out.report(done.error());
    worst = done.error().error.code;
  }
  if (worst == Errc{}) return {};
  return told_already(worst);
}

}  // namespace mpyd::server::cli
