// /dev/i2c-N of any program, answered by the simulated bus, bit by bit.
//
//   LD_PRELOAD=build/dev/tests/i2c_shim.so I2C_SHIM_1=bus.txt program    /dev/i2c-1 is bus.txt
//
// description.hpp says what stands in bus.txt. What the program writes to a part is in the part's
// file as soon as the write is over. The text is read when the device is opened, and again before a
// transfer once it has changed: then everything is plugged anew. Beyond these:
//
//   I2C_SHIM_LOG=FILE      a line for each transfer: address, bytes out, bytes in, how it ended
//   I2C_SHIM_DENY=1        opening is refused, as to a user who may not
//
// Answers I2C_FUNCS, I2C_RDWR (a write, a read, or a write and a read of one address), I2C_SLAVE,
// I2C_TIMEOUT and I2C_RETRIES. No such adapter is known to err like this one; real ones do as they
// like. Time on the bus passes as in the world outside.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/i2c-dev.h>
#include <linux/i2c.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "tests/support/i2c/description.hpp"

namespace {

using mpyd::Bytes;
using mpyd::Errc;
using mpyd::MutableBytes;
using namespace mpyd::test::i2c;

// Where the shim itself reads files, it is the real function that is called.
template <class Function>
Function real(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

class Adapter {
 public:
  explicit Adapter(std::string description) : description_(std::move(description)) { plug(); }

  int transfer(const i2c_rdwr_ioctl_data& data);

 private:
  void plug();
  void pass_time();
  void log(unsigned address, std::size_t out, std::size_t in, const char* outcome) const;

  std::string description_;
  timespec changed_{};
  std::unique_ptr<Bus> bus_;
  std::vector<DescribedMemory> memories_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

void Adapter::plug() {
  struct stat now {};
  if (stat(description_.c_str(), &now) != 0) now.st_mtim = {};
  if (bus_ && now.st_mtim.tv_sec == changed_.tv_sec && now.st_mtim.tv_nsec == changed_.tv_nsec)
    return;
  changed_ = now.st_mtim;
  bus_ = std::make_unique<Bus>();
  try {
    memories_ = describe(description_, *bus_);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "i2c_shim: %s\n", error.what());
    std::abort();
  }
}

void Adapter::pass_time() {
  const auto now = std::chrono::steady_clock::now();
  bus_->pass(static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(now - last_).count()));
  last_ = now;
}

void Adapter::log(unsigned address, std::size_t out, std::size_t in, const char* outcome) const {
  const char* const path = std::getenv("I2C_SHIM_LOG");
  if (path == nullptr) return;
  if (std::FILE* const file = std::fopen(path, "a")) {
    std::fprintf(file, "%02x out %zu in %zu %s\n", address, out, in, outcome);
    std::fclose(file);
  }
}

int Adapter::transfer(const i2c_rdwr_ioctl_data& data) {
  plug();
  pass_time();
  Bytes out;
  MutableBytes in;
  unsigned address = 0;
  for (unsigned i = 0; i < data.nmsgs; ++i) {
    const i2c_msg& message = data.msgs[i];
    auto* const bytes = reinterpret_cast<std::byte*>(message.buf);
    const bool is_read = (message.flags & I2C_M_RD) != 0;
    if ((message.flags & ~I2C_M_RD) != 0 || i > 1 || (i == 1 && !is_read) || !in.empty() ||
        (i == 1 && message.addr != address)) {
      errno = EOPNOTSUPP;
      return -1;
    }
    address = message.addr;
    if (is_read)
      in = {bytes, message.len};
    else
      out = {bytes, message.len};
  }
  mpyd::test::i2c::BitBang master(*bus_);
  const auto done = master.write_read(static_cast<std::uint8_t>(address), out, in);
  save(memories_);
  log(address, out.size(), in.size(), done ? "ok" : std::string(name(done.error())).c_str());
  if (done) return static_cast<int>(data.nmsgs);
  errno = done.error() == Errc::no_device ? ENXIO : done.error() == Errc::timeout ? ETIMEDOUT : EIO;
  return -1;
}

std::recursive_mutex mutex;
std::map<std::string, std::unique_ptr<Adapter>> adapters;  // by the device's path
std::map<int, Adapter*> opened;

// nullptr: not a bus that is simulated.
const char* description_of(const char* path) {
  const std::string text(path);
  if (!text.starts_with("/dev/i2c-")) return nullptr;
  return std::getenv(("I2C_SHIM_" + text.substr(9)).c_str());
}

int open_bus(const char* path, const char* description) {
  if (std::getenv("I2C_SHIM_DENY") != nullptr) {
    errno = EACCES;
    return -1;
  }
  const int fd = real<int (*)(const char*, int, ...)>("open")("/dev/null", O_RDWR | O_CLOEXEC);
  if (fd < 0) return fd;
  const std::lock_guard lock(mutex);
  auto& adapter = adapters[path];
  if (!adapter) adapter = std::make_unique<Adapter>(description);
  opened[fd] = adapter.get();
  return fd;
}

mode_t mode_in(int flags, va_list list) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? static_cast<mode_t>(va_arg(list, int)) : 0;
}

}  // namespace

extern "C" {

#define SHIM_OPEN(function)                                                       \
  int function(const char* path, int flags, ...) {                                \
    va_list list;                                                                 \
    va_start(list, flags);                                                        \
    const mode_t mode = mode_in(flags, list);                                     \
    va_end(list);                                                                 \
    if (const char* const bus = description_of(path)) return open_bus(path, bus); \
    return real<int (*)(const char*, int, ...)>(#function)(path, flags, mode);    \
  }
SHIM_OPEN(open)
SHIM_OPEN(open64)

#define SHIM_OPENAT(function)                                                               \
  int function(int folder, const char* path, int flags, ...) {                              \
    va_list list;                                                                           \
    va_start(list, flags);                                                                  \
    const mode_t mode = mode_in(flags, list);                                               \
    va_end(list);                                                                           \
    if (const char* const bus = description_of(path)) return open_bus(path, bus);           \
    return real<int (*)(int, const char*, int, ...)>(#function)(folder, path, flags, mode); \
  }
SHIM_OPENAT(openat)
SHIM_OPENAT(openat64)

int close(int fd) {
  {
    const std::lock_guard lock(mutex);
    opened.erase(fd);
  }
  return real<int (*)(int)>("close")(fd);
}

int ioctl(int fd, unsigned long request, ...) {
  va_list list;
  va_start(list, request);
  void* const argument = va_arg(list, void*);
  va_end(list);
  const std::lock_guard lock(mutex);
  const auto found = opened.find(fd);
  if (found == opened.end())
    return real<int (*)(int, unsigned long, ...)>("ioctl")(fd, request, argument);
  switch (request) {
    case I2C_FUNCS:
      *static_cast<unsigned long*>(argument) = I2C_FUNC_I2C;
      return 0;
    case I2C_SLAVE:
    case I2C_TIMEOUT:
    case I2C_RETRIES:
      return 0;
    case I2C_RDWR:
      return found->second->transfer(*static_cast<const i2c_rdwr_ioctl_data*>(argument));
    default:
      errno = ENOTTY;
      return -1;
  }
}

}  // extern "C"
