#include "server/cli/eeprom_device.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <boost/json/object.hpp>
#include <charconv>
#include <thread>
#include <vector>

#include "protocol/eeprom/part_source.hpp"
#include "protocol/eeprom/part_writer.hpp"

namespace mpyd::server::cli {
namespace {

// A write cycle takes 5 ms, 10 ms by the oldest data sheets.
constexpr auto kWriteCycleMax = std::chrono::milliseconds(100);
constexpr std::uint32_t kPieceBytes = 256;

std::string hex(std::uint8_t address) {
  constexpr char kDigits[] = "0123456789abcdef";
  return {'0', 'x', kDigits[address >> 4], kDigits[address & 15]};
}

std::optional<unsigned> number_in(std::string_view text) {
  int base = 10;
  if (text.starts_with("0x")) {
    text.remove_prefix(2);
    base = 16;
  }
  unsigned value = 0;
  const char* const end = text.data() + text.size();
  const auto [after, error] = std::from_chars(text.data(), end, value, base);
  if (error != std::errc() || after != end || text.empty()) return std::nullopt;
  return value;
}

Outcome<I2cDev> open_bus(const std::string& path) {
  auto bus = I2cDev::open(path);
  if (bus) return std::move(*bus);
  std::string hint;
  if (bus.error().code == Errc::not_found) {
    for (const std::string& other : i2c_buses()) hint += (hint.empty() ? "" : ", ") + other;
    hint = hint.empty()
               ? "there is no I2C bus: enable one (raspi-config, a device tree overlay), and "
                 "load its character devices: sudo modprobe i2c-dev"
               : "these buses are there: " + hint;
  } else if (bus.error().code == Errc::forbidden) {
    hint = "join the group that owns it: sudo usermod -aG i2c \"$USER\", and log in again";
  } else if (bus.error().code == Errc::unsupported) {
    hint = "take another adapter; i2cdetect -F shows what one can do";
  }
  return failure(bus.error().code, bus.error().message, hint);
}

std::string where(const eeprom::Part& part) {
  std::string out = hex(part.address);
  if (part.answers_until != part.address) out += " to " + hex(part.answers_until);
  return out;
}

std::string what(const eeprom::Part& part, Errc trouble) {
  if (trouble == Errc::bad_magic) return where(part) + ", no memory";
  if (trouble == Errc::blank) return where(part) + ", blank";
  if (trouble != Errc{}) return where(part) + ", undecided";
  return where(part) +
         (part.size != 0 ? ", " + std::to_string(part.size) + " bytes" : ", a memory");
}

// The lower, the likelier to be meant.
unsigned rank_of(Errc trouble) {
  if (trouble == Errc{}) return 0;
  return trouble == Errc::bad_magic ? 2 : 1;
}

Outcome<eeprom::Place> place_of(const EepromDeviceOptions& options) {
  eeprom::Place place;
  place.address_bytes = static_cast<std::uint8_t>(options.width);
  if (options.address.empty()) return place;
  const auto address = number_in(options.address);
  if (!address || *address < eeprom::kPartAddressFirst || *address > eeprom::kPartAddressLast)
    return failure(Errc::invalid_argument, "--address " + options.address + " is no EEPROM's",
                   "ID EEPROMs answer at 0x50 to 0x57");
  // Known width: nobody else is to be asked. Otherwise neighbours show how the part goes on.
  if (options.width != 0)
    place.first_address = place.last_address = static_cast<std::uint8_t>(*address);
  return place;
}

Outcome<void> check_size(const EepromDeviceOptions& options) {
  if (options.size == 0 || (std::has_single_bit(options.size) && options.size >= 128 &&
                            options.size <= (options.width == 1 ? 2048 : 65536)))
    return {};
  return failure(Errc::invalid_argument, "--size " + std::to_string(options.size) + " is no part's",
                 "it is a power of two, 128 to 2048 with one address byte, to 65536 with two");
}

}  // namespace

void Progress::at(std::size_t done, std::size_t of) {
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) return;
  next_ = now + std::chrono::seconds(1);
  out_.say(what_ + ": " + std::to_string(done) + " of " + std::to_string(of) + " bytes");
}

