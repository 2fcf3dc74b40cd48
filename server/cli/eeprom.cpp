// mpyd eeprom: images of ID EEPROMs.
#include <algorithm>
#include <charconv>
#include <optional>

#include "protocol/eeprom/hat_writer.hpp"
#include "protocol/limits.hpp"
#include "server/cli/commands.hpp"
#include "server/cli/eeprom_text.hpp"
#include "server/services/packaging.hpp"
#include "server/util/encoding.hpp"
#include "server/util/file.hpp"

namespace mpyd::server::cli {
namespace {

constexpr std::size_t kMpkgBytesMax = 2 * kPackageBytesMax;

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

Outcome<std::uint16_t> parse_product_id(std::string_view text) {
  std::uint16_t id = 0;
  const char* const end = text.data() + text.size();
  if (text.size() == 4 && std::from_chars(text.data(), end, id, 16).ptr == end) return id;
  return failure(Errc::invalid_argument, "not a product id: " + std::string(text),
                 "a HAT's product id is four hex digits, e.g. 0042");
}

struct Identity {
  std::string vendor;
  std::uint16_t product_id = 0;
};

Outcome<Identity> identity_of(const EepromBuildOptions& options) {
  std::string vendor = options.vendor;
  std::string product = options.product_id;
  if (!options.hardware_id.empty()) {
    MPYD_TRY_ASSIGN(const HardwareId id, parse_hardware_id_option(options.hardware_id));
    const std::string_view text = id.view();
    if (!text.starts_with("hat:"))
      return failure(Errc::invalid_argument, "only hat:VENDOR:PRODUCT images can be built");
    const std::size_t colon = text.rfind(':');
    vendor = percent_decoded(text.substr(4, colon - 4));
    product = std::string(text.substr(colon + 1));
  }
  if (vendor.empty())
    return failure(Errc::invalid_argument, "whose board is it?",
                   "give --hardware-id hat:VENDOR:PRODUCT, or --vendor and --product-id");
  MPYD_TRY_ASSIGN(const std::uint16_t product_id, parse_product_id(product));
  return Identity{std::move(vendor), product_id};
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

// The one package of a .mpkg file, whole.
Outcome<PackageView> single_package(const ByteVector& file, const std::string& path) {
  MPYD_TRY_ASSIGN(const std::vector<PackageView> views, with_context(split_mpkg(file), path));
  if (views.size() != 1)
    return failure(Errc::invalid_argument, path + " holds several packages; an EEPROM has one");
  MPYD_TRY(with_context(check_package(views.front().package), path));
  return views.front();
}

// `image` fits into `size` bytes and is padded as an erased EEPROM reads.
Outcome<void> pad(ByteVector& image, std::uint32_t size) {
  if (size == 0) return {};
  if (image.size() > size)
    return failure(Errc::limit, "the image has " + std::to_string(image.size()) +
                                    " bytes, the EEPROM " + std::to_string(size));
  image.resize(size, std::byte{0xff});
  return {};
}

}  // namespace

Outcome<void> run_eeprom_build(const EepromBuildOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const Identity identity, identity_of(options));
  MPYD_TRY_ASSIGN(const auto uuid, parse_uuid(options.serial));
  if (options.revision > 0xffff)
    return failure(Errc::invalid_argument, "a HAT's revision is at most 65535");
  ByteVector mpkg;
  PackageView package;
  if (!options.package_file.empty()) {
    MPYD_TRY_ASSIGN(mpkg, read_file(options.package_file, kMpkgBytesMax));
    MPYD_TRY_ASSIGN(package, single_package(mpkg, options.package_file));
  }
  ByteVector config;
  if (!options.config_file.empty()) {
    MPYD_TRY_ASSIGN(config, read_file(options.config_file, kConfigMax));
  }

  ByteVector image(kEepromBytesMax);
  const eeprom::HatContent content{
      .vendor = identity.vendor,
      .product = options.product_name,
      .product_id = identity.product_id,
      .product_version = static_cast<std::uint16_t>(options.revision),
      .uuid = uuid,
      .package = package.package,
      .key_block = package.key_block,
      .configuration = config,
  };
  MPYD_TRY_ASSIGN(const std::size_t used, lift(eeprom::write_hat(content, image), "EEPROM image"));
  image.resize(used);
  MPYD_TRY(pad(image, options.size));
  // Read back by the rules a motherboard applies, package included, before anyone flashes it.
  MPYD_TRY_ASSIGN(EepromReport report, explain_as(report_eeprom(image), "the image just built"));
  MPYD_TRY(write_file(options.out_file, image, 0644));
  report.json["file"] = options.out_file;
  report.json["used_bytes"] = used;
  out.result(report.json, report.text + "image          " + options.out_file + ", " +
                              std::to_string(used) + " bytes used of " +
                              std::to_string(image.size()) + "\n");
  return {};
}

Outcome<void> run_eeprom_identify(const EepromIdentifyOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const ByteVector image, read_file(options.file, kEepromBytesMax));
  MPYD_TRY_ASSIGN(const EepromReport report, explain_as(report_eeprom(image), options.file));
  out.result(report.json, report.text);
  return {};
}

}  // namespace mpyd::server::cli
