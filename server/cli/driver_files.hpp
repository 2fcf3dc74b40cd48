// The files given to pack and publish: each read once, so that what is shown, checked and signed
// are the same bytes.
#pragma once

#include <string>
#include <vector>

#include "protocol/package/manifest.hpp"
#include "server/cli/commands.hpp"
#include "server/services/packaging.hpp"

namespace mpyd::server::cli {

// One .mpy, read, its header parsed, the overrides behind its name applied.
struct MpyFile {
  std::string path;
  ByteVector bytes;
  Abi abi;
  Digest plain_digest;
  // It looks as if C floats crossed the function table, and nobody said by which ABI.
  bool may_pass_floats = false;
};

// One .mpkg out of a file.
struct MpkgFile {
  std::string path;
  ByteVector bytes;  // package record and key block record
  Manifest manifest;
  Digest digest;
  bool is_sealed_to(const ExchangeKey& recipient) const;
};

struct DriverFiles {
  std::vector<MpyFile> mpys;
  std::vector<MpkgFile> mpkgs;
};

// `FILE`, or `FILE:float=none|soft|hard,repr=A|B|C|D` for a .mpy, or a folder of variants
// (driver_folder.hpp). A file of the folder that is named beside it is taken as it is named there:
// `DIR DIR/armv7emsp/NAME.mpy:float=soft`.
// Errors: those of find_variants; not_found, io, limit, those of mpy::parse_header and
// check_package, invalid_argument (a file that is neither, unknown overrides), wrong_abi (a file in
// the folder of another arch), conflict (two files of one ABI).
Outcome<DriverFiles> read_driver_files(const std::vector<std::string>& arguments);

// What a publisher should know before he signs: files that may be called by another float ABI than
// they were compiled for.
void warn_of_floats(const DriverFiles& files, const Output& out);

// The manifest fields all variants share; `release` is set where it is known.
// Errors: invalid_argument, limit, malformed, each naming its option.
Outcome<Manifest> shared_manifest(const DriverOptions& options);

Outcome<std::vector<SigningKeyPair>> load_publisher_keys(const DriverOptions& options);

// The keys of --seal-to besides the server's (null: none). Errors: those of read_file; malformed,
// invalid_argument (a key of another role, or twice), limit.
Outcome<std::vector<ExchangeKey>> read_recipients(const DriverOptions& options,
                                                  const ExchangeKey* server_key);

// One .mpkg, sealed to `recipients` unless public. Errors: those of build_package.
Outcome<MpkgFile> build_variant(const Manifest& shared, const MpyFile& file,
                                const std::vector<SigningKeyPair>& keys,
                                const std::vector<ExchangeKey>& recipients, bool is_public);

}  // namespace mpyd::server::cli
