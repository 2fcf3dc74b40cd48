#include "server/cli/eeprom_image.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <initializer_list>

#include "protocol/eeprom/hat_layout.hpp"
#include "protocol/eeprom/hat_writer.hpp"
#include "protocol/eeprom/hexpansion_writer.hpp"
#include "protocol/eeprom/identify.hpp"
#include "protocol/eeprom/life_writer.hpp"
#include "protocol/eeprom/part_writer.hpp"
#include "protocol/limits.hpp"
#include "server/util/encoding.hpp"

namespace mpyd::server::cli {
namespace {

constexpr std::uint32_t kReserveMin = 256;  // the head of a signed package has more

// A HAT has a byte for the length of each of its strings.
constexpr std::size_t kStringBytesMax = 255;
constexpr std::uint32_t kSizeMin = 128;  // of a 24C01

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16).ec == std::errc()) {
      out += static_cast<char>(value);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

Outcome<std::uint16_t> parse_id(std::string_view what, std::string_view text) {
  std::uint16_t id = 0;
  const char* const end = text.data() + text.size();
  if (text.size() == 4 && std::from_chars(text.data(), end, id, 16).ptr == end) return id;
  return failure(Errc::invalid_argument, std::string(what) + " is no id: " + std::string(text),
                 "it is four hex digits, e.g. 0042");
}

Outcome<void> check_length(std::string_view what, const std::string& text) {
  if (text.size() <= kStringBytesMax) return {};
  return failure(Errc::limit, std::string(what) + " has " + std::to_string(text.size()) +
                                  " bytes; there is room for " + std::to_string(kStringBytesMax));
}

Outcome<std::array<std::byte, 16>> parse_uuid(std::string text) {
  std::array<std::byte, 16> out{};
  if (text.empty()) return out;
  text.erase(std::remove(text.begin(), text.end(), '-'), text.end());
  const auto bytes = from_hex(text);
  if (!bytes || bytes->size() != out.size())
    return failure(Errc::invalid_argument, "not a UUID: " + text,
                   "write 2f0c6a1e-5b7d-4c3a-9e21-7a5f1b8c4d10");
  copy_bytes(*bytes, out);
  return out;
}

// The parts of a hardware ID as its layout stores them.
struct Identity {
  std::string vendor;
  std::string product;
};

Outcome<Identity> identity_of(const EepromBuildOptions& options) {
  if (options.hardware_id.empty()) return Identity{options.vendor, options.product_id};
  MPYD_TRY_ASSIGN(const HardwareId id, parse_hardware_id_option(options.hardware_id));
  const std::string_view text = id.view();
  const std::size_t first = text.find(':');
  const std::size_t last = text.rfind(':');
  return Identity{percent_decoded(text.substr(first + 1, last - first - 1)),
                  percent_decoded(text.substr(last + 1))};
}

// One option that only some layouts know.
struct Given {
  const char* option;
  bool is_given;
};
Outcome<void> check_unused(std::string_view layout, std::initializer_list<Given> options) {
  for (const Given& one : options)
    if (one.is_given)
      return failure(Errc::invalid_argument, std::string(one.option) + " is nothing that a " +
                                                 std::string(layout) + " can carry");
  return {};
}

std::vector<eeprom::BoardPackage> views_of(const EepromContent& content) {
  std::vector<eeprom::BoardPackage> out;
  for (const OnBoard& one : content.packages) out.push_back({one.package, one.key_block});
  return out;
}

// By the table of the 24Cxx family.
std::uint32_t page_bytes_of(const EepromBuildOptions& options, std::uint32_t size) {
  if (options.page_bytes != 0) return options.page_bytes;
  const bool has_short_address = size <= 2048;
  return eeprom::page_bytes_of(
      {.address_bytes = static_cast<std::uint8_t>(has_short_address ? 1 : 2),
       .blocks = static_cast<std::uint8_t>(has_short_address ? std::max(size / 256, 1U) : 1),
       .size = size});
}

Outcome<eeprom::HatFormat> parse_hat_format(const std::string& text) {
  if (text == "hat") return eeprom::HatFormat::hat;
  if (text.empty() || text == "hat+") return eeprom::HatFormat::hat_plus;
  return failure(Errc::invalid_argument, "--format " + text + " is unknown", "it is hat+ or hat");
}

Outcome<eeprom::HatContent> hat_head(const EepromBuildOptions& options, const Identity& identity) {
  if (identity.vendor.empty())
    return failure(Errc::invalid_argument, "whose board is it?",
                   "give --hardware-id hat:VENDOR:PRODUCT, or --vendor and --product-id");
  MPYD_TRY(check_length("the vendor", identity.vendor));
  MPYD_TRY(check_length("the product", options.product_name));
  MPYD_TRY_ASSIGN(const std::uint16_t product_id, parse_id("the product", identity.product));
  const auto id = HardwareId::make("hat", identity.vendor, identity.product);
  if (!id)
    return failure(id.error(), "the hardware ID of the vendor " + identity.vendor,
                   "a hardware ID has at most " + std::to_string(kHardwareIdMax) +
                       " bytes, percent-encoding included");
  MPYD_TRY_ASSIGN(const eeprom::HatFormat format, parse_hat_format(options.format));
  if (format == eeprom::HatFormat::hat && options.current_ma != 0)
    return failure(Errc::invalid_argument, "version 1 of the HAT format has no place for --current",
                   "leave out --format hat");
  MPYD_TRY_ASSIGN(const auto uuid, parse_uuid(options.serial));
  if (options.revision > 0xffff) return failure(Errc::limit, "a HAT's revision is at most 65535");
  return eeprom::HatContent{.format = format,
                            .vendor = identity.vendor,
                            .product = options.product_name,
                            .product_id = product_id,
                            .product_version = static_cast<std::uint16_t>(options.revision),
                            .uuid = uuid,
                            .current_ma = options.current_ma};
}

// `size` 0: as long as what is used. Errors: limit.
Outcome<EepromImage> build_hat(const EepromBuildOptions& options, const EepromContent& content,
                               std::uint32_t size) {
  MPYD_TRY_ASSIGN(const Identity identity, identity_of(options));
  MPYD_TRY_ASSIGN(eeprom::HatContent head, hat_head(options, identity));
  std::vector<eeprom::HatAtom> atoms;
  for (const ForeignAtom& atom : content.atoms) atoms.push_back({atom.type, atom.data});
  const std::vector<eeprom::BoardPackage> packages = views_of(content);
  head.atoms = atoms;
  head.packages = packages;
  head.configuration = content.configuration;
  head.reserve = {.bytes = options.reserve_bytes, .page_bytes = page_bytes_of(options, size)};
  ByteVector image(kEepromBytesMax, std::byte{0xff});
  const auto written = eeprom::write_hat(head, image);
  if (!written && written.error() == Errc::limit)
    return failure(Errc::limit,
                   "it is too much for one EEPROM of at most " + std::to_string(kEepromBytesMax) +
                       " bytes and " + std::to_string(eeprom::kAtomsMax) + " atoms",
                   "leave out a package; a key block counts as an atom too");
  // What is left to be wrong is an area that ends beyond every EEPROM.
  if (!written)
    return failure(Errc::limit, "the store area does not fit any EEPROM", "reserve less");
  std::size_t used = *written;
  if (options.reserve_bytes != 0) {
    eeprom::ImageSource source(image);
    MPYD_TRY_ASSIGN(const eeprom::BoardIdentity board, eeprom::identify(source));
    used = board.store_area.place.offset + board.store_area.place.length;
  }
  if (size != 0 && used > size)
    return failure(Errc::limit, "the image has " + std::to_string(used) + " bytes, the EEPROM " +
                                    std::to_string(size));
  image.resize(size != 0 ? size : used);
  return EepromImage{std::move(image), used};
}

Outcome<std::uint16_t> parse_unique_id(const std::string& text) {
  if (text.empty()) return std::uint16_t{0};
  const bool is_hex = text.starts_with("0x");
  const char* const end = text.data() + text.size();
  std::uint16_t out = 0;
  const auto [after, error] =
      std::from_chars(text.data() + (is_hex ? 2 : 0), end, out, is_hex ? 16 : 10);
  if (error == std::errc() && after == end) return out;
  return failure(Errc::invalid_argument, "not the unique id of a hexpansion: " + text,
                 "it is a number from 1 to 65535; 0 is none");
}

Outcome<eeprom::HexpansionYear> parse_year(const std::string& text) {
  if (text.empty() || text == "2024") return eeprom::HexpansionYear::y2024;
  if (text == "2026") return eeprom::HexpansionYear::y2026;
  return failure(Errc::invalid_argument, "--format " + text + " is unknown", "it is 2024 or 2026");
}

Outcome<EepromImage> build_hexpansion(const EepromBuildOptions& options,
                                      const EepromContent& content, std::uint32_t size) {
  if (size == 0)
    return failure(Errc::invalid_argument, "a hexpansion's header says how large its EEPROM is",
                   "give --size, e.g. 8192 for a 24C64");
  MPYD_TRY_ASSIGN(const Identity identity, identity_of(options));
  MPYD_TRY_ASSIGN(const std::uint16_t vid, parse_id("the vendor", identity.vendor));
  MPYD_TRY_ASSIGN(const std::uint16_t pid, parse_id("the product", identity.product));
  MPYD_TRY_ASSIGN(const eeprom::HexpansionYear year, parse_year(options.format));
  MPYD_TRY_ASSIGN(const std::uint16_t unique_id, parse_unique_id(options.serial));
  if (options.friendly_name.size() > 9)
    return failure(Errc::limit, "--friendly-name has " +
                                    std::to_string(options.friendly_name.size()) +
                                    " bytes; there is room for 9");
  const std::vector<eeprom::BoardPackage> packages = views_of(content);
  const std::uint32_t page = page_bytes_of(options, size);
  ByteVector image(size);
  const auto file_system =
      eeprom::write_hexpansion({.year = year,
                                .vid = vid,
                                .pid = pid,
                                .unique_id = unique_id,
                                .friendly_name = options.friendly_name,
                                .page_bytes = page,
                                .total_bytes = size,
                                .configuration = content.configuration,
                                .packages = packages,
                                .reserve = {.bytes = options.reserve_bytes, .page_bytes = page}},
                               image);
  if (!file_system && file_system.error() == Errc::malformed)
    return failure(
        Errc::invalid_argument,
        "no EEPROM has " + std::to_string(size) + " bytes in pages of " + std::to_string(page),
        "give --size and --page-size as the part's data sheet has them");
  if (!file_system)
    return failure(Errc::limit, "it does not fit an EEPROM of " + std::to_string(size) +
                                    " bytes beside a file system of two blocks");
  return EepromImage{std::move(image), *file_system};
}

Outcome<EepromImage> build_life(const EepromBuildOptions& options, const EepromContent& content,
                                std::uint32_t size) {
  MPYD_TRY_ASSIGN(const Identity identity, identity_of(options));
  ByteVector image(kEepromBytesMax, std::byte{0xff});
  const auto used = eeprom::write_life({.name = identity.vendor,
                                        .driver_name = identity.product,
                                        .driver_data = content.driver_data},
                                       image);
  if (!used)
    return failure(used.error(), "the name or the driver's name is nothing a badge could read",
                   "neither may be empty, have a NUL or end with a space");
  if (size != 0 && *used > size)
    return failure(Errc::limit, "the image has " + std::to_string(*used) + " bytes, the EEPROM " +
                                    std::to_string(size));
  image.resize(size != 0 ? size : *used);
  return EepromImage{std::move(image), *used};
}

Outcome<EepromImage> build_for(BuildLayout layout, const EepromBuildOptions& options,
                               const EepromContent& content, std::uint32_t size) {
  switch (layout) {
    case BuildLayout::hat:
      return build_hat(options, content, size);
    case BuildLayout::hexpansion:
      return build_hexpansion(options, content, size);
    case BuildLayout::life:
      break;
  }
  return build_life(options, content, size);
}

Outcome<void> check_size(const EepromBuildOptions& options) {
  if (options.size > kEepromBytesMax)
    return failure(Errc::limit, "--size " + std::to_string(options.size) +
                                    ": an ID EEPROM has at most " +
                                    std::to_string(kEepromBytesMax) + " bytes");
  if ((options.size & (options.size - 1)) != 0)
    return failure(Errc::invalid_argument,
                   "no EEPROM has " + std::to_string(options.size) + " bytes",
                   "give --size as the part's data sheet has it, a power of two: " +
                       std::to_string(std::bit_ceil(options.size)) + " is the next");
  if (options.reserve_bytes != 0 && options.size == 0)
    return failure(Errc::invalid_argument, "where a store area may begin depends on the EEPROM",
                   "give --size, e.g. 8192 for a 24C64");
  if (options.reserve_bytes != 0 && options.reserve_bytes < kReserveMin)
    return failure(Errc::invalid_argument,
                   "--reserve " + std::to_string(options.reserve_bytes) + " holds no package",
                   "give the bytes of the largest package it is to hold; twice that keeps the old "
                   "one while a new one is written");
  if (options.reserve_bytes > kEepromBytesMax)
    return failure(Errc::limit, "--reserve " + std::to_string(options.reserve_bytes) +
                                    " is more than the largest EEPROM has");
  const std::uint32_t page = options.page_bytes;
  if (page != 0 && (page < 8 || page > 256 || (page & (page - 1)) != 0))
    return failure(Errc::invalid_argument,
                   "no EEPROM has pages of " + std::to_string(page) + " bytes",
                   "it is 8, 16, 32, 64, 128 or 256, by the part's data sheet");
  return {};
}

}  // namespace