Outcome<EepromDevice> EepromDevice::open(const EepromDeviceOptions& options) {
  MPYD_TRY(check_size(options));
  MPYD_TRY_ASSIGN(I2cDev bus, open_bus(options.bus));
  EepromDevice device(std::move(bus), options.bus);
  if (!options.mux.empty()) MPYD_TRY(device.select(options.mux));
  MPYD_TRY(device.find(options));
  return device;
}

Failure EepromDevice::explain(Errc code, std::string_view doing) const {
  std::string hint;
  switch (code) {
    case Errc::no_device:
      hint = "was the board pulled, or is a contact loose?";
      break;
    case Errc::write_protected:
      hint = "the part's WP pin is high: bridge the board's write-enable jumper, and repeat";
      break;
    case Errc::timeout:
    case Errc::io:
      hint =
          "a line of the bus hangs or two parts answer at one address; unplug what is not needed";
      break;
    default:
      break;
  }
  return Failure(Error(code, std::string(doing) + ": " + std::string(describe(code))),
                 std::move(hint));
}

Outcome<void> EepromDevice::select(const std::string& mux) {
  const std::size_t colon = mux.find(':');
  const auto address = number_in(std::string_view(mux).substr(0, colon));
  const auto channel = colon == std::string::npos
                           ? std::nullopt
                           : number_in(std::string_view(mux).substr(colon + 1));
  if (!address || !channel || *address > 0x77 || *channel > 7)
    return failure(Errc::invalid_argument, "--mux " + mux + " is not ADDRESS:CHANNEL",
                   "write 0x70:3, channels are 0 to 7");
  auto selected = I2cMuxChannel::select(*bus_, static_cast<std::uint8_t>(*address), *channel);
  if (!selected)
    return mpyd::fail(explain(
        selected.error(),
        "the multiplexer at " + hex(static_cast<std::uint8_t>(*address)) + " of " + bus_name_));
  channel_.emplace(std::move(*selected));
  bus_name_ += " channel " + std::to_string(*channel);
  return {};
}

Outcome<std::size_t> EepromDevice::choose(const eeprom::PartProbe& probe,
                                          const std::string& wanted) const {
  const auto address = number_in(wanted);
  std::optional<std::size_t> chosen;
  bool are_several = false;
  std::string all;
  for (std::size_t i = 0; i < probe.parts().size(); ++i) {
    const eeprom::Part& part = probe.parts()[i];
    all += (all.empty() ? "" : "; ") + what(part, probe.trouble(i));
    if (address && (*address < part.address || *address > part.answers_until)) continue;
    const unsigned rank = rank_of(probe.trouble(i));
    if (chosen && rank > rank_of(probe.trouble(*chosen))) continue;
    are_several = chosen && rank == rank_of(probe.trouble(*chosen));
    if (!are_several) chosen = i;
  }
  if (!chosen)
    return failure(Errc::not_found, "nothing answers at " + wanted + " of " + bus_name_,
                   "these answer: " + all);
  if (are_several)
    return failure(Errc::conflict, "there are several parts on " + bus_name_ + ": " + all,
                   "name one, e.g. --address " + hex(probe.parts()[*chosen].address));
  return *chosen;
}

Outcome<void> EepromDevice::find(const EepromDeviceOptions& options) {
  MPYD_TRY_ASSIGN(const eeprom::Place place, place_of(options));
  eeprom::PartProbe probe;
  probe.start(place);
  while (true) {
    const auto is_done = probe.step(*bus_);
    if (!is_done && is_done.error() == Errc::no_device)
      return failure(Errc::not_found,
                     "nothing answers at " + hex(place.first_address) +
                         (place.first_address == place.last_address ? "" : " to 0x57") + " of " +
                         bus_name_,
                     "is the board in its place and powered, and is this its bus? Behind a "
                     "multiplexer name the channel: --mux 0x70:3");
    if (!is_done)
      return mpyd::fail(explain(is_done.error(), "looking for EEPROMs on " + bus_name_));
    if (*is_done) break;
  }
  MPYD_TRY_ASSIGN(const std::size_t chosen, choose(probe, options.address));
  part_ = probe.parts()[chosen];
  name_ = "the EEPROM at " + hex(part_.address) + " of " + bus_name_;
  MPYD_TRY(check_memory(probe.trouble(chosen)));
  if (options.size != 0) {
    part_.size = options.size;
    if (part_.address_bytes == 1)
      part_.blocks = static_cast<std::uint8_t>(std::max<std::uint32_t>(1, options.size / 256));
  }
  // What answers further up is no memory of this family, and belongs to somebody else.
  if (part_.address + part_.blocks - 1 > eeprom::kPartAddressLast)
    return failure(Errc::invalid_argument,
                   "--size " + std::to_string(options.size) + " from " + hex(part_.address) +
                       " on would reach " +
                       hex(static_cast<std::uint8_t>(part_.address + part_.blocks - 1)),
                   "EEPROMs end at 0x57; take the address of its first block");
  return {};
}

