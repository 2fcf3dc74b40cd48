// The agent's ports, implemented by calling methods of Python objects.
#pragma once

#include "device-agent/core/ports.hpp"
#include "device-agent/ports/micropython/host_call.h"

namespace mpyd::agent {

// Methods of one kind of Python object, without exceptions.
class Caller {
 public:
  explicit Caller(mpyd_hosts_t& hosts) : hosts_(&hosts) {}

  static mpyd_arg_t number(std::uint32_t value);
  static mpyd_arg_t text(std::string_view value);
  static mpyd_arg_t read(Bytes bytes);
  static mpyd_arg_t write(MutableBytes bytes);
  static mpyd_arg_t object(mp_obj_t value);

  // An outcome of host_call.h.
  int call(mpyd_method_t method, std::span<const mpyd_arg_t> args,
           const mpyd_result_t* result = nullptr);
  int call(mpyd_method_t method, std::span<const mpyd_arg_t> args, std::uint32_t& number);
  // For what must arrive: once more after a collection, if memory was what was missing.
  int call_surely(mpyd_method_t method, std::span<const mpyd_arg_t> args);
  mpyd_hosts_t& hosts() { return *hosts_; }

 private:
  mpyd_hosts_t* hosts_;
};

class HostBus final : public I2cBus {
 public:
  HostBus(mpyd_hosts_t& hosts, bool has_presence) : caller_(hosts), has_presence_(has_presence) {}
  Result<void> write_read(unsigned slot, std::uint8_t address, Bytes out, MutableBytes in) override;
  Presence presence(unsigned slot) override;
  Result<void> recover(unsigned slot) override;

 private:
  Caller caller_;
  bool has_presence_;
};

class HostTransport final : public Transport {
 public:
  explicit HostTransport(mpyd_hosts_t& hosts) : caller_(hosts) {}
  Result<void> open(const char* host, std::uint16_t port) override;
  Result<std::size_t> send(Bytes bytes) override;
  Result<std::size_t> receive(MutableBytes out) override;
  void close() override;

 private:
  Caller caller_;
};

class HostStore final : public Store {
 public:
  explicit HostStore(mpyd_hosts_t& hosts) : caller_(hosts) {}
  Result<std::uint32_t> size(const char* name) override;
  Result<void> read(const char* name, std::uint32_t offset, MutableBytes out) override;
  Result<void> write(const char* name, Bytes bytes) override;
  Result<void> begin(const char* name) override;
  Result<void> append(Bytes bytes) override;
  Result<void> commit() override;
  void abort() override;
  Result<void> remove(const char* name) override;
  Result<void> find(const char* prefix, unsigned n, InlineText<80>& name) override;

 private:
  Caller caller_;
};

class HostClock final : public Clock {
 public:
  HostClock(mpyd_hosts_t& hosts, bool has_watchdog) : caller_(hosts), has_watchdog_(has_watchdog) {}
  std::uint32_t now_ms() override;
  std::uint64_t unix_s() override;
  void feed_watchdog() override;

 private:
  Caller caller_;
  bool has_watchdog_;
};

class HostEntropy final : public Entropy {
 public:
  explicit HostEntropy(mpyd_hosts_t& hosts) : caller_(hosts) {}
  Result<void> fill(MutableBytes out) override;

 private:
  Caller caller_;
};

class HostListener final : public Listener {
 public:
  explicit HostListener(mpyd_hosts_t& hosts) : caller_(hosts) {}
  void on_event(const Event& event) override;

 private:
  Caller caller_;
};

}  // namespace mpyd::agent
