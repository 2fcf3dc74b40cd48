#include "server/cli/driver_files.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>

#include "protocol/crypto.hpp"
#include "protocol/mpy/header.hpp"
#include "protocol/package/key_block.hpp"
#include "server/cli/driver_folder.hpp"
#include "server/cli/passphrase.hpp"
#include "server/util/clock.hpp"
#include "server/util/file.hpp"

namespace mpyd::server::cli {
namespace {

constexpr std::size_t kFileBytesMax = kPackagesPerFileMax * (kPackageBytesMax + kKeyBlockBytesMax);

Outcome<FloatAbi> parse_float(std::string_view text) {
  if (text == "none") return FloatAbi::none;
  if (text == "soft") return FloatAbi::soft;
  if (text == "hard") return FloatAbi::hard;
  return failure(Errc::invalid_argument, "float=" + std::string(text) + " is unknown",
                 "float is none, soft or hard");
}

Outcome<ObjectRepr> parse_repr(std::string_view text) {
  if (text.size() == 1 && text[0] >= 'A' && text[0] <= 'D')
    return static_cast<ObjectRepr>(text[0] - 'A' + 1);
  return failure(Errc::invalid_argument, "repr=" + std::string(text) + " is unknown",
                 "repr is A, B, C or D");
}

Outcome<void> apply_overrides(std::string_view overrides, Abi& abi) {
  while (!overrides.empty()) {
    const std::size_t comma = overrides.find(',');
    const std::string_view one = overrides.substr(0, comma);
    overrides = comma == std::string_view::npos ? "" : overrides.substr(comma + 1);
    if (one.starts_with("float=")) {
      MPYD_TRY_ASSIGN(abi.float_abi, parse_float(one.substr(6)));
    } else if (one.starts_with("repr=")) {
      MPYD_TRY_ASSIGN(abi.object_repr, parse_repr(one.substr(5)));
    } else {
      return failure(Errc::invalid_argument, "unknown override: " + std::string(one),
                     "write FILE.mpy:float=soft,repr=C");
    }
    if (!abi.is_native())
      return failure(Errc::invalid_argument,
                     "bytecode has neither float ABI nor object representation");
  }
  return {};
}

// One file to read.
struct Argument {
  std::string path;
  std::string overrides;
  std::optional<Arch> folder_arch;  // of a file found in a folder
};

// The overrides start at the last colon, if key=value follows it.
Argument split_argument(const std::string& argument) {
  const std::size_t colon = argument.rfind(':');
  if (colon == std::string::npos || argument.find('=', colon) == std::string::npos ||
      argument.find('/', colon) != std::string::npos)
    return {argument, {}, {}};
  return {argument.substr(0, colon), argument.substr(colon + 1), {}};
}

bool is_same_file(const std::string& a, const std::string& b) {
  std::error_code ignored;
  return std::filesystem::equivalent(a, b, ignored);
}

// Puts the variants of folders in their place, but for those that are named by themselves.
Outcome<std::vector<Argument>> expand_folders(const std::vector<std::string>& arguments) {
  std::vector<Argument> files;
  std::vector<Argument> found;
  for (const std::string& text : arguments) {
    Argument argument = split_argument(text);
    std::error_code ignored;
    if (!std::filesystem::is_directory(argument.path, ignored)) {
      files.push_back(std::move(argument));
      continue;
    }
    if (!argument.overrides.empty())
      return failure(Errc::invalid_argument,
                     argument.path + " is a folder; what it holds differs in ABI",
                     "name the file beside it, as in DIR DIR/armv7emsp/NAME.mpy:float=soft");
    MPYD_TRY_ASSIGN(const std::vector<FolderVariant> variants, find_variants(argument.path));
    for (const FolderVariant& variant : variants) found.push_back({variant.path, {}, variant.arch});
  }
  std::erase_if(found, [&](const Argument& in_folder) {
    return std::any_of(files.begin(), files.end(), [&](const Argument& named) {
      return is_same_file(named.path, in_folder.path);
    });
  });
  files.insert(files.begin(), found.begin(), found.end());
  return files;
}

// Why a file has no .mpy header that counts, in the words of whoever took it for one.
Unexpected<Failure> no_module(const std::string& path, Bytes file, Errc code) {
  const std::filesystem::path name(path);
  const std::string extension = name.extension();
  if (extension == ".c" || extension == ".h")
    return failure(code, "C source, not a module that is built",
                   "build it first, and publish what comes out: deploy/driver build " +
                       (name.has_parent_path() ? name.parent_path().string() : "."));
  if (extension == ".py")
    return failure(code, "Python source, not a module that is built",
                   "compile it first, and publish the .mpy: mpy-cross " + path);
  if (as_text(file).starts_with("\x7f"
                                "ELF"))
    return failure(code, "an object file, not a module that is linked",
                   "MicroPython's tools/mpy_ld.py makes a .mpy of it, as deploy/driver build does");
  if (code == Errc::unsupported && file.size() > 1 && load_u8(file, 1) != 6)
    return failure(
        code,
        "a .mpy of version " + std::to_string(load_u8(file, 1)) + "; motherboards load version 6",
        "compile it with the mpy-cross of MicroPython 1.19 or later");
  if (code == Errc::unsupported)
    return failure(code,
                   "a .mpy for an architecture that this mpyd does not know (feature byte " +
                       std::to_string(load_u8(file, 2)) + ")",
                   "build it for one that it knows, as deploy/driver build does, or use a newer "
                   "mpyd");
  return failure(code, "not a .mpy: " + std::string(describe(code)),
                 "mpyd inspect " + path + " says what it is");
}

Outcome<MpyFile> read_mpy(const std::string& path, ByteVector bytes, std::string_view overrides) {
  const auto header_found = mpy::parse_header(bytes);
  if (!header_found) return no_module(path, bytes, header_found.error());
  const mpy::Header& header = *header_found;
  MpyFile file{.path = path, .bytes = std::move(bytes), .abi = header.abi};
  MPYD_TRY(apply_overrides(overrides, file.abi));
  const bool is_float_said = file.abi.float_abi != FloatAbi::unspecified;
  file.abi = with_defaults(file.abi);
  MPYD_TRY_ASSIGN(const mpy::Facts facts, check_mpy(file.bytes, file.abi));
  file.may_pass_floats =
      facts.floats_cross && file.abi.float_abi == FloatAbi::none && !is_float_said;
  file.plain_digest = crypto::sha256(file.bytes);
  return file;
}

Outcome<void> read_mpkgs(const std::string& path, const ByteVector& bytes,
                         std::vector<MpkgFile>& out) {
  MPYD_TRY_ASSIGN(const std::vector<PackageView> views, split_mpkg(bytes));
  for (const PackageView& view : views) {
    MPYD_TRY_ASSIGN(const CheckedPackage checked, check_package(view.package));
    out.push_back({path, to_vector(view.both()), checked.head.manifest, checked.digest});
  }
  return {};
}

Outcome<void> refuse_same_abi(const DriverFiles& files) {
  std::vector<Abi> abis;
  for (const MpyFile& file : files.mpys) abis.push_back(file.abi);
  for (const MpkgFile& file : files.mpkgs) abis.push_back(file.manifest.abi);
  for (std::size_t i = 0; i < abis.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (abis[i] == abis[j])
        return failure(Errc::conflict,
                       "two files are for the ABI " + std::string(format_abi(abis[i]).view()),
                       "give one file per ABI; FILE.mpy:float=soft,repr=C tells apart what no "
                       ".mpy says of itself");
  return {};
}

// A-B, A- (up to the highest), A.
Outcome<void> parse_revisions(const std::string& text, Manifest& manifest) {
  if (text.empty()) return {};
  const char* const end = text.data() + text.size();
  const auto [first_end, first_error] = std::from_chars(text.data(), end, manifest.revision_min);
  bool good = first_error == std::errc();
  if (good && first_end == end) {
    manifest.revision_max = manifest.revision_min;
  } else if (good && *first_end == '-' && first_end + 1 == end) {
    manifest.revision_max = 0xffffffff;
  } else if (good) {
    const auto [last_end, last_error] = std::from_chars(first_end + 1, end, manifest.revision_max);
    good = *first_end == '-' && last_error == std::errc() && last_end == end &&
           manifest.revision_min <= manifest.revision_max;
  }
  if (good) return {};
  return failure(Errc::invalid_argument, "not a range of revisions: " + text,
                 "write 3, 3-7 or 3- (3 and up)");
}

}  // namespace

bool MpkgFile::is_sealed_to(const ExchangeKey& recipient) const {
  if (manifest.encryption == Encryption::none) return true;
  const auto views = split_mpkg(bytes);
  return views && has_recipient(views->front().key_block, key_id(recipient.bytes()));
}

Outcome<DriverFiles> read_driver_files(const std::vector<std::string>& arguments) {
  DriverFiles out;
  MPYD_TRY_ASSIGN(const std::vector<Argument> files, expand_folders(arguments));
  for (const auto& [path, overrides, folder_arch] : files) {
    MPYD_TRY_ASSIGN(ByteVector bytes, read_file(path, kFileBytesMax));
    const bool is_mpkg = as_text(bytes).starts_with("mpyd");
    if (is_mpkg && !overrides.empty())
      return failure(Errc::invalid_argument, path + " is a package: its ABI is signed");
    if (is_mpkg) {
      MPYD_TRY(explain_as(read_mpkgs(path, bytes, out.mpkgs), path));
    } else {
      MPYD_TRY_ASSIGN(MpyFile file, explain_as(read_mpy(path, std::move(bytes), overrides), path));
      if (folder_arch && file.abi.arch != *folder_arch)
        return failure(Errc::wrong_abi,
                       path + " is for " + std::string(format_abi(file.abi).view()) +
                           ", but lies in the folder of " + std::string(arch_name(*folder_arch)));
      out.mpys.push_back(std::move(file));
    }
  }
  MPYD_TRY(refuse_same_abi(out));
  return out;
}

void warn_of_floats(const DriverFiles& files, const Output& out) {
  for (const MpyFile& file : files.mpys)
    if (file.may_pass_floats)
      out.say("note: " + file.path +
              " may pass C floats to or from MicroPython. If it does, say how it "
              "was compiled, or it gives wrong numbers on some firmware: " +
              file.path + ":float=soft or :float=hard");
}

Outcome<Manifest> shared_manifest(const DriverOptions& options) {
  const auto required = [](const std::string& value, const std::string& option,
                           const char* example) -> Outcome<void> {
    if (!value.empty()) return {};
    return failure(Errc::invalid_argument, option + " is needed to build a package",
                   "such as " + option + " " + example);
  };
  MPYD_TRY(required(options.hardware_id, "--hardware-id", "hat:Meadow%20Instruments:0042"));
  MPYD_TRY(required(options.name, "--name", "thermo"));
  MPYD_TRY(required(options.version, "--version", "1.0.0"));
  Manifest manifest;
  MPYD_TRY_ASSIGN(manifest.hardware_id, parse_hardware_id_option(options.hardware_id));
  MPYD_TRY_ASSIGN(manifest.driver_name, lift(parse_driver_name(options.name), "--name"));
  const auto version = parse_version(options.version);
  if (!version)
    return failure(Errc::invalid_argument,
                   "--version " + options.version + " is not of the form X.Y.Z",
                   "three numbers, as in 1.0.0 or 1.1.0-beta.2");
  manifest.version = *version;
  MPYD_TRY(parse_revisions(options.revisions, manifest));
  manifest.release = options.release;
  manifest.ram_bytes = options.ram_bytes;
  manifest.created_unix_s = SystemClock().now_unix_s();
  for (const std::string& module : options.required_modules) {
    MPYD_TRY_ASSIGN(const ModuleName name, lift(ModuleName::make(module), "--requires"));
    if (name.empty() || !manifest.required_modules.push_back(name))
      return failure(Errc::limit,
                     "--requires names at most " + std::to_string(kRequiresMax) + " modules");
  }
  return manifest;
}

Outcome<std::vector<SigningKeyPair>> load_publisher_keys(const DriverOptions& options) {
  std::vector<SigningKeyPair> keys;
  for (const std::string& file : options.key_files) {
    if (file.ends_with(".pub"))
      return failure(Errc::invalid_argument, file + " is a public key, which signs nothing",
                     "name the key file beside it: --key " + file.substr(0, file.size() - 4));
    MPYD_TRY_ASSIGN(SigningKeyPair key, load_signing_key(file, KeyRole::publisher,
                                                         passphrase_from(options.passphrase_file)));
    keys.push_back(std::move(key));
  }
  if (keys.empty())
    return failure(Errc::invalid_argument, "--key is needed to sign a package",
                   "mpyd keygen --role publisher --out publisher.key makes one");
  return keys;
}

Outcome<std::vector<ExchangeKey>> read_recipients(const DriverOptions& options,
                                                  const ExchangeKey* server_key) {
  constexpr std::size_t kPublicKeyFileMax = 4096;
  std::vector<ExchangeKey> out;
  if (options.is_public && !options.seal_to.empty())
    return failure(Errc::invalid_argument, "--seal-to and --public exclude each other");
  if (server_key != nullptr) out.push_back(*server_key);
  for (const std::string& path : options.seal_to) {
    MPYD_TRY_ASSIGN(const ByteVector text, read_file(path, kPublicKeyFileMax));
    MPYD_TRY_ASSIGN(const PublicKeyLine line,
                    with_context(parse_public_key_line(as_text(text)), path));
    if (line.role != KeyRole::fleet && line.role != KeyRole::server)
      return failure(Errc::invalid_argument,
                     path + " is the key of a " + std::string(role_name(line.role)) +
                         ", to which nothing is sealed",
                     "mpyd trust fleet-key --out fleet.pub writes the key of a fleet");
    MPYD_TRY_ASSIGN(const ExchangeKey key, ExchangeKey::from(line.key));
    if (std::find(out.begin(), out.end(), key) == out.end()) out.push_back(key);
  }
  if (out.size() > kKeyBlockEntriesMax)
    return failure(Errc::limit, "a package is sealed to at most " +
                                    std::to_string(kKeyBlockEntriesMax) + " keys");
  return out;
}

Outcome<MpkgFile> build_variant(const Manifest& shared, const MpyFile& file,
                                const std::vector<SigningKeyPair>& keys,
                                const std::vector<ExchangeKey>& recipients, bool is_public) {
  std::vector<const SigningKeyPair*> publishers;
  for (const SigningKeyPair& key : keys) publishers.push_back(&key);
  PackageRequest request{.manifest = shared,
                         .publishers = publishers,
                         .recipients = recipients,
                         .is_public = is_public};
  request.manifest.abi = file.abi;
  MPYD_TRY_ASSIGN(ByteVector bytes, with_context(build_package(request, file.bytes), file.path));
  std::vector<MpkgFile> built;
  MPYD_TRY(read_mpkgs(file.path, bytes, built));
  return std::move(built.front());
}

}  // namespace mpyd::server::cli