Outcome<BuildLayout> build_layout_of(const EepromBuildOptions& options) {
  const std::string_view id = options.hardware_id;
  const bool has_records = !options.config_file.empty() || !options.package_files.empty() ||
                           options.reserve_bytes != 0 || options.page_bytes != 0;
  const bool has_hat_fields = options.revision != 0 || !options.product_name.empty() ||
                              !options.atoms.empty() || options.current_ma != 0;
  const Given hat_only = {"--revision, --product, --atom or --current", has_hat_fields};
  const Given name = {"--friendly-name", !options.friendly_name.empty()};
  const Given data = {"--driver-data", !options.driver_data_file.empty()};
  if (id.empty() || id.starts_with("hat:")) {
    MPYD_TRY(check_unused("HAT", {name, data}));
    return BuildLayout::hat;
  }
  if (id.starts_with("thex:")) {
    MPYD_TRY(check_unused("hexpansion", {hat_only, data}));
    return BuildLayout::hexpansion;
  }
  if (id.starts_with("life:")) {
    MPYD_TRY(check_unused("LIFE add-on", {hat_only,
                                          name,
                                          {"--config, --package or --reserve", has_records},
                                          {"--serial", !options.serial.empty()},
                                          {"--format", !options.format.empty()}}));
    return BuildLayout::life;
  }
  if (!HardwareId::parse(id))
    return failure(Errc::invalid_argument,
                   std::string(id) + " is not a hardware ID of the form scheme:vendor:product",
                   "--hardware-id is hat:VENDOR:PRODUCT, thex:VID:PID or life:NAME:DRIVER");
  return failure(Errc::invalid_argument, "images of this layout are read, not built",
                 "--hardware-id is hat:VENDOR:PRODUCT, thex:VID:PID or life:NAME:DRIVER");
}

Outcome<EepromImage> build_eeprom_image(const EepromBuildOptions& options,
                                        const EepromContent& content) {
  MPYD_TRY_ASSIGN(const BuildLayout layout, build_layout_of(options));
  MPYD_TRY(check_size(options));
  auto image = build_for(layout, options, content, options.size);
  if (image || image.error().error.code != Errc::limit || options.size == 0) return image;
  for (std::uint32_t size = kSizeMin; size <= kEepromBytesMax; size *= 2) {
    if (size <= options.size || !build_for(layout, options, content, size)) continue;
    image.error().hint =
        "leave something out, or take an EEPROM of " + std::to_string(size) + " bytes";
    break;
  }
  return image;
}

}  // namespace mpyd::server::cli
