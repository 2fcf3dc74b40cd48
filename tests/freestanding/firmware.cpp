// The smallest firmware with an agent in it: what is linked from here is what a motherboard
// carries.
#include <new>

#include "device-agent/core/agent.hpp"

namespace mpyd::agent {
namespace {

class NoBus final : public I2cBus {
 public:
  Result<void> write_read(unsigned, std::uint8_t, Bytes, MutableBytes) override {
    return fail(Errc::no_device);
  }
  Presence presence(unsigned) override { return Presence::unknown; }
  Result<void> recover(unsigned) override { return fail(Errc::unsupported); }
};

class NoTransport final : public Transport {
 public:
  Result<void> open(const char*, std::uint16_t) override { return fail(Errc::unreachable); }
  Result<std::size_t> send(Bytes) override { return fail(Errc::unreachable); }
  Result<std::size_t> receive(MutableBytes) override { return fail(Errc::unreachable); }
  void close() override {}
};

class NoStore final : public Store {
 public:
  Result<std::uint32_t> size(const char*) override { return fail(Errc::not_found); }
  Result<void> read(const char*, std::uint32_t, MutableBytes) override {
    return fail(Errc::not_found);
  }
  Result<void> write(const char*, Bytes) override { return fail(Errc::io); }
  Result<void> begin(const char*) override { return fail(Errc::io); }
  Result<void> append(Bytes) override { return fail(Errc::io); }
  Result<void> commit() override { return fail(Errc::io); }
  void abort() override {}
  Result<void> remove(const char*) override { return {}; }
  Result<void> find(const char*, unsigned, InlineText<80>&) override {
    return fail(Errc::not_found);
  }
};

class NoLoader final : public DriverLoader {
 public:
  bool has_builtin_module(std::string_view) override { return false; }
  Room room(bool) override { return {}; }
  bool has_room(bool, std::uint32_t) override { return false; }
  // Pulls the package to its end, as a real one does.
  Result<Module> load(const Request&, PackageReader& package) override {
    while (true) {
      MPYD_TRY_ASSIGN(const Bytes chunk, package.next());
      if (chunk.empty()) return fail(Errc::load_error);
    }
  }
  Result<void> attach(Module, unsigned) override { return fail(Errc::driver_error); }
  void detach(Module, unsigned) override {}
  void unload(Module) override {}
};

class NoClock final : public Clock {
 public:
  std::uint32_t now_ms() override { return 0; }
  std::uint64_t unix_s() override { return 0; }
  void feed_watchdog() override {}
};

class NoEntropy final : public Entropy {
 public:
  Result<void> fill(MutableBytes) override { return fail(Errc::io); }
};

class NoListener final : public Listener {
 public:
  void on_event(const Event&) override {}
};

}  // namespace

// What an owner has: called by whatever runs on the chip, so everything in here is kept.
extern "C" std::uint32_t firmware(void* place, std::byte* memory, std::size_t memory_bytes) {
  NoBus bus;
  NoTransport transport;
  NoStore store;
  NoLoader loader;
  NoClock clock;
  NoEntropy entropy;
  NoListener listener;
  const MutableBytes all(memory, memory_bytes);
  auto* const agent =
      new (place) Agent({bus, transport, store, loader, clock, entropy, listener}, Config{},
                        {{}, {}, all.first(kWorkBytes), all.subspan(kWorkBytes)});
  if (!agent->start(all)) return 0;
  const std::uint32_t wait_ms = agent->poll();
  (void)agent->read_config(0, all);
  (void)agent->store(0);
  agent->eeprom_was_read(0);
  agent->stop();
  return wait_ms + static_cast<std::uint32_t>(agent->slots().size());
}

}  // namespace mpyd::agent
