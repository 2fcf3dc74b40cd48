// The real EEPROM that --bus, --address and --mux name, for the commands that read and write one.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string_view>

#include "protocol/eeprom/part_probe.hpp"
#include "server/cli/commands.hpp"
#include "server/util/bytes.hpp"
#include "server/util/i2c_dev.hpp"

namespace mpyd::server::cli {

// Says how far it is, on stderr, once it takes longer than a second.
class Progress {
 public:
  Progress(const Output& out, std::string what) : out_(out), what_(std::move(what)) {}
  void at(std::size_t done, std::size_t of);

 private:
  const Output& out_;
  std::string what_;
  std::chrono::steady_clock::time_point next_ =
      std::chrono::steady_clock::now() + std::chrono::seconds(1);
};

class EepromDevice {
 public:
  // Opens the bus and finds the part, by reading only. Errors: not_found (no such bus, nothing
  // answers), forbidden, invalid_argument, conflict (several parts, none is named), undecided and
  // bad_magic (no memory, or not told), blank, those of the bus.
  static Outcome<EepromDevice> open(const EepromDeviceOptions& options);

  const eeprom::Part& part() const { return part_; }
  // "the EEPROM at 0x50 of /dev/i2c-1"
  const std::string& name() const { return name_; }
  // Errors: undecided, with a hint: --size was not given and does not show.
  Outcome<std::uint32_t> size() const;
  // Errors: no_device (pulled), io, timeout.
  Outcome<ByteVector> read(std::uint32_t bytes, Progress& progress);
  // Of the pages that are other than `before`, page_bytes each; what is behind the image stays.
  // Returns how many were written. Errors: also write_protected.
  Outcome<std::size_t> write(Bytes image, Bytes before, std::uint32_t page_bytes,
                             Progress& progress);
  // "address", "width", "size" ...
  boost::json::object json() const;

 private:
  EepromDevice(I2cDev bus, std::string bus_name)
      : bus_(std::make_unique<I2cDev>(std::move(bus))), bus_name_(std::move(bus_name)) {}
  Outcome<void> select(const std::string& mux);
  Outcome<void> find(const EepromDeviceOptions& options);
  // Of what the probe found, the part at this address; if none is wanted, the one memory.
  Outcome<std::size_t> choose(const eeprom::PartProbe& probe, const std::string& wanted) const;
  Outcome<void> check_memory(Errc trouble) const;
  Outcome<void> write_page(std::uint32_t offset, Bytes bytes, std::uint32_t page_bytes);
  Failure explain(Errc code, std::string_view doing) const;

  std::unique_ptr<I2cDev> bus_;  // stays where it is while the channel refers to it
  std::optional<I2cMuxChannel> channel_;
  std::string bus_name_;
  std::string name_;
  eeprom::Part part_;
};

}  // namespace mpyd::server::cli
