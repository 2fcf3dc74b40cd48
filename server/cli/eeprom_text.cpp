#include "server/cli/eeprom_text.hpp"

#include <algorithm>
#include <boost/json/array.hpp>

#include "protocol/eeprom/identify.hpp"
#include "protocol/eeprom/store_area.hpp"
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

struct Told {
  boost::json::object json;
  std::string text;
};

Outcome<Told> tell_package(Bytes image, const eeprom::BoardIdentity& board) {
  const Bytes key_block = part_of(image, board.key_block);
  if (!key_block.empty()) MPYD_TRY(key_block_bytes(key_block));
  MPYD_TRY_ASSIGN(const CheckedPackage package, check_package(part_of(image, board.package)));
  MPYD_TRY(check_board(package.head.manifest, board));
  return Told{package_json(package, key_block), package_text(package, key_block)};
}

bool is_stored(const eeprom::BoardIdentity& board) {
  return board.package.offset >= board.store_area.place.offset &&
         board.package.offset - board.store_area.place.offset < board.store_area.place.length;
}

// Every package on the board, in their order. A damaged one that was stored in the field is told
// and stops nothing, as on a motherboard.
Outcome<void> add_packages(Bytes image, eeprom::BoardIdentity board, EepromReport& report) {
  eeprom::ImageSource source(image);
  boost::json::array packages;
  for (bool more = board.package.length != 0; more;) {
    const bool stored = is_stored(board);
    auto told = tell_package(image, board);
    if (!told && !stored) return mpyd::fail(std::move(told).error());
    if (told) {
      told->json["place"] = stored ? "store area" : "board";
      report.text += (stored ? "stored in the field:\n" : "") + told->text;
      packages.emplace_back(std::move(told->json));
    } else {
      packages.emplace_back(
          boost::json::object{{"place", "store area"}, {"error", name(told.error().error.code)}});
      report.text += "stored in the field: a package that no motherboard takes: " +
                     told.error().error.message + "\n";
    }
    MPYD_TRY_ASSIGN(more, eeprom::next_package(source, board));
  }
  report.json["packages"] = std::move(packages);
  return {};
}

bool has_text_serial(eeprom::Layout layout) {
  return layout == eeprom::Layout::cape || layout == eeprom::Layout::fru;
}

// What the layout says beyond hardware ID, revision and serial as others use them.
void add_layout(const eeprom::BoardIdentity& board, EepromReport& report) {
  report.json["layout"] = eeprom::name(board.layout);
  report.json["current_ma"] = board.current_ma;
  if (board.current_ma != 0)
    report.text += "current        " + std::to_string(board.current_ma) + " mA\n";
  if (has_text_serial(board.layout)) {
    const std::string text(as_text({board.serial.begin(), board.serial.size()}));
    report.json["serial_text"] = text;
    if (!text.empty()) report.text += "serial, text   " + text + "\n";
  }
  if (board.layout == eeprom::Layout::hexpansion && board.serial.size() == 2) {
    // As --serial and the badge's own tools have it.
    const auto unique_id = std::to_integer<unsigned>(board.serial[0]) << 8 |
                           std::to_integer<unsigned>(board.serial[1]);
    report.json["unique_id"] = unique_id;
    report.text += "unique id      " + std::to_string(unique_id) + "\n";
  }
  if (board.layout == eeprom::Layout::cape) {
    std::string version;
    for (const unsigned shift : {24U, 16U, 8U, 0U})
      version += static_cast<char>(board.revision >> shift & 0xff);
    report.json["revision_text"] = version;
    report.text += "version        " + version + "\n";
  }
}

void add_store_area(const eeprom::StoreArea& area, EepromReport& report) {
  if (area.place.length == 0) {
    report.json["store_area"] = nullptr;
    return;
  }
  const eeprom::StoreRoom room = eeprom::room_of(area);
  report.json["store_area"] = {{"offset", area.place.offset},
                               {"bytes", area.place.length},
                               {"page_bytes", area.page_bytes},
                               {"room_one", room.one},
                               {"room_each_of_two", room.each_of_two}};
  report.text += "store area     " + std::to_string(area.place.length) + " bytes at " +
                 std::to_string(area.place.offset) + ", pages of " +
                 std::to_string(area.page_bytes) + ": a package and its key block of " +
                 std::to_string(room.one) + " bytes, or two of " +
                 std::to_string(room.each_of_two) + "\n";
}

}  // namespace

Outcome<EepromReport> report_eeprom(Bytes image) {
  eeprom::ImageSource source(image);
  const auto board = eeprom::identify(source);
  if (!board)
    return failure(board.error(),
                   "not an ID EEPROM that can be read: " + std::string(describe(board.error())) +
                       "; it has " + std::to_string(image.size()) + " bytes and starts with " +
                       to_hex(image.first(std::min(image.size(), kShownBytes))),
                   board.error() == Errc::truncated
                       ? "an image holds all bytes of its EEPROM: was only a part of it read?"
                       : "");
  const std::string id(board->hardware_id.view());
  const std::string serial = serial_text(board->serial);
  const std::string config = to_base64(part_of(image, board->configuration));
  EepromReport report;
  report.json = {{"kind", "eeprom"}, {"hardware_id", id},       {"revision", board->revision},
                 {"serial", serial}, {"configuration", config}, {"bytes", image.size()}};
  report.text = "layout         " + std::string(eeprom::name(board->layout)) + "\nhardware ID    " +
                id + "\nrevision       " + std::to_string(board->revision) + "\nserial         " +
                (serial.empty() ? "none" : serial) + "\n";
  add_layout(*board, report);
  report.text += "configuration  " + std::to_string(board->configuration.length) + " bytes\n";
  add_store_area(board->store_area, report);
  MPYD_TRY(add_packages(image, *board, report));
  return report;
}

}  // namespace mpyd::server::cli
