#include "tests/support/fleet/motherboard.hpp"

#include <sys/random.h>
#include <algorithm>
#include <chrono>

#include "mpyd/v1/identity.pb.h"
#include "protocol/crypto.hpp"

namespace mpyd::test {
namespace {

agent::Config config_for(const Abi& abi) {
  agent::Config config;
  config.abi = abi;
  config.firmware = "fleet";
  config.probe_interval_ms = 1000;
  // A thousand motherboards that start at once wait for one another: that is no network failure.
  config.sync_timeout_ms = 30'000;
  config.stall_timeout_ms = 30'000;
  return config;
}

}  // namespace

std::uint32_t SystemClock::now_ms() {
  using namespace std::chrono;
  return static_cast<std::uint32_t>(
      duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count());
}

Result<void> SystemEntropy::fill(MutableBytes out) {
  const ssize_t got = getrandom(out.data(), out.size(), 0);
  if (got != static_cast<ssize_t>(out.size())) return fail(Errc::io);
  return {};
}

Motherboard::Motherboard(const Setup& setup) : setup_(setup) {
  transport_.watch(setup.epoll, setup.token);
  for (std::size_t i = 0; i < setup.boards.size(); ++i)
    bus_.plug(static_cast<unsigned>(i), setup.boards[i]);
}

Result<void> Motherboard::boot() {
  agent_.reset();
  transport_.close();
  loader_.reset();
  fate_ = Fate{.started_ms = clock_.now_ms()};
  slots_.assign(setup_.boards.size(), agent::Slot{});
  work_.assign(agent::kWorkBytes, std::byte{0});
  message_.assign(agent::kMessageBytesMin, std::byte{0});
  agent_ = std::make_unique<agent::Agent>(
      agent::Ports{bus_, transport_, store_, loader_, clock_, entropy_, *this},
      config_for(setup_.abi), agent::Memory{.slots = slots_, .work = work_, .message = message_});
  return agent_->start(setup_.identity);
}

void Motherboard::on_event(const agent::Event& event) {
  const std::uint32_t since = clock_.now_ms() - fate_.started_ms;
  switch (event.kind) {
    case agent::EventKind::synced:
      if (fate_.synced++ == 0) fate_.synced_ms = since;
      fate_.offline = {};
      break;
    case agent::EventKind::offline:
      fate_.offline = event.error;
      break;
    case agent::EventKind::loaded:
      ++fate_.loaded;
      fate_.settled_ms = since;
      break;
    case agent::EventKind::refused:
      ++fate_.refused;
      fate_.last_refusal = event.error;
      fate_.settled_ms = since;
      break;
    default:
      break;
  }
}

bool Motherboard::is_settled() const {
  switch (fate_.offline) {
    case Errc::unknown_device:
    case Errc::revoked:
    case Errc::not_approved:
      return true;
    default:
      break;
  }
  if (fate_.synced == 0) return false;
  return std::ranges::all_of(agent_->slots(), [](const agent::Slot& slot) {
    return slot.state == agent::SlotState::running || slot.state == agent::SlotState::refused;
  });
}

std::size_t Motherboard::running() const {
  return static_cast<std::size_t>(std::ranges::count_if(
      agent_->slots(),
      [](const agent::Slot& slot) { return slot.state == agent::SlotState::running; }));
}

std::string Motherboard::id() {
  v1::Identity identity;
  identity.ParseFromArray(setup_.identity.data(), static_cast<int>(setup_.identity.size()));
  std::string secret = identity.device_secret_key();
  if (secret.empty() && store_.has("device")) {
    const Buffer& file = store_.file("device");
    v1::SavedDevice saved;
    saved.ParseFromArray(file.data(), static_cast<int>(file.size()));
    secret = saved.device_secret_key();
  }
  const auto key = SecretKey::from(as_bytes(secret));
  if (!key) return {};
  const Digest digest = crypto::sha256(crypto::x25519_public(*key).bytes());
  return std::string(format_digest(digest).view().substr(0, 16));
}

}  // namespace mpyd::test
