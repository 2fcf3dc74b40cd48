// What the agent needs of its motherboard. One implementation per platform, fakes for tests.
// Every call is bounded in time and returns; nothing here blocks on the network.
#pragma once

#include "protocol/package/package.hpp"
#include "protocol/sync/report.hpp"

namespace mpyd::agent {

// What a presence line says of a slot; unknown: there is none, so the bus is polled.
enum class Presence : std::uint8_t { unknown, absent, present };

// The I2C side. Channel selection (muxes) and locking against other slots are the port's business.
class I2cBus {
 public:
  // As I2cChannel::write_read() on the slot's channel.
  // Errors: no_device (no ACK), io (a line hangs, arbitration), timeout, memory.
  virtual Result<void> write_read(unsigned slot, std::uint8_t address, Bytes out,
                                  MutableBytes in) = 0;
  // Never touches the bus.
  virtual Presence presence(unsigned slot) = 0;
  // A line hangs: up to nine clocks until SDA is free, then START and STOP, never a STOP where a
  // part may just have taken a byte. Errors: io (it still hangs), unsupported (no way to do that).
  virtual Result<void> recover(unsigned slot) = 0;

 protected:
  ~I2cBus() = default;
};

// One TCP connection at a time; never waits.
class Transport {
 public:
  // Starts connecting. Errors: unreachable.
  virtual Result<void> open(const char* host, std::uint16_t port) = 0;
  // Bytes taken; 0: would block (or not connected yet). Errors: unreachable.
  virtual Result<std::size_t> send(Bytes bytes) = 0;
  // Bytes read; 0: nothing yet. Errors: unreachable, also when the peer closed.
  virtual Result<std::size_t> receive(MutableBytes out) = 0;
  virtual void close() = 0;

 protected:
  ~Transport() = default;
};

// Small named files that survive a reset: state and cache. Names are [a-z0-9.-], at most 80 bytes.
class Store {
 public:
  virtual Result<std::uint32_t> size(const char* name) = 0;  // not_found, io
  virtual Result<void> read(const char* name, std::uint32_t offset,
                            MutableBytes out) = 0;  // not_found, truncated, io
  // Replaces the file whole: after a power cut old or new, never neither. Errors: io.
  virtual Result<void> write(const char* name, Bytes bytes) = 0;
  // The same in pieces, one file at a time; invisible until commit.
  virtual Result<void> begin(const char* name) = 0;
  virtual Result<void> append(Bytes bytes) = 0;
  virtual Result<void> commit() = 0;
  virtual void abort() = 0;  // harmless when nothing was begun
  // Absent is success. Errors: io.
  virtual Result<void> remove(const char* name) = 0;
  // The n-th committed file whose name starts with `prefix`, in any stable order. Errors:
  // not_found, io, limit.
  virtual Result<void> find(const char* prefix, unsigned n, InlineText<80>& name) = 0;

 protected:
  ~Store() = default;
};

// The platform's loader. A module is code loaded once per package digest; the agent counts its
// users.
class DriverLoader {
 public:
  using Module = std::uint8_t;
  static constexpr Module kNoModule = 0xff;

  struct Request {
    Digest digest;
    std::string_view name;  // the driver's; for messages only, never for module look-up
    std::uint32_t plain_bytes = 0;
    std::uint32_t ram_bytes = 0;
  };

  // Bytes that a driver may take now, after whatever collection the platform has.
  struct Room {
    std::uint32_t free = 0;           // 0xffffffff: not bounded by what the loader knows
    std::uint32_t largest_block = 0;  // native code is one piece
  };

  virtual bool has_builtin_module(std::string_view name) = 0;
  virtual Room room(bool is_native) = 0;
  // May a driver take so many bytes? For the usual case, where nothing has to be collected first.
  virtual bool has_room(bool is_native, std::uint32_t bytes) = 0;
  // Pulls `package` to its end into MicroPython's loader and runs the module's body.
  // Errors: the reader's (then no byte of a bad chunk reached the loader, nothing of the driver ran
  // and its memory is back), memory, load_error, driver_error (the body raised).
  virtual Result<Module> load(const Request& request, PackageReader& package) = 0;
  // Calls the module's attach(board) for this slot. Errors: driver_error, memory.
  virtual Result<void> attach(Module module, unsigned slot) = 0;
  // Calls detach(object) once, also when the board is gone; its exceptions are reported, not passed
  // on.
  virtual void detach(Module module, unsigned slot) = 0;
  // No slot uses the module any more. Its code is freed now or when nothing points into it.
  virtual void unload(Module module) = 0;

 protected:
  ~DriverLoader() = default;
};

class Clock {
 public:
  virtual std::uint32_t now_ms() = 0;  // monotonic, wraps
  virtual std::uint64_t unix_s() = 0;  // 0: not set
  // Called between bounded steps.
  virtual void feed_watchdog() = 0;

 protected:
  ~Clock() = default;
};

class Entropy {
 public:
  // Errors: io when the source is not ready or not good.
  virtual Result<void> fill(MutableBytes out) = 0;

 protected:
  ~Entropy() = default;
};

// What happens, as it happens.
using sync::EventKind;

struct Event {
  static constexpr std::uint8_t kNoSlot = 0xff;
  EventKind kind = EventKind::plugged;
  std::uint8_t slot = kNoSlot;
  Errc error{};             // 0: none
  std::string_view detail;  // valid during the call only
  std::uint32_t duration_ms = 0;
};

class Listener {
 public:
  virtual void on_event(const Event& event) = 0;

 protected:
  ~Listener() = default;
};

struct Ports {
  I2cBus& i2c;
  Transport& transport;
  Store& store;
  DriverLoader& loader;
  Clock& clock;
  Entropy& entropy;
  Listener& listener;
};

}  // namespace mpyd::agent
