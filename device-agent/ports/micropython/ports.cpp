#include "device-agent/ports/micropython/ports.hpp"

#include "device-agent/ports/micropython/bridge.h"

extern "C" {
#include "py/mperrno.h"
}

namespace mpyd::agent {
namespace {

Result<void> result_of(int outcome, Errc (*errc_of)(int)) {
  if (outcome == MPYD_CALL_OK) return {};
  return fail(outcome == MPYD_CALL_NO_MEMORY ? Errc::memory : errc_of(outcome));
}

// Ports raise ENODEV or EIO when a part does not answer; EIO also for other faults of the bus,
// which from here look the same.
Errc bus_errc(int outcome) {
  if (outcome == MP_ENODEV || outcome == MP_EIO) return Errc::no_device;
  return outcome == MP_ETIMEDOUT ? Errc::timeout : Errc::io;
}

Errc recover_errc(int outcome) { return outcome == MP_EOPNOTSUPP ? Errc::unsupported : Errc::io; }

Errc net_errc(int) { return Errc::unreachable; }

Errc store_errc(int outcome) {
  if (outcome == MPYD_CALL_TOO_LONG) return Errc::limit;
  return outcome == MP_ENOENT ? Errc::not_found : Errc::io;
}

}  // namespace

mpyd_arg_t Caller::number(std::uint32_t value) {
  return {MPYD_ARG_UINT, value, nullptr, 0, MP_OBJ_NULL};
}
mpyd_arg_t Caller::text(std::string_view value) {
  return {MPYD_ARG_TEXT, 0, value.data(), value.size(), MP_OBJ_NULL};
}
mpyd_arg_t Caller::read(Bytes bytes) {
  return {MPYD_ARG_READ, 0, bytes.data(), bytes.size(), MP_OBJ_NULL};
}
mpyd_arg_t Caller::write(MutableBytes bytes) {
  return {MPYD_ARG_WRITE, 0, bytes.data(), bytes.size(), MP_OBJ_NULL};
}
mpyd_arg_t Caller::object(mp_obj_t value) { return {MPYD_ARG_OBJECT, 0, nullptr, 0, value}; }

int Caller::call(mpyd_method_t method, std::span<const mpyd_arg_t> args,
                 const mpyd_result_t* result) {
  return mpyd_call(hosts_, method, args.data(), args.size(), result);
}

int Caller::call(mpyd_method_t method, std::span<const mpyd_arg_t> args, std::uint32_t& number) {
  const mpyd_result_t wanted{&number, nullptr, nullptr, nullptr};
  return call(method, args, &wanted);
}

int Caller::call_surely(mpyd_method_t method, std::span<const mpyd_arg_t> args) {
  const int outcome = call(method, args);
  if (outcome != MPYD_CALL_NO_MEMORY) return outcome;
  mpyd_collect();
  return call(method, args);
}

Result<void> HostBus::write_read(unsigned slot, std::uint8_t address, Bytes out, MutableBytes in) {
  const mpyd_arg_t args[] = {Caller::number(slot), Caller::number(address), Caller::read(out),
                             Caller::write(in)};
  return result_of(caller_.call(MPYD_BUS_TRANSFER, args), bus_errc);
}

Presence HostBus::presence(unsigned slot) {
  const mpyd_arg_t args[] = {Caller::number(slot)};
  std::uint32_t present = 0;
  // A line that cannot be read says nothing: then the bus is polled.
  if (!has_presence_ || caller_.call(MPYD_BUS_PRESENCE, args, present) != MPYD_CALL_OK)
    return Presence::unknown;
  return present != 0 ? Presence::present : Presence::absent;
}

Result<void> HostBus::recover(unsigned slot) {
  const mpyd_arg_t args[] = {Caller::number(slot)};
  return result_of(caller_.call(MPYD_BUS_RECOVER, args), recover_errc);
}

Result<void> HostTransport::open(const char* host, std::uint16_t port) {
  const mpyd_arg_t args[] = {Caller::text(host), Caller::number(port)};
  return result_of(caller_.call(MPYD_NET_OPEN, args), net_errc);
}

Result<std::size_t> HostTransport::send(Bytes bytes) {
  const mpyd_arg_t args[] = {Caller::read(bytes)};
  std::uint32_t sent = 0;
  MPYD_TRY(result_of(caller_.call(MPYD_NET_SEND, args, sent), net_errc));
  if (sent > bytes.size()) return fail(Errc::unreachable);
  return sent;
}

Result<std::size_t> HostTransport::receive(MutableBytes out) {
  const mpyd_arg_t args[] = {Caller::write(out)};
  std::uint32_t received = 0;
  MPYD_TRY(result_of(caller_.call(MPYD_NET_RECEIVE, args, received), net_errc));
  if (received > out.size()) return fail(Errc::unreachable);
  return received;
}

void HostTransport::close() { caller_.call(MPYD_NET_CLOSE, {}); }

Result<std::uint32_t> HostStore::size(const char* name) {
  const mpyd_arg_t args[] = {Caller::text(name)};
  std::uint32_t size = 0;
  MPYD_TRY(result_of(caller_.call(MPYD_STORE_SIZE, args, size), store_errc));
  return size;
}

Result<void> HostStore::read(const char* name, std::uint32_t offset, MutableBytes out) {
  const mpyd_arg_t args[] = {Caller::text(name), Caller::number(offset), Caller::write(out)};
  std::uint32_t got = 0;
  MPYD_TRY(result_of(caller_.call(MPYD_STORE_READ, args, got), store_errc));
  if (got < out.size()) return fail(Errc::truncated);
  return {};
}

Result<void> HostStore::write(const char* name, Bytes bytes) {
  const mpyd_arg_t args[] = {Caller::text(name), Caller::read(bytes)};
  return result_of(caller_.call(MPYD_STORE_WRITE, args), store_errc);
}

Result<void> HostStore::begin(const char* name) {
  const mpyd_arg_t args[] = {Caller::text(name)};
  return result_of(caller_.call(MPYD_STORE_BEGIN, args), store_errc);
}

Result<void> HostStore::append(Bytes bytes) {
  const mpyd_arg_t args[] = {Caller::read(bytes)};
  return result_of(caller_.call(MPYD_STORE_APPEND, args), store_errc);
}

Result<void> HostStore::commit() {
  return result_of(caller_.call(MPYD_STORE_COMMIT, {}), store_errc);
}

void HostStore::abort() { caller_.call(MPYD_STORE_ABORT, {}); }

Result<void> HostStore::remove(const char* name) {
  const mpyd_arg_t args[] = {Caller::text(name)};
  return result_of(caller_.call(MPYD_STORE_REMOVE, args), store_errc);
}

Result<void> HostStore::find(const char* prefix, unsigned n, InlineText<80>& name) {
  const mpyd_arg_t args[] = {Caller::text(prefix), Caller::number(n)};
  char text[81];
  std::size_t length = sizeof text;
  const mpyd_result_t wanted{nullptr, text, &length, nullptr};
  MPYD_TRY(result_of(caller_.call(MPYD_STORE_FIND, args, &wanted), store_errc));
  if (length == 0) return fail(Errc::not_found);
  MPYD_TRY_ASSIGN(name, InlineText<80>::make({text, length}));
  return {};
}

std::uint32_t HostClock::now_ms() { return mpyd_ticks_ms(); }

std::uint64_t HostClock::unix_s() {
  std::uint32_t seconds = 0;
  return caller_.call(MPYD_HOST_UNIX_TIME, {}, seconds) == MPYD_CALL_OK ? seconds : 0;
}

void HostClock::feed_watchdog() {
  if (has_watchdog_) caller_.call(MPYD_HOST_FEED, {});
}

Result<void> HostEntropy::fill(MutableBytes out) {
  const mpyd_arg_t args[] = {Caller::write(out)};
  return result_of(caller_.call(MPYD_HOST_ENTROPY, args), [](int) { return Errc::io; });
}

void HostListener::on_event(const Event& event) {
  const mpyd_arg_t args[] = {Caller::number(static_cast<std::uint32_t>(event.kind)),
                             Caller::number(event.slot),
                             Caller::number(static_cast<std::uint32_t>(event.error)),
                             Caller::text(event.detail), Caller::number(event.duration_ms)};
  caller_.call_surely(MPYD_HOST_EVENT, args);
}

}  // namespace mpyd::agent
