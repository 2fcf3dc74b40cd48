#include "server/cli/eeprom_content.hpp"

#include <algorithm>
#include <charconv>

#include "protocol/eeprom/hat_layout.hpp"
#include "protocol/eeprom/record.hpp"
#include "protocol/limits.hpp"
#include "server/services/packaging.hpp"
#include "server/util/file.hpp"

namespace mpyd::server::cli {
namespace {

// A length byte stands before it.
constexpr std::size_t kDriverDataMax = 255;

// Why an atom that somebody else reads may not be written; empty: it may.
std::string trouble_with_atom(std::uint32_t type, Bytes data) {
  if (type == 0 || type >= 0xffff) return "types are 1 to 65534";
  if (type == eeprom::kVendorAtom) return "the vendor atom is made from the other options";
  if (type == eeprom::kPowerAtom) return "the power atom is made from --current";
  if (type == eeprom::kGpioMapAtom && data.size() != eeprom::kGpioMapBytes)
    return "a GPIO map has " + std::to_string(eeprom::kGpioMapBytes) + " bytes, this one " +
           std::to_string(data.size());
  if (type == eeprom::kCustomAtom && parse_record_header(data))
    return "it starts like a record of mpyd; --package and --config write those";
  return {};
}

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

// The packages of all files.
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

}  // namespace

Outcome<EepromContent> read_eeprom_content(const EepromBuildOptions& options) {
  EepromContent content;
  for (const std::string& argument : options.atoms) {
    MPYD_TRY_ASSIGN(ForeignAtom atom, read_atom(argument));
    content.atoms.push_back(std::move(atom));
  }
  MPYD_TRY_ASSIGN(content.packages, read_packages(options.package_files));
  if (!options.config_file.empty()) {
    MPYD_TRY_ASSIGN(content.configuration, read_file(options.config_file, kConfigMax));
  }
  if (!options.driver_data_file.empty()) {
    MPYD_TRY_ASSIGN(content.driver_data, read_file(options.driver_data_file, kDriverDataMax));
  }
  return content;
}

}  // namespace mpyd::server::cli
