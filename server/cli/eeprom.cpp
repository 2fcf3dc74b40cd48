// mpyd eeprom: images of ID EEPROMs.
#include <algorithm>
#include <bit>
#include <charconv>
#include <vector>

#include "protocol/eeprom/hat_layout.hpp"
#include "protocol/eeprom/hat_writer.hpp"
#include "protocol/eeprom/record.hpp"
#include "protocol/limits.hpp"
#include "server/cli/commands.hpp"
#include "server/cli/eeprom_text.hpp"
#include "server/services/packaging.hpp"
#include "server/util/encoding.hpp"
#include "server/util/file.hpp"

namespace mpyd::server::cli {
namespace {

// The layout has a byte for the length of each.
constexpr std::size_t kStringBytesMax = 255;

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

Outcome<void> check_length(std::string_view what, const std::string& text) {
  if (text.size() <= kStringBytesMax) return {};
  return failure(Errc::limit, std::string(what) + " has " + std::to_string(text.size()) +
                                  " bytes; there is room for " + std::to_string(kStringBytesMax));
}

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
  MPYD_TRY(check_length("the vendor", vendor));
  MPYD_TRY(check_length("the product", options.product_name));
  MPYD_TRY_ASSIGN(const std::uint16_t product_id, parse_product_id(product));
  const auto id = HardwareId::make("hat", vendor, product);
  if (!id)
    return failure(id.error(), "the hardware ID of the vendor " + vendor,
                   "a hardware ID has at most " + std::to_string(kHardwareIdMax) +
                       " bytes, percent-encoding included");
  return Identity{std::move(vendor), product_id};
}

Outcome<eeprom::HatFormat> parse_format(const std::string& text) {
  if (text == "hat") return eeprom::HatFormat::hat;
  if (text == "hat+") return eeprom::HatFormat::hat_plus;
  return failure(Errc::invalid_argument, "--format " + text + " is unknown", "it is hat+ or hat");
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

// Why an atom that somebody else reads may not be written; empty: it may.
std::string trouble_with_atom(std::uint32_t type, Bytes data) {
  if (type == 0 || type >= 0xffff) return "types are 1 to 65534";
  if (type == eeprom::kVendorAtom) return "the vendor atom is made from the other options";
  if (type == eeprom::kGpioMapAtom && data.size() != eeprom::kGpioMapBytes)
    return "a GPIO map has " + std::to_string(eeprom::kGpioMapBytes) + " bytes, this one " +
           std::to_string(data.size());
  if (type == eeprom::kCustomAtom && parse_record_header(data))
    return "it starts like a record of mpyd; --package and --config write those";
  return {};
}

struct ForeignAtom {
  std::uint16_t type = 0;
  ByteVector data;
};

Outcome<ForeignAtom> read_atom(const std::string& argument) {
  std::uint32_t type = 0;
  const char* const end = argument.data() + argument.size();
  const auto [after, error] = std::from_chars(argument.data(), end, type);
  if (error != std::errc() || after == end || *after != ':')
    return failure(Errc::invalid_argument, "not an atom: " + argument, "write TYPE:FILE");
  MPYD_TRY_ASSIGN(ByteVector data, read_file(std::string(after + 1, end), kEepromBytesMax));
  if (const std::string trouble = trouble_with_atom(type, data); !trouble.empty())
    return failure(Errc::invalid_argument, "--atom " + argument + ": " + trouble);
  return ForeignAtom{static_cast<std::uint16_t>(type), std::move(data)};
}

struct OnBoard {
  Abi abi;
  ByteVector package;
  ByteVector key_block;
};

// The packages of all files, in the order in which a motherboard shall weigh them.
Outcome<std::vector<OnBoard>> read_packages(const std::vector<std::string>& paths) {
  std::vector<OnBoard> out;
  for (const std::string& path : paths) {
    MPYD_TRY_ASSIGN(const ByteVector file, read_file(path, kEepromBytesMax));
    MPYD_TRY_ASSIGN(const std::vector<PackageView> views, with_context(split_mpkg(file), path));
    for (const PackageView& view : views) {
      MPYD_TRY_ASSIGN(const CheckedPackage checked,
                      with_context(check_package(view.package), path));
      const Abi& abi = checked.head.manifest.abi;
      for (const OnBoard& other : out)
        if (format_abi(other.abi) == format_abi(abi))
          return failure(Errc::conflict,
                         "two packages are for " + std::string(format_abi(abi).view()),
                         "a motherboard takes the first that fits: give one per ABI");
      out.push_back({abi, to_vector(view.package), to_vector(view.key_block)});
    }
  }
  std::stable_sort(out.begin(), out.end(), [](const OnBoard& a, const OnBoard& b) {
    return specificity(a.abi) > specificity(b.abi);
  });
  return out;
}

// What goes on the board, read from its files.
struct Content {
  std::vector<ForeignAtom> atoms;
  std::vector<OnBoard> packages;
  ByteVector configuration;
};

Outcome<Content> read_content(const EepromBuildOptions& options) {
  Content content;
  for (const std::string& argument : options.atoms) {
    MPYD_TRY_ASSIGN(ForeignAtom atom, read_atom(argument));
    content.atoms.push_back(std::move(atom));
  }
  MPYD_TRY_ASSIGN(content.packages, read_packages(options.package_files));
  if (!options.config_file.empty()) {
    MPYD_TRY_ASSIGN(content.configuration, read_file(options.config_file, kConfigMax));
  }
  return content;
}

// Writes into an image as large as EEPROMs get, cut to what is used.
Outcome<ByteVector> build_image(eeprom::HatContent head, const Content& content) {
  std::vector<eeprom::HatAtom> atoms;
  for (const ForeignAtom& atom : content.atoms) atoms.push_back({atom.type, atom.data});
  std::vector<eeprom::HatPackage> packages;
  for (const OnBoard& one : content.packages) packages.push_back({one.package, one.key_block});
  head.atoms = atoms;
  head.packages = packages;
  head.configuration = content.configuration;
  ByteVector image(kEepromBytesMax);
  const auto used = eeprom::write_hat(head, image);
  if (!used && used.error() == Errc::limit)
    return failure(Errc::limit,
                   "it is too much for one EEPROM of at most " + std::to_string(kEepromBytesMax) +
                       " bytes and " + std::to_string(eeprom::kAtomsMax) + " atoms",
                   "leave out a package; a key block counts as an atom too");
  if (!used) return mpyd::fail(Failure(used.error()));
  image.resize(*used);
  return image;
}

// `image` fits into `size` bytes and is padded as an erased EEPROM reads.
Outcome<void> pad(ByteVector& image, std::uint32_t size) {
  if (size == 0) return {};
  if (size > kEepromBytesMax)
    return failure(Errc::limit, "--size " + std::to_string(size) + ": an ID EEPROM has at most " +
                                    std::to_string(kEepromBytesMax) + " bytes");
  if (image.size() > size)
    return failure(Errc::limit,
                   "the image has " + std::to_string(image.size()) + " bytes, the EEPROM " +
                       std::to_string(size),
                   "leave out a package, or take an EEPROM of " +
                       std::to_string(std::bit_ceil(image.size())) + " bytes");
  image.resize(size, std::byte{0xff});
  return {};
}

}  // namespace

Outcome<void> run_eeprom_build(const EepromBuildOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const Identity identity, identity_of(options));
  MPYD_TRY_ASSIGN(const eeprom::HatFormat format, parse_format(options.format));
  MPYD_TRY_ASSIGN(const auto uuid, parse_uuid(options.serial));
  if (options.revision > 0xffff) return failure(Errc::limit, "a HAT's revision is at most 65535");
  MPYD_TRY_ASSIGN(const Content content, read_content(options));
  MPYD_TRY_ASSIGN(ByteVector image,
                  build_image({.format = format,
                               .vendor = identity.vendor,
                               .product = options.product_name,
                               .product_id = identity.product_id,
                               .product_version = static_cast<std::uint16_t>(options.revision),
                               .uuid = uuid},
                              content));
  const std::size_t used = image.size();
  MPYD_TRY(pad(image, options.size));
  // Read back by the rules a motherboard applies, packages included, before anyone flashes it.
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
