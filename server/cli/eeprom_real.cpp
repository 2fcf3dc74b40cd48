// mpyd eeprom read, write, verify, and identify --bus: EEPROMs on a bus of this computer.
#include <algorithm>

#include "protocol/eeprom/identify.hpp"
#include "protocol/eeprom/part_writer.hpp"
#include "protocol/limits.hpp"
#include "server/cli/eeprom_device.hpp"
#include "server/cli/eeprom_text.hpp"
#include "server/util/encoding.hpp"
#include "server/util/file.hpp"

namespace mpyd::server::cli {
namespace {

bool is_blank(Bytes content) {
  return std::all_of(content.begin(), content.end(),
                     [](std::byte b) { return b == std::byte{0xff}; }) ||
         std::all_of(content.begin(), content.end(), [](std::byte b) { return b == std::byte{0}; });
}

// What a board says that is about to be overwritten.
std::string holder_of(Bytes content) {
  eeprom::ImageSource source(content);
  const auto board = eeprom::identify(source);
  if (!board)
    return "bytes of no known board (" + std::string(describe(board.error())) + "), first " +
           to_hex(content.first(std::min<std::size_t>(8, content.size())));
  std::string out =
      std::string(board->hardware_id.view()) + " revision " + std::to_string(board->revision);
  const std::string serial = to_hex({board->serial.begin(), board->serial.size()});
  return serial.empty() ? out : out + " serial " + serial;
}

Outcome<std::uint32_t> page_bytes_for(const EepromDeviceOptions& options,
                                      const EepromDevice& device) {
  if (options.page == 0) return eeprom::page_bytes_of(device.part());
  if (options.page <= eeprom::kPageBytesMax && (options.page & (options.page - 1)) == 0)
    return options.page;
  return failure(Errc::invalid_argument, "--page " + std::to_string(options.page) + " is no part's",
                 "it is a power of two, at most 256");
}

Outcome<void> check_fits(const ByteVector& image, const EepromDevice& device) {
  MPYD_TRY_ASSIGN(const std::uint32_t size, device.size());
  if (image.size() <= size) return {};
  return failure(Errc::limit, "the image has " + std::to_string(image.size()) + " bytes, " +
                                  device.name() + " has " + std::to_string(size));
}

// How many bytes are other, and where the first is.
Outcome<void> check_same(Bytes image, Bytes there, const EepromDevice& device) {
  std::size_t others = 0;
  std::size_t first = 0;
  for (std::size_t i = 0; i < image.size(); ++i) {
    if (image[i] == there[i]) continue;
    if (others++ == 0) first = i;
  }
  if (others == 0) return {};
  return failure(Errc::bad_digest,
                 device.name() + " holds " + std::to_string(others) +
                     " bytes other than the image, the first at " + std::to_string(first),
                 "mpyd eeprom identify --bus shows what it holds");
}

}  // namespace

Outcome<void> run_eeprom_read(const EepromReadOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(EepromDevice device, EepromDevice::open(options.device));
  MPYD_TRY_ASSIGN(const std::uint32_t size, device.size());
  Progress progress(out, "reading");
  MPYD_TRY_ASSIGN(const ByteVector content, device.read(size, progress));
  MPYD_TRY(write_file(options.out_file, content, 0644));
  boost::json::object json = device.json();
  json["file"] = options.out_file;
  json["bytes"] = content.size();
  out.result(json, "read " + std::to_string(content.size()) + " bytes of " + device.name() +
                       " into " + options.out_file);
  return {};
}

Outcome<void> run_eeprom_verify(const EepromVerifyOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const ByteVector image, read_file(options.file, kEepromBytesMax));
  MPYD_TRY_ASSIGN(EepromDevice device, EepromDevice::open(options.device));
  MPYD_TRY(check_fits(image, device));
  Progress progress(out, "reading");
  MPYD_TRY_ASSIGN(const ByteVector there,
                  device.read(static_cast<std::uint32_t>(image.size()), progress));
  MPYD_TRY(check_same(image, there, device));
  boost::json::object json = device.json();
  json["bytes"] = image.size();
  out.result(json, device.name() + " holds " + options.file);
  return {};
}

Outcome<void> run_eeprom_write(const EepromWriteOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const ByteVector image, read_file(options.file, kEepromBytesMax));
  if (image.empty()) return failure(Errc::invalid_argument, options.file + " is empty");
  MPYD_TRY_ASSIGN(EepromDevice device, EepromDevice::open(options.device));
  MPYD_TRY(check_fits(image, device));
  MPYD_TRY_ASSIGN(const std::uint32_t page, page_bytes_for(options.device, device));
  const auto size = static_cast<std::uint32_t>(image.size());
  Progress reading(out, "reading");
  MPYD_TRY_ASSIGN(const ByteVector before, device.read(size, reading));
  const bool is_same = same_bytes(before, image);
  if (!is_same && !is_blank(before))
    MPYD_TRY(out.confirm(device.name() + " holds " + holder_of(before) + ". Overwrite it?",
                         options.yes, "not confirmed; nothing was written"));
  Progress writing(out, "writing");
  MPYD_TRY_ASSIGN(const std::size_t written, device.write(image, before, page, writing));
  Progress checking(out, "reading back");
  MPYD_TRY_ASSIGN(const ByteVector after, device.read(size, checking));
  MPYD_TRY(check_same(image, after, device));
  boost::json::object json = device.json();
  json["bytes"] = image.size();
  json["page_bytes"] = page;
  json["pages_written"] = written;
  out.result(json, is_same
                       ? device.name() + " held this image already; nothing was written"
                       : "wrote " + std::to_string(written) + " pages of " + std::to_string(page) +
                             " bytes to " + device.name() + ", and read them back");
  return {};
}

Outcome<void> identify_real_eeprom(const EepromDeviceOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(EepromDevice device, EepromDevice::open(options));
  Progress progress(out, "reading");
  MPYD_TRY_ASSIGN(const ByteVector content, device.read(eeprom::size_of(device.part()), progress));
  MPYD_TRY_ASSIGN(EepromReport report, explain_as(report_eeprom(content), device.name()));
  for (const auto& [key, value] : device.json()) report.json[key] = value;
  out.result(report.json, report.text);
  return {};
}

}  // namespace mpyd::server::cli
