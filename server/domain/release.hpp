// Values of releases, devices and tokens, as the server keeps them.
#pragma once

#include <string>
#include <vector>

#include "protocol/abi.hpp"
#include "protocol/digest.hpp"
#include "protocol/hardware_id.hpp"
#include "protocol/package/manifest.hpp"

namespace mpyd::server {

// One .mpy of a release for one ABI.
struct Variant {
  Abi abi;
  Digest digest;  // of its package
  std::uint32_t package_bytes = 0;
  Encryption encryption = Encryption::secretstream;
  bool withdrawn = false;
  bool unchecked = false;  // not sealed to this server: nobody here saw what is in it
};

// One published version of a hardware ID's driver.
struct Release {
  HardwareId hardware_id;
  DriverName driver_name;
  VersionText version;
  std::uint32_t release = 0;
  std::uint32_t revision_min = 0;
  std::uint32_t revision_max = 0xffffffff;
  std::uint64_t created_unix_s = 0;
  std::string deprecated;  // why people should take another one; empty: they need not
  std::vector<Variant> variants;
};

}  // namespace mpyd::server