Outcome<void> EepromDevice::check_memory(Errc trouble) const {
  constexpr std::string_view kSayWidth =
      "say it: --width 1 (24C01 to 24C16) or --width 2 (24C32 and up), and --size";
  if (trouble == Errc{}) return {};
  if (trouble == Errc::bad_magic)
    return failure(trouble,
                   "what answers at " + hex(part_.address) + " of " + bus_name_ +
                       " is no memory: it reads like registers",
                   "if it is one nevertheless, say how it is addressed: --width 1 or 2");
  if (trouble == Errc::blank)
    return failure(trouble, name_ + " is blank, so how it is addressed does not show",
                   std::string(kSayWidth));
  return failure(trouble, name_ + ": " + std::string(describe(trouble)), std::string(kSayWidth));
}

Outcome<std::uint32_t> EepromDevice::size() const {
  if (part_.size != 0) return part_.size;
  return failure(Errc::undecided, "how large " + name_ + " is does not show",
                 "say it: --size, as its data sheet has it");
}

Outcome<ByteVector> EepromDevice::read(std::uint32_t bytes, Progress& progress) {
  ByteVector out(bytes);
  eeprom::PartSource source(*bus_, part_);
  for (std::uint32_t at = 0; at < bytes; at += kPieceBytes) {
    const auto piece = MutableBytes(out).subspan(at, std::min(kPieceBytes, bytes - at));
    if (const auto done = source.read(at, piece); !done)
      return mpyd::fail(
          explain(done.error(), "reading byte " + std::to_string(at) + " of " + name_));
    progress.at(at + piece.size(), bytes);
  }
  return out;
}

Outcome<void> EepromDevice::write_page(std::uint32_t offset, Bytes bytes,
                                       std::uint32_t page_bytes) {
  const std::string doing = "writing byte " + std::to_string(offset) + " of " + name_;
  eeprom::PartWriter writer(*bus_, part_);
  if (const auto begun = writer.begin(offset, bytes, page_bytes); !begun)
    return mpyd::fail(explain(begun.error(), doing));
  const auto until = std::chrono::steady_clock::now() + kWriteCycleMax;
  while (true) {
    const auto is_ready = writer.is_ready();
    if (!is_ready) return mpyd::fail(explain(is_ready.error(), doing));
    if (*is_ready) break;
    if (std::chrono::steady_clock::now() > until)
      return mpyd::fail(explain(Errc::no_device, doing));
    std::this_thread::sleep_for(std::chrono::microseconds(500));
  }
  if (const auto kept = writer.check(offset, bytes); !kept)
    return mpyd::fail(explain(kept.error(), doing));
  return {};
}

Outcome<std::size_t> EepromDevice::write(Bytes image, Bytes before, std::uint32_t page_bytes,
                                         Progress& progress) {
  std::size_t written = 0;
  for (std::uint32_t at = 0; at < image.size(); at += page_bytes) {
    const std::size_t count = std::min<std::size_t>(page_bytes, image.size() - at);
    const Bytes page = image.subspan(at, count);
    if (same_bytes(page, before.subspan(at, count))) continue;
    MPYD_TRY(write_page(at, page, page_bytes));
    ++written;
    progress.at(at + count, image.size());
  }
  return written;
}

boost::json::object EepromDevice::json() const {
  return {{"bus", bus_name_},
          {"address", hex(part_.address)},
          {"answers_until", hex(part_.answers_until)},
          {"width", part_.address_bytes},
          {"size", part_.size}};
}

}  // namespace mpyd::server::cli
