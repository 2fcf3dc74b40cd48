#include "server/cli/eeprom_text.hpp"

#include <algorithm>
#include <boost/json/array.hpp>

#include "protocol/eeprom/identify.hpp"
#include "protocol/package/key_block.hpp"
#include "server/cli/package_text.hpp"
#include "server/util/encoding.hpp"

namespace mpyd::server::cli {
namespace {

constexpr std::size_t kShownBytes = 16;

Bytes part_of(Bytes image, const eeprom::Extent& extent) {
  return image.subspan(extent.offset, extent.length);
}

// 16 bytes as 8-4-4-4-12, anything else as plain hex.
std::string serial_text(const Serial& serial) {
  std::string hex = to_hex({serial.begin(), serial.size()});
  if (serial.size() != 16) return hex;
  for (const std::size_t at : {20U, 16U, 12U, 8U}) hex.insert(at, "-");
  return hex;
}

Outcome<void> check_board(const Manifest& manifest, const eeprom::BoardIdentity& board) {
  if (!(manifest.hardware_id == board.hardware_id))
    return failure(Errc::wrong_hardware,
                   "the package on the EEPROM is for " + std::string(manifest.hardware_id.view()) +
                       ", the board is " + std::string(board.hardware_id.view()));
  if (board.revision < manifest.revision_min || board.revision > manifest.revision_max)
    return failure(Errc::wrong_hardware, "the package on the EEPROM is for revisions " +
                                             std::to_string(manifest.revision_min) + " to " +
                                             std::to_string(manifest.revision_max) +
                                             ", the board has revision " +
                                             std::to_string(board.revision));
  return {};
}

// Every package on the board, in their order.
Outcome<void> add_packages(Bytes image, eeprom::BoardIdentity board, EepromReport& report) {
  eeprom::ImageSource source(image);
  boost::json::array packages;
  for (bool more = board.package.length != 0; more;) {
    const Bytes key_block = part_of(image, board.key_block);
    if (!key_block.empty()) MPYD_TRY(key_block_bytes(key_block));
    MPYD_TRY_ASSIGN(const CheckedPackage package, check_package(part_of(image, board.package)));
    MPYD_TRY(check_board(package.head.manifest, board));
    packages.emplace_back(package_json(package, key_block));
    report.text += package_text(package, key_block);
    MPYD_TRY_ASSIGN(more, eeprom::next_package(source, board));
  }
  report.json["packages"] = std::move(packages);
  return {};
}

}  // namespace

Outcome<EepromReport> report_eeprom(Bytes image) {
  eeprom::ImageSource source(image);
  const auto board = eeprom::identify(source);
  if (!board)
    return failure(board.error(), "not an ID EEPROM that can be read: " +
                                      std::string(describe(board.error())) + "; it starts with " +
                                      to_hex(image.first(std::min(image.size(), kShownBytes))));
  const std::string id(board->hardware_id.view());
  const std::string serial = serial_text(board->serial);
  const std::string config = to_base64(part_of(image, board->configuration));
  EepromReport report;
  report.json = {{"kind", "eeprom"}, {"hardware_id", id},       {"revision", board->revision},
                 {"serial", serial}, {"configuration", config}, {"bytes", image.size()}};
  report.text = "hardware ID    " + id + "\nrevision       " + std::to_string(board->revision) +
                "\nserial         " + (serial.empty() ? "none" : serial) + "\nconfiguration  " +
                std::to_string(board->configuration.length) + " bytes\n";
  MPYD_TRY(add_packages(image, *board, report));
  return report;
}

}  // namespace mpyd::server::cli
