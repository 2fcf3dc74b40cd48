#include "server/util/i2c_dev.hpp"

#include <fcntl.h>
#include <linux/i2c-dev.h>
#include <linux/i2c.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>

#include "server/util/file.hpp"

namespace mpyd::server {
namespace {

// In units of 10 ms: more than any part may stretch a clock, less than people wait.
constexpr unsigned long kTimeout = 10;

Errc errc_of(int number) {
  switch (number) {
    case ENXIO:
    case EREMOTEIO:
    case ENODEV:
    case EIO:
      return Errc::no_device;
    case ETIMEDOUT:
      return Errc::timeout;
    default:
      return Errc::io;
  }
}

i2c_msg message_of(std::uint8_t address, std::uint16_t flags, const std::byte* data,
                   std::size_t size) {
  // The kernel does not write to what it is told to send.
  auto* const bytes = reinterpret_cast<std::uint8_t*>(const_cast<std::byte*>(data));
  return {.addr = address, .flags = flags, .len = static_cast<std::uint16_t>(size), .buf = bytes};
}

}  // namespace

Result<I2cDev> I2cDev::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) {
    const int number = errno;
    Error error = errno_error("cannot open", path);
    if (number == ENOENT) error.code = Errc::not_found;
    if (number == EACCES || number == EPERM) error.code = Errc::forbidden;
    return fail(std::move(error));
  }
  I2cDev bus(fd);
  unsigned long functions = 0;
  if (::ioctl(fd, I2C_FUNCS, &functions) != 0)
    return fail(Errc::unsupported, path + " is not an I2C bus");
  if ((functions & I2C_FUNC_I2C) == 0)
    return fail(Errc::unsupported, "the adapter of " + path +
                                       " knows SMBus only, and cannot address an EEPROM freely");
  // One that cannot be told keeps its own, which is a second for most.
  static_cast<void>(::ioctl(fd, I2C_TIMEOUT, kTimeout));
  return bus;
}

I2cDev::~I2cDev() {
  if (fd_ >= 0) ::close(fd_);
}

mpyd::Result<void> I2cDev::write_read(std::uint8_t address, Bytes out, MutableBytes in) {
  std::array<i2c_msg, 2> messages{};
  std::uint32_t count = 0;
  if (!out.empty() || in.empty())
    messages[count++] = message_of(address, 0, out.data(), out.size());
  if (!in.empty()) messages[count++] = message_of(address, I2C_M_RD, in.data(), in.size());
  i2c_rdwr_ioctl_data transfer{.msgs = messages.data(), .nmsgs = count};
  while (::ioctl(fd_, I2C_RDWR, &transfer) < 0)
    if (errno != EINTR) return mpyd::fail(errc_of(errno));
  return {};
}

mpyd::Result<I2cMuxChannel> I2cMuxChannel::select(eeprom::I2cChannel& bus, std::uint8_t address,
                                                  unsigned channel) {
  std::byte before{};
  MPYD_TRY(bus.write_read(address, {}, {&before, 1}));
  const std::byte control{static_cast<std::uint8_t>(1U << channel)};
  MPYD_TRY(bus.write_read(address, {&control, 1}, {}));
  return I2cMuxChannel(bus, address, before);
}

I2cMuxChannel::~I2cMuxChannel() {
  // Nobody is left to be told; the next user selects a channel anyway.
  if (bus_ != nullptr) static_cast<void>(bus_->write_read(address_, {&before_, 1}, {}));
}

std::vector<std::string> i2c_buses() {
  std::vector<std::string> out;
  std::error_code error;
  for (std::filesystem::directory_iterator at("/dev", error), end; !error && at != end;
       at.increment(error))
    if (at->path().filename().string().starts_with("i2c-")) out.push_back(at->path().string());
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace mpyd::server
