#include "tests/support/agent/world.hpp"

#include <algorithm>
#include <new>
#include <stdexcept>

#include "protocol/eeprom/hat_writer.hpp"

namespace mpyd::test {

const Signer& publisher() {
  static const Signer signer = make_signer(3);
  return signer;
}

Manifest driver_manifest(const char* hardware_id, std::uint32_t release) {
  Manifest manifest = example_manifest();
  manifest.hardware_id = HardwareId::parse(hardware_id).value();
  manifest.driver_name =
      parse_driver_name(hardware_id == std::string_view(kThermoId) ? "thermo" : "relay").value();
  manifest.release = release;
  manifest.version = parse_version("1." + std::to_string(release) + ".0").value();
  manifest.revision_min = 0;
  manifest.revision_max = 0xffff;
  manifest.chunk_bytes = kChunkBytesMin;
  return manifest;
}

BuiltPackage driver_package(const char* hardware_id, std::uint32_t release,
                            std::size_t plain_bytes) {
  return build_package(driver_manifest(hardware_id, release), Random(release).bytes(plain_bytes),
                       {publisher()}, 100 + release);
}

Buffer board_image(std::uint16_t product_id, Bytes package, std::uint16_t revision,
                   Bytes configuration, Bytes key_block) {
  Buffer out(FakeBus::kPartBytes + package.size());
  const eeprom::BoardPackage on_board{.package = package, .key_block = key_block};
  eeprom::HatContent content{.vendor = "Meadow Instruments",
                             .product = "a board",
                             .product_id = product_id,
                             .product_version = revision,
                             .configuration = configuration,
                             .packages = {&on_board, package.empty() ? 0U : 1U}};
  content.uuid[0] = std::byte{0x5e};
  out.resize(eeprom::write_hat(content, out).value());
  return out;
}

World::World(unsigned slots, std::size_t message_bytes)
    : message_bytes_(message_bytes), slot_count_(slots) {
  config.abi = parse_abi("6.3-armv7m").value();
  config.abi.small_int_bits = 31;
  config.abi.core = Arch::armv7m;
  config.firmware = "test firmware";
  for (const char* id : {kThermoId, kRelayId}) {
    v1::PolicyEntry entry = example_entry({publisher()});
    entry.set_hardware_id(id);
    entry.set_driver_name(driver_manifest(id).driver_name.c_str());
    entry.set_eeprom_packages(1);
    server.entries[id] = entry;
  }
  server.publish_head();
}

Buffer World::identity() const {
  v1::Identity m;
  m.set_format(kFormat);
  m.set_device_secret_key(text_of(make_exchange_pair(60).secret.bytes()));
  m.set_root(text_of(server.roots.begin()->second));
  m.set_server_host("server.example");
  m.set_server_port(8780);
  m.set_enroll_token("token-for-once");
  if (edit_identity) edit_identity(m);
  return serialise(m);
}

Result<void> World::try_boot() {
  agent_.reset();
  server.close();
  if (restores_power) store.restore_power();
  loader.reset();
  slots_.assign(slot_count_, agent::Slot{});
  work_.assign(agent::kWorkBytes, std::byte{0});
  message_.assign(message_bytes_, std::byte{0});
  agent_memory_.assign(sizeof(agent::Agent) + alignof(agent::Agent), std::byte{0});
  void* at = agent_memory_.data();
  std::size_t space = agent_memory_.size();
  std::align(alignof(agent::Agent), sizeof(agent::Agent), at, space);
  agent_.reset(new (at) agent::Agent(
      agent::Ports{bus, server, store, loader, clock, entropy, events}, config,
      agent::Memory{.slots = slots_, .places = places, .work = work_, .message = message_}));
  return agent_->start(identity());
}

void World::boot() {
  if (const auto started = try_boot(); !started)
    throw std::runtime_error("the agent does not start: " + std::string(name(started.error())));
}

namespace {
constexpr int kRestlessPollsMax = 3000;
// While something is awaited: packages are read and written meanwhile.
constexpr int kBusyPollsMax = 30'000;
}  // namespace

void World::step() {
  for (int n = 0; n < kRestlessPollsMax; ++n) {
    const std::uint32_t wait_ms = agent_->poll();
    if (wait_ms == 0) continue;
    clock.ms += wait_ms;
    clock.unix_seconds += clock.unix_seconds == 0 ? 0 : wait_ms / 1000;
    return;
  }
  throw std::runtime_error("poll() never rests");
}

void World::run_ms(std::uint32_t duration_ms) {
  const std::uint32_t from = clock.ms;
  while (clock.ms - from < duration_ms) step();
}

bool World::run_until(const std::function<bool()>& done, std::uint32_t timeout_ms) {
  const std::uint32_t from = clock.ms;
  std::uint32_t last = from;
  for (int restless = 0; !done(); ++restless) {
    if (clock.ms - from > timeout_ms) return false;
    if (restless > kBusyPollsMax) throw std::runtime_error("poll() never rests");
    // One poll at a time, so that nothing that happens between two goes unseen.
    clock.ms += agent_->poll();
    if (clock.ms != last) restless = 0;
    last = clock.ms;
  }
  return true;
}

bool World::run_until_state(unsigned index, agent::SlotState state, std::uint32_t timeout_ms) {
  return run_until([&] { return slot(index).state == state; }, timeout_ms);
}

bool World::run_sync(std::uint32_t timeout_ms) {
  const std::size_t before = events.count(agent::EventKind::synced);
  const bool came =
      run_until([&] { return events.count(agent::EventKind::synced) > before; }, timeout_ms);
  run_ms(200);
  return came;
}

void World::pull(unsigned index) {
  bus.pull(index);
  if (!run_until_state(index, agent::SlotState::empty))
    throw std::runtime_error("the agent does not notice that the board is gone");
}

bool World::holds(Bytes secret) const {
  const auto is_in = [&](Bytes memory) {
    return std::search(memory.begin(), memory.end(), secret.begin(), secret.end()) != memory.end();
  };
  const Bytes slots(reinterpret_cast<const std::byte*>(slots_.data()),
                    slots_.size() * sizeof(agent::Slot));
  return is_in(agent_memory_) || is_in(work_) || is_in(message_) || is_in(slots);
}

}  // namespace mpyd::test
