// Boards of every layout and geometry, for the slots of a FakeBus.
#pragma once

#include "protocol/eeprom/hat_writer.hpp"
#include "protocol/eeprom/hexpansion_writer.hpp"
#include "tests/support/agent/world.hpp"

namespace mpyd::test {

inline constexpr const char* kHexpansionId = "thex:70ad:0042";

struct BoardOptions {
  Bytes package;
  Bytes key_block;
  std::uint8_t serial = 1;
  std::uint32_t current_ma = 0;
  std::uint32_t store_bytes = 0;  // of a store area
};

inline Buffer hat_image(const BoardOptions& options, std::uint32_t page = 32,
                        std::uint16_t product_id = 0x42) {
  const eeprom::BoardPackage on_board{.package = options.package, .key_block = options.key_block};
  eeprom::HatContent content{.vendor = "Meadow Instruments",
                             .product_id = product_id,
                             .product_version = 3,
                             .current_ma = options.current_ma,
                             .packages = {&on_board, options.package.empty() ? 0U : 1U},
                             .reserve = {.bytes = options.store_bytes, .page_bytes = page}};
  for (std::size_t i = 0; i < content.uuid.size(); ++i)
    content.uuid[i] = static_cast<std::byte>(0x40 + 7 * i + options.serial);
  Buffer out(65536);
  out.resize(eeprom::write_hat(content, out).value());
  return out;
}

inline Buffer hexpansion_image(const BoardOptions& options, std::uint32_t page,
                               std::uint32_t size) {
  const eeprom::BoardPackage on_board{.package = options.package, .key_block = options.key_block};
  eeprom::HexpansionContent content{.vid = 0x70ad,
                                    .pid = 0x42,
                                    .unique_id = options.serial,
                                    .friendly_name = "a board",
                                    .page_bytes = page,
                                    .total_bytes = size,
                                    .packages = {&on_board, options.package.empty() ? 0U : 1U},
                                    .reserve = {.bytes = options.store_bytes, .page_bytes = page}};
  Buffer out(65536);
  out.resize(eeprom::write_hexpansion(content, out).value());
  return out;
}

enum class BoardKind { hat_wide, hat_small, hexpansion_wide, hexpansion_small };
inline constexpr BoardKind kBoardKinds[] = {BoardKind::hat_wide, BoardKind::hat_small,
                                            BoardKind::hexpansion_wide,
                                            BoardKind::hexpansion_small};
inline const char* name_of(BoardKind kind) {
  constexpr const char* kNames[] = {"HAT, 24C64", "HAT, 24C16", "hexpansion, 24C64 at 0x57",
                                    "hexpansion, 24C16"};
  return kNames[static_cast<int>(kind)];
}
inline const char* hardware_id_of(BoardKind kind) {
  return kind == BoardKind::hat_wide || kind == BoardKind::hat_small ? kThermoId : kHexpansionId;
}
// The part of such a board.
inline FakePart part_of(BoardKind kind, const BoardOptions& options) {
  switch (kind) {
    case BoardKind::hat_wide:
      return FakePart::of(hat_image(options));
    case BoardKind::hat_small:
      return FakePart::small(hat_image(options, 16), 2048);
    case BoardKind::hexpansion_small:
      return FakePart::small(hexpansion_image(options, 16, 2048), 2048);
    case BoardKind::hexpansion_wide:
      break;
  }
  FakePart part = FakePart::of(hexpansion_image(options, 32, 8192));
  part.address = part.answers_until = 0x57;
  return part;
}

// A world that knows both hardware IDs, and a package for each.
struct BoardsWorld : World {
  BuiltPackage hat = driver_package(kThermoId);
  BuiltPackage hexpansion = build_hexpansion(1);

  explicit BoardsWorld(unsigned slots = 3, std::size_t message_bytes = agent::kMessageBytesMin)
      : World(slots, message_bytes) {
    v1::PolicyEntry entry = server.entries[kThermoId];
    entry.set_hardware_id(kHexpansionId);
    server.entries[kHexpansionId] = entry;
    server.publish_head();
    server.decide(kThermoId, {.package = &hat});
    server.decide(kHexpansionId, {.package = &hexpansion});
  }
  static BuiltPackage build_hexpansion(std::uint32_t release) {
    Manifest manifest = driver_manifest(kThermoId, release);
    manifest.hardware_id = HardwareId::parse(kHexpansionId).value();
    return build_package(manifest, Random(50 + release).bytes(300), {publisher()}, 500 + release);
  }
  const BuiltPackage& package_of(BoardKind kind) const {
    return hardware_id_of(kind) == kThermoId ? hat : hexpansion;
  }
  void plug_part(unsigned index, const FakePart& part) { bus.plug_parts(index, {part}); }
};

// Fleet keys come with every answer, and key blocks with those that are asked for.
inline ExchangePair fleet_pair(unsigned generation) { return make_exchange_pair(900 + generation); }
inline void give_fleet_keys(World& world, const std::vector<const BuiltPackage*>& packages) {
  world.server.edit = [packages](const v1::SyncRequest& request, v1::SyncAnswer& answer) {
    if (request.fleet_generation() < 1) {
      v1::FleetKey& key = *answer.add_fleet_keys();
      key.set_generation(1);
      key.set_secret_key(text_of(fleet_pair(1).secret.bytes()));
    }
    for (const v1::BoardReport& board : request.boards()) {
      if (board.store_digest().empty()) continue;
      for (v1::SlotAnswer& slot : *answer.mutable_slots()) {
        if (slot.slot() != board.slot()) continue;
        for (const BuiltPackage* package : packages) {
          if (text_of(package->name().bytes()) != board.store_digest()) continue;
          slot.set_store_digest(board.store_digest());
          if (package->manifest.encryption == Encryption::secretstream)
            slot.set_key_block(text_of(build_key_block(*package, {fleet_pair(1).key})));
        }
      }
    }
  };
}

}  // namespace mpyd::test
