// What every backend of server/storage/store.hpp promises.
#include "server/storage/store.hpp"

#include <atomic>
#include <thread>

#include "server/storage/sqlite/sqlite_store.hpp"
#include "tests/support/bytes.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_directory.hpp"

namespace mpyd::server {

namespace {

struct Backend {
  const char* name;
  std::unique_ptr<Store> (*create)(const std::string& directory);
  std::unique_ptr<Store> (*reopen)(const std::string& directory);
};

const Backend kSqlite = {"sqlite",
                         [](const std::string& directory) -> std::unique_ptr<Store> {
                           return sqlite::SqliteStore::create(directory + "/mpyd.db").value();
                         },
                         [](const std::string& directory) -> std::unique_ptr<Store> {
                           return sqlite::SqliteStore::open(directory + "/mpyd.db").value();
                         }};

HardwareId hardware(std::string_view text = "hat:V:0001") {
  return HardwareId::parse(text).value();
}

Release release(std::uint32_t number, std::string_view hardware_id = "hat:V:0001") {
  return {.hardware_id = hardware(hardware_id),
          .driver_name = parse_driver_name("thermo").value(),
          .version = parse_version(std::to_string(number) + ".0.0").value(),
          .release = number,
          .revision_min = 2,
          .revision_max = 0xffffffff,
          .created_unix_s = 1'800'000'000};
}

Variant variant(std::string_view abi, std::uint64_t seed) {
  Variant out{.abi = parse_abi(abi).value(),
              .digest = test::random_fixed<Digest>(seed),
              .package_bytes = 4000,
              .encryption = Encryption::none,
              .unchecked = seed == 1};
  out.abi.small_int_bits = 31;
  return out;
}

Device device(std::string id) {
  return {.id = std::move(id),
          .public_key = test::random_fixed<ExchangeKey>(5),
          .name = "bench",
          .enrolled_unix_s = 17};
}

Result<void> publish(Transaction& tx, const Release& r, const Variant& v) {
  MPYD_TRY(tx.releases().add(r));
  MPYD_TRY(tx.packages().add(v.digest, as_bytes("package"), as_bytes("keys")));
  return tx.releases().add_variant(r, v);
}

template <class F>
auto get(Store& store, const F& f) {
  return store.get(f).value();
}

}  // namespace

TEST_CASE("every store keeps its promises") {
  const Backend backend = GENERATE(Backend{kSqlite});
  const test::TemporaryDirectory directory;
  const auto store = backend.create(directory.path());
  const auto write = [&](const Store::Write& f) { return store->write(f); };

  DYNAMIC_SECTION(backend.name << ": a failed transaction leaves nothing behind") {
    const auto done = write([](Transaction& tx) -> Result<void> {
      MPYD_TRY(publish(tx, release(1), variant("6-any", 1)));
      return fail(Errc::conflict, "changed my mind");
    });
    CHECK(done.error().code == Errc::conflict);
    CHECK(done.error().message == "changed my mind");
    CHECK(get(*store, [](const Snapshot& s) { return s.releases().count(); }) == 0);
    // The writer is free again.
    CHECK(write([](Transaction& tx) { return tx.trust().add_root(1, as_bytes("r")); }));
  }

  DYNAMIC_SECTION(backend.name << ": what was committed is there after reopening") {
    REQUIRE(write([](Transaction& tx) { return publish(tx, release(1), variant("6-any", 1)); }));
    const auto again = backend.reopen(directory.path());
    CHECK(get(*again, [](const Snapshot& s) { return s.releases().count(); }) == 1);
  }

  DYNAMIC_SECTION(backend.name << ": a reader sees one state, whatever is written meanwhile") {
    const auto counts =
        get(*store, [&](const Snapshot& s) -> Result<std::pair<std::uint64_t, std::uint64_t>> {
          const std::uint64_t before = s.releases().count().value();
          std::thread([&] {
            (void)store->write(
                [](Transaction& tx) { return publish(tx, release(1), variant("6-any", 1)); });
          }).join();
          return std::pair{before, s.releases().count().value()};
        });
    CHECK(counts == std::pair<std::uint64_t, std::uint64_t>{0, 0});
    CHECK(get(*store, [](const Snapshot& s) { return s.releases().count(); }) == 1);
  }

  DYNAMIC_SECTION(backend.name << ": writers from many threads wait for one another") {
    std::atomic<int> failed = 0;
    std::vector<std::thread> threads;
    for (std::uint32_t t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        for (std::uint32_t i = 0; i < 10; ++i) {
          const AuditEvent event{.actor = std::to_string(t)};
          const auto durability = i % 2 == 0 ? Durability::full : Durability::relaxed;
          if (!store->write([&](Transaction& tx) { return tx.audit().append(event); }, durability))
            ++failed;
        }
      });
    for (std::thread& thread : threads) thread.join();
    CHECK(failed == 0);
    CHECK(get(*store, [](const Snapshot& s) { return s.audit().list(0, 100); }).size() == 40);
  }

  DYNAMIC_SECTION(backend.name << ": roots come back in order, and none is replaced") {
    REQUIRE(write([](Transaction& tx) { return tx.trust().add_root(2, as_bytes("two")); }));
    REQUIRE(write([](Transaction& tx) { return tx.trust().add_root(1, as_bytes("one")); }));
    CHECK(
        write([](Transaction& tx) { return tx.trust().add_root(1, as_bytes("x")); }).error().code ==
        Errc::conflict);
    const auto roots = get(*store, [](const Snapshot& s) { return s.trust().roots(); });
    REQUIRE(roots.size() == 2);
    CHECK(as_text(roots[0]) == "one");
  }

  DYNAMIC_SECTION(
      backend.name << ": the newest head counts by epoch, then version, with its entries") {
    CHECK_FALSE(get(*store, [](const Snapshot& s) { return s.trust().newest_head(); }));
    const auto replace = [&](std::uint32_t epoch, std::uint32_t version, std::string_view document,
                             std::vector<TrustStore::NewEntry> entries) {
      return write([&](Transaction& tx) {
        return tx.trust().replace_targets({epoch, version, as_bytes(document)}, entries);
      });
    };
    REQUIRE(replace(1, 9, "1.9", {{"hat:b:1", as_bytes("b")}, {"hat:a:1", as_bytes("a")}}));
    REQUIRE(replace(2, 1, "2.1", {{"hat:c:1", as_bytes("c")}, {"hat:B:1", as_bytes("B")}}));
    CHECK(replace(2, 1, "again", {}).error().code == Errc::conflict);
    const auto head = get(*store, [](const Snapshot& s) { return s.trust().newest_head(); });
    CHECK(as_text(head.value()) == "2.1");
    const auto entries = get(*store, [](const Snapshot& s) { return s.trust().entries(); });
    REQUIRE(entries.size() == 2);
    CHECK(as_text(entries[0]) == "B");
  }

  DYNAMIC_SECTION(backend.name << ": releases come back as they were added, newest first") {
    REQUIRE(write([](Transaction& tx) -> Result<void> {
      MPYD_TRY(publish(tx, release(1), variant("6.3-rv32imc-zba", 1)));
      MPYD_TRY(publish(tx, release(2), variant("6-any", 2)));
      return publish(tx, release(7, "hat:W:0001"), variant("6-any", 3));
    }));
    const auto found =
        get(*store, [](const Snapshot& s) { return s.releases().of_hardware(hardware()); });
    REQUIRE(found.size() == 2);
    CHECK(found[0].release == 2);
    const Release& first = found[1];
    CHECK(first.version == release(1).version);
    CHECK(first.revision_min == 2);
    CHECK(first.revision_max == 0xffffffff);
    CHECK(first.created_unix_s == 1'800'000'000);
    REQUIRE(first.variants.size() == 1);
    CHECK(first.variants[0].abi == variant("6.3-rv32imc-zba", 1).abi);
    CHECK(first.variants[0].digest == variant("6-any", 1).digest);
    CHECK(first.variants[0].encryption == Encryption::none);
    CHECK(first.variants[0].unchecked);
    CHECK_FALSE(found[0].variants[0].unchecked);
    CHECK(get(*store, [](const Snapshot& s) {
            return s.releases().list({.hardware_id = hardware("hat:W:0001")});
          }).size() == 1);
    CHECK(get(*store, [](const Snapshot& s) {
            return s.releases().list({.driver_name = parse_driver_name("other").value()});
          }).empty());
    CHECK(get(*store, [](const Snapshot& s) { return s.releases().list({}); }).size() == 3);
    REQUIRE(write([](Transaction& tx) -> Result<void> {
      MPYD_TRY(tx.releases().set_withdrawn(hardware(), release(1).version, "", true));
      return {};
    }));
    const auto numbers = [&](const ReleaseStore::Filter& filter) {
      std::string out;
      for (const Release& r :
           get(*store, [&](const Snapshot& s) { return s.releases().list(filter); }))
        out += std::string(r.hardware_id.view().substr(4, 1)) + std::to_string(r.release) + " ";
      return out;
    };
    using Order = ReleaseStore::Order;
    CHECK(numbers({.yanked = true}) == "V1 ");
    CHECK(numbers({.yanked = false}) == "V2 W7 ");
    CHECK(numbers({.after = {{.hardware_id = "hat:V:0001", .release = 2}}}) == "V1 W7 ");
    CHECK(numbers({.order = Order::newest}) == "W7 V2 V1 ");
    CHECK(numbers({.order = Order::newest,
                   .after = {{.hardware_id = "hat:V:0001",
                              .release = 2,
                              .created_unix_s = 1'800'000'000}}}) == "V1 ");
    CHECK(numbers({.count_max = 1}) == "V2 ");
  }

  DYNAMIC_SECTION(
      backend.name << ": releases are deprecated, and found by that, package and reach") {
    REQUIRE(write([](Transaction& tx) -> Result<void> {
      MPYD_TRY(publish(tx, release(1), variant("6-any", 1)));
      MPYD_TRY(publish(tx, release(2), variant("6-any", 2)));
      MPYD_TRY(publish(tx, release(7, "hat:VW:0001"), variant("6-any", 3)));
      return tx.releases().set_deprecated(hardware(), release(1).version, "use 2");
    }));
    CHECK(write([](Transaction& tx) {
            return tx.releases().set_deprecated(hardware(), release(9).version, "x");
          })
              .error()
              .code == Errc::not_found);
    const auto count = [&](const ReleaseStore::Filter& filter) {
      return get(*store, [&](const Snapshot& s) { return s.releases().list(filter); }).size();
    };
    const auto reach = [](std::vector<std::string> patterns) {
      return HardwareReach::make(patterns).value();
    };
    using Order = ReleaseStore::Order;
    CHECK(count({.deprecated = true}) == 1);
    CHECK(count({.deprecated = false}) == 2);
    for (const Order order : {Order::hardware_id, Order::newest}) {
      CHECK(count({.reach = reach({"hat:V:*"}), .order = order}) == 2);
      CHECK(count({.reach = reach({"hat:V:0001", "hat:VW:*"}), .order = order}) == 3);
      CHECK(count({.reach = reach({"hat:*"}), .order = order}) == 3);
      CHECK(count({.reach = reach({"thex:*"}), .order = order}) == 0);
    }
    const auto found = get(*store, [](const Snapshot& s) {
      return s.releases().of_package(variant("6-any", 1).digest);
    });
    REQUIRE(found);
    CHECK(found->release == 1);
    CHECK(found->deprecated == "use 2");
    CHECK(found->variants.size() == 1);
    CHECK_FALSE(get(*store, [](const Snapshot& s) { return s.releases().of_package(Digest{}); }));
    const auto drivers = [&](const ReleaseStore::DriverFilter& filter) {
      return get(*store, [&](const Snapshot& s) { return s.releases().drivers(filter); });
    };
    const auto all = drivers({});
    REQUIRE(all.size() == 2);
    CHECK(all[0].release == 2);
    CHECK(all[0].version == release(2).version);
    CHECK(all[0].releases == 2);
    CHECK(drivers({.after = "hat:V:0001"}).size() == 1);
    CHECK(drivers({.text = "hat:vw"}).size() == 1);
    CHECK(drivers({.text = "THERMO"}).size() == 2);
    CHECK(drivers({.text = "other"}).empty());
    CHECK(drivers({.reach = reach({"hat:V:*"})}).size() == 1);
    CHECK(drivers({.count_max = 1}).size() == 1);
  }

  DYNAMIC_SECTION(backend.name << ": a device has one pin for each hardware ID") {
    const auto pins = [&](std::string_view id) {
      std::string out;
      for (const DevicePin& pin :
           get(*store, [&](const Snapshot& s) { return s.devices().pins(id); }))
        out += pin.device_id + pin.hardware_id + std::to_string(pin.release) + " ";
      return out;
    };
    REQUIRE(write([](Transaction& tx) -> Result<void> {
      for (const char* id : {"a", "b"}) {
        Device d = device(id);
        d.public_key = test::random_fixed<ExchangeKey>(static_cast<std::uint64_t>(id[0]));
        MPYD_TRY(tx.devices().add(d));
      }
      MPYD_TRY(tx.devices().put_pin({"a", ":x", 1, 5}));
      MPYD_TRY(tx.devices().put_pin({"a", ":x", 2, 6}));
      MPYD_TRY(tx.devices().put_pin({"b", ":y", 3, 7}));
      return tx.devices().put_pin({"b", ":x", 4, 7});
    }));
    CHECK(pins("a") == "a:x2 ");
    CHECK(pins("") == "a:x2 b:x4 b:y3 ");
    REQUIRE(write([](Transaction& tx) { return tx.devices().move_pins("a", "b"); }));
    CHECK(pins("") == "b:x2 b:y3 ");
    for (const bool expected : {true, false})
      REQUIRE(write([&](Transaction& tx) -> Result<void> {
        MPYD_TRY_ASSIGN(const bool removed, tx.devices().remove_pin("b", ":x"));
        CHECK(removed == expected);
        return {};
      }));
    CHECK(pins("") == "b:y3 ");
    CHECK(write([](Transaction& tx) {
            return tx.devices().put_pin({"nobody", ":x", 1, 5});
          })
              .error()
              .code == Errc::conflict);
  }

  DYNAMIC_SECTION(backend.name << ": the inventory is of enrolled devices, and says what runs") {
    const Digest running = variant("6-any", 1).digest;
    const auto put = [&](const std::string& id, DeviceState state, std::vector<DeviceSlot> slots) {
      Device d = device(id);
      d.public_key = test::random_fixed<ExchangeKey>(static_cast<std::uint64_t>(id[0]));
      d.state = state;
      d.last_seen_unix_s = 50;
      REQUIRE(write([&](Transaction& tx) -> Result<void> {
        MPYD_TRY(tx.devices().add(d));
        for (const DeviceSlot& slot : slots) MPYD_TRY(tx.devices().put_slot(id, slot));
        return {};
      }));
    };
    REQUIRE(write([](Transaction& tx) -> Result<void> {
      MPYD_TRY(publish(tx, release(1), variant("6-any", 1)));
      return tx.releases().set_deprecated(hardware(), release(1).version, "old");
    }));
    put("a", DeviceState::enrolled,
        {{.slot = 0, .hardware_id = "hat:V:0001", .state = 6, .loaded_digest = running},
         {.slot = 2, .hardware_id = "hat:W:0001", .state = 7, .error = 60},
         {.slot = 3, .state = 0}});
    put("b", DeviceState::enrolled,
        {{.slot = 1, .hardware_id = "hat:V:0001", .state = 6, .loaded_digest = running},
         {.slot = 2, .hardware_id = "hat:W:0001", .state = 7, .error = 41}});
    put("c", DeviceState::revoked, {{.slot = 0, .hardware_id = "hat:V:0001", .state = 6}});
    REQUIRE(write([](Transaction& tx) { return tx.devices().put_pin({"b", "hat:V:0001", 1, 5}); }));
    const auto places = [&](const InventoryStore::Filter& filter) {
      std::string out;
      for (const InventoryRow& row :
           get(*store, [&](const Snapshot& s) { return s.inventory().list(filter); }))
        out += row.device_id + std::to_string(row.slot.slot) + " ";
      return out;
    };
    CHECK(places({}) == "a0 a2 b1 b2 ");
    CHECK(places({.hardware_id = "hat:V:0001"}) == "a0 b1 ");
    CHECK(places({.device_id = "b"}) == "b1 b2 ");
    CHECK(places({.state = 7}) == "a2 b2 ");
    CHECK(places({.error = 41}) == "b2 ");
    CHECK(places({.error = 0}) == "a0 b1 ");
    CHECK(places({.after = {{"a", 0}}}) == "a2 b1 b2 ");
    CHECK(places({.count_max = 1}) == "a0 ");
    const auto rows = get(*store, [](const Snapshot& s) { return s.inventory().list({}); });
    CHECK(rows[0].device_name == "bench");
    CHECK(rows[0].last_seen_unix_s == 50);
    CHECK(rows[0].loaded.version == "1.0.0");
    CHECK(rows[0].loaded.deprecated == "old");
    CHECK(rows[0].pinned_release == 0);
    CHECK(rows[1].loaded.driver_name.empty());
    CHECK(rows[2].pinned_release == 1);
    const Statistics numbers =
        get(*store, [](const Snapshot& s) { return s.inventory().statistics(50, 10); });
    CHECK(numbers.devices == 3);
    CHECK(numbers.devices_seen == 2);
    CHECK(numbers.boards == 4);
    CHECK(numbers.loaded == 2);
    REQUIRE(numbers.boards_by_error.size() == 2);
    REQUIRE(numbers.refused_hardware_ids.size() == 1);
    CHECK(numbers.refused_hardware_ids[0].key == "hat:W:0001");
    CHECK(numbers.refused_hardware_ids[0].count == 2);
    REQUIRE(numbers.installs.size() == 1);
    CHECK(numbers.installs[0].key.release == 1);
    CHECK(numbers.installs[0].count == 2);
    CHECK(get(*store, [](const Snapshot& s) {
            return s.inventory().statistics(51, 10);
          }).devices_seen == 0);
  }

  DYNAMIC_SECTION(backend.name << ": versions, release numbers, ABIs and digests are taken once") {
    REQUIRE(write([](Transaction& tx) { return publish(tx, release(1), variant("6-any", 1)); }));
    const auto code = [&](const Store::Write& f) { return write(f).error().code; };
    CHECK(code([](Transaction& tx) { return tx.releases().add(release(1)); }) == Errc::conflict);
    CHECK(code([](Transaction& tx) {
            Release other = release(1);
            other.version = parse_version("9.9.9").value();
            return tx.releases().add(other);
          }) == Errc::conflict);
    CHECK(code([](Transaction& tx) {
            return tx.packages().add(variant("6-any", 1).digest, as_bytes("x"), {});
          }) == Errc::conflict);
    CHECK(code([](Transaction& tx) -> Result<void> {
            MPYD_TRY(tx.packages().add(variant("6-any", 2).digest, as_bytes("x"), {}));
            return tx.releases().add_variant(release(1), variant("6-any", 2));
          }) == Errc::conflict);
    CHECK(code([](Transaction& tx) {
            return tx.releases().add_variant(release(5), variant("6-any", 1));
          }) == Errc::not_found);
  }

  DYNAMIC_SECTION(
      backend.name << ": withdrawing takes a whole release or one ABI, and says how much changed") {
    REQUIRE(write([](Transaction& tx) -> Result<void> {
      MPYD_TRY(publish(tx, release(1), variant("6-any", 1)));
      MPYD_TRY(tx.packages().add(variant("6-any", 2).digest, as_bytes("x"), {}));
      return tx.releases().add_variant(release(1), variant("6.3-armv7m", 2));
    }));
    const auto set = [&](std::string_view abi, bool withdrawn) {
      std::uint32_t changed = 99;
      REQUIRE(write([&](Transaction& tx) -> Result<void> {
        MPYD_TRY_ASSIGN(
            changed, tx.releases().set_withdrawn(hardware(), release(1).version, abi, withdrawn));
        return {};
      }));
      return changed;
    };
    CHECK(set("6-any", true) == 1);
    CHECK(set("6-any", true) == 0);
    CHECK(set("", true) == 1);
    CHECK(set("", false) == 2);
    CHECK(set("6.3-x64", true) == 0);
  }

  DYNAMIC_SECTION(backend.name << ": packages come back whole, as a head, and in parts") {
    const std::string bytes(5000, 'p');
    const Digest digest = test::random_fixed<Digest>(1);
    REQUIRE(write([&](Transaction& tx) { return tx.packages().add(digest, as_bytes(bytes), {}); }));
    const auto whole = get(*store, [&](const Snapshot& s) { return s.packages().find(digest); });
    CHECK(as_text(whole->bytes) == bytes);
    CHECK(whole->key_block.empty());
    const auto head =
        get(*store, [&](const Snapshot& s) { return s.packages().find_head(digest); });
    CHECK(head->bytes.size() < bytes.size());
    const auto part =
        get(*store, [&](const Snapshot& s) { return s.packages().find_part(digest, 4990, 100); });
    CHECK(part->bytes.size() == 10);
    CHECK(part->package_bytes == 5000);
    CHECK_FALSE(get(*store, [&](const Snapshot& s) { return s.packages().find(Digest{}); }));
  }

  DYNAMIC_SECTION(backend.name << ": devices and their slots come back as they were last written") {
    Device d = device("0123456789abcdef");
    REQUIRE(write([&](Transaction& tx) { return tx.devices().add(d); }));
    CHECK(write([&](Transaction& tx) { return tx.devices().add(d); }).error().code ==
          Errc::conflict);
    d.state = DeviceState::revoked;
    d.last_counter = 1ULL << 62;
    d.abi = parse_abi("6.3-armv7emsp").value();
    d.abi.core = Arch::armv7em;
    d.firmware = "v1.25 \"quoted\"";
    d.token_name = "fleet-1";
    d.refusals = 4;
    d.event_hour = 500'000;
    d.event_rows = 300;
    d.event_drops = 12;
    DeviceSlot slot{.slot = 3,
                    .hardware_id = "hat:V:0001",
                    .revision = 7,
                    .state = 5,
                    .since_unix_s = 9,
                    .retries = 2};
    slot.serial.push_back(std::byte{0});
    slot.loaded_digest = test::random_fixed<Digest>(2);
    REQUIRE(write([&](Transaction& tx) -> Result<void> {
      MPYD_TRY(tx.devices().update(d));
      MPYD_TRY(tx.devices().put_slot(d.id, {.slot = 3, .state = 1}));
      return tx.devices().put_slot(d.id, slot);
    }));
    const auto found = get(*store, [&](const Snapshot& s) { return s.devices().find(d.id); });
    REQUIRE(found);
    CHECK(found->public_key == d.public_key);
    CHECK(found->state == DeviceState::revoked);
    CHECK(found->last_counter == 1ULL << 62);
    CHECK(found->abi == d.abi);
    CHECK(found->firmware == d.firmware);
    CHECK(found->token_name == "fleet-1");
    CHECK(found->refusals == 4);
    CHECK(found->event_hour == 500'000);
    CHECK(found->event_rows == 300);
    CHECK(found->event_drops == 12);
    const auto slots = get(*store, [&](const Snapshot& s) { return s.devices().slots(d.id); });
    REQUIRE(slots.size() == 1);
    CHECK(slots[0].same_as(slot));
    CHECK(slots[0].since_unix_s == 9);
    CHECK(slots[0].retries == 2);
    REQUIRE(write([&](Transaction& tx) { return tx.devices().remove_slot(d.id, 3); }));
    CHECK(get(*store, [&](const Snapshot& s) { return s.devices().slots(d.id); }).empty());
    CHECK(
        write([&](Transaction& tx) { return tx.devices().update(device("none")); }).error().code ==
        Errc::not_found);
  }

  DYNAMIC_SECTION(backend.name << ": a device's state is read back as it was written") {
    for (const DeviceState state : {DeviceState::enrolled, DeviceState::revoked,
                                    DeviceState::waiting, DeviceState::replaced}) {
      Device d = device("dev-" + std::string(name(state)));
      d.public_key = test::random_fixed<ExchangeKey>(static_cast<std::uint64_t>(state) + 20);
      d.state = state;
      REQUIRE(write([&](Transaction& tx) { return tx.devices().add(d); }));
      CHECK(get(*store, [&](const Snapshot& s) { return s.devices().find(d.id); })->state == state);
    }
  }

  DYNAMIC_SECTION(backend.name << ": devices are found by what an operator asks") {
    const auto put = [&](const std::string& id, const std::string& name, std::uint64_t seen,
                         DeviceState state, std::vector<DeviceSlot> slots) {
      Device d = device(id);
      d.public_key = test::random_fixed<ExchangeKey>(static_cast<std::uint64_t>(id[0]));
      d.name = name;
      d.last_seen_unix_s = seen;
      d.state = state;
      d.token_name = id == "c" ? "fleet" : "";
      d.refusals = id == "c" ? 3 : 2;
      REQUIRE(write([&](Transaction& tx) -> Result<void> {
        MPYD_TRY(tx.devices().add(d));
        for (const DeviceSlot& slot : slots) MPYD_TRY(tx.devices().put_slot(id, slot));
        return {};
      }));
    };
    put("a", "z", 30, DeviceState::enrolled, {{.slot = 1, .hardware_id = "hat:V:1"}});
    put("b", "m", 0, DeviceState::waiting, {{.slot = 0, .error = 84}, {.slot = 2, .error = 5}});
    put("c", "m2", 20, DeviceState::enrolled, {{.slot = 0, .error = 5}});
    const std::uint32_t errors[] = {84};
    const auto ids = [&](DeviceStore::Filter filter) {
      filter.trouble_refusals = 3;
      filter.trouble_errors = errors;
      std::string out;
      for (const Device& d :
           get(*store, [&](const Snapshot& s) { return s.devices().list(filter); }))
        out += d.id;
      return out;
    };
    using Order = DeviceStore::Order;
    CHECK(ids({}) == "abc");
    CHECK(ids({.state = DeviceState::waiting}) == "b");
    CHECK(ids({.name = "m"}) == "b");
    CHECK(ids({.name_prefix = "m"}) == "bc");
    CHECK(ids({.id_prefix = "c"}) == "c");
    CHECK(ids({.token_name = "fleet"}) == "c");
    CHECK(ids({.token_name = ""}) == "ab");
    CHECK(ids({.hardware_id = "hat:V:1"}) == "a");
    CHECK(ids({.seen_from_unix_s = 20}) == "ac");
    CHECK(ids({.seen_before_unix_s = 30}) == "bc");
    CHECK(ids({.is_troubled = true}) == "bc");
    CHECK(ids({.is_troubled = false}) == "a");
    CHECK(ids({.order = Order::name}) == "bca");
    CHECK(ids({.order = Order::last_seen, .is_descending = true}) == "acb");
    CHECK(ids({.is_descending = true}) == "cba");
    CHECK(ids({.after = {{.id = "a"}}}) == "bc");
    CHECK(ids({.is_descending = true, .after = {{.id = "c"}}}) == "ba");
    CHECK(ids({.order = Order::name, .after = {{.id = "b", .name = "m"}}}) == "ca");
    CHECK(ids({.order = Order::name, .is_descending = true, .after = {{.id = "a", .name = "z"}}}) ==
          "cb");
    CHECK(ids({.order = Order::last_seen, .after = {{.id = "c", .last_seen_unix_s = 20}}}) == "a");
    CHECK(ids({.count_max = 2}) == "ab");
  }

  DYNAMIC_SECTION(backend.name << ": fleet keys come newest first, and none is replaced") {
    const auto key = [](std::uint32_t generation) {
      return FleetKeyRow{generation, test::random_fixed<ExchangeKey>(generation),
                         to_vector(as_bytes("sealed")), 5};
    };
    for (const std::uint32_t generation : {1U, 2U})
      REQUIRE(write([&](Transaction& tx) { return tx.fleet_keys().add(key(generation)); }));
    CHECK(write([&](Transaction& tx) { return tx.fleet_keys().add(key(2)); }).error().code ==
          Errc::conflict);
    REQUIRE(write(
        [](Transaction& tx) { return tx.fleet_keys().set_sealed_secret(1, as_bytes("anew")); }));
    const auto keys = get(*store, [](const Snapshot& s) { return s.fleet_keys().list(); });
    REQUIRE(keys.size() == 2);
    CHECK(keys[0].generation == 2);
    CHECK(keys[1].public_key == key(1).public_key);
    CHECK(as_text(keys[1].sealed_secret) == "anew");
    CHECK(keys[1].created_unix_s == 5);
    CHECK(write([](Transaction& tx) { return tx.fleet_keys().set_sealed_secret(9, as_bytes("x")); })
              .error()
              .code == Errc::not_found);
  }

  DYNAMIC_SECTION(
      backend.name << ": a package has one key block for the fleet, of one generation") {
    const auto digest = test::random_fixed<Digest>(1);
    const auto find = [&](std::uint32_t generation) {
      return get(*store, [&](const Snapshot& s) {
        return s.fleet_keys().find_key_block(digest, generation);
      });
    };
    REQUIRE(write([](Transaction& tx) -> Result<void> {
      MPYD_TRY(publish(tx, release(1), variant("6-any", 1)));
      for (const std::uint32_t generation : {1U, 2U})
        MPYD_TRY(tx.fleet_keys().add({generation, test::random_fixed<ExchangeKey>(generation),
                                      to_vector(as_bytes("sealed")), 5}));
      return {};
    }));
    CHECK_FALSE(find(1));
    for (const std::uint32_t generation : {1U, 2U})
      REQUIRE(write([&](Transaction& tx) {
        return tx.fleet_keys().put_key_block(digest, generation, as_bytes("block"));
      }));
    CHECK_FALSE(find(1));
    REQUIRE(find(2));
    CHECK(as_text(*find(2)) == "block");
    REQUIRE(write([](Transaction& tx) { return tx.fleet_keys().remove_key_blocks(); }));
    CHECK_FALSE(find(2));
    // Of what is stored nowhere there is none.
    CHECK_FALSE(write([&](Transaction& tx) {
      return tx.fleet_keys().put_key_block(test::random_fixed<Digest>(9), 2, as_bytes("block"));
    }));
  }

  DYNAMIC_SECTION(backend.name << ": a board is found in two places only if it was there at once") {
    const auto put = [&](const std::string& id, std::uint64_t since, std::uint64_t last_seen) {
      Device d = device(id);
      d.public_key = test::random_fixed<ExchangeKey>(static_cast<std::uint64_t>(id[0]));
      d.last_seen_unix_s = last_seen;
      DeviceSlot slot{.slot = 1, .hardware_id = "hat:V:0001", .board_since_unix_s = since};
      slot.serial.push_back(std::byte{7});
      REQUIRE(write([&](Transaction& tx) -> Result<void> {
        MPYD_TRY(tx.devices().add(d));
        return tx.devices().put_slot(id, slot);
      }));
    };
    const auto clones = [&](const std::string& id) {
      return get(*store, [&](const Snapshot& s) -> Result<std::vector<DeviceStore::Place>> {
        MPYD_TRY_ASSIGN(const auto owner, s.devices().find(id));
        MPYD_TRY_ASSIGN(const auto slots, s.devices().slots(id));
        return s.devices().clones(*owner, slots[0], 4);
      });
    };
    const auto cloned = [&] {
      std::string out;
      for (const Device& d : get(*store, [](const Snapshot& s) {
             return s.devices().list({.is_troubled = true, .trouble_refusals = 1});
           }))
        out += d.id;
      return out;
    };
    put("a", 10, 20);
    put("b", 20, 30);  // came when a had told of it for the last time
    CHECK(clones("a").empty());
    CHECK(cloned().empty());
    put("c", 19, 30);
    CHECK(clones("a") == std::vector<DeviceStore::Place>{{"c", 1}});
    CHECK(clones("b") == std::vector<DeviceStore::Place>{{"c", 1}});
    CHECK(clones("c").size() == 2);
    CHECK(cloned() == "abc");
  }

  DYNAMIC_SECTION(backend.name << ": an alarm of a clone is news until it is forgotten") {
    const auto add = [&](std::uint64_t now, std::uint64_t forget_before) {
      bool is_news = false;
      REQUIRE(write([&](Transaction& tx) -> Result<void> {
        MPYD_TRY_ASSIGN(is_news, tx.devices().add_clone_alarm(
                                     {"hat:V:0001", as_bytes("s"), "a b", now}, forget_before));
        return {};
      }));
      return is_news;
    };
    CHECK(add(100, 0));
    CHECK_FALSE(add(150, 50));
    CHECK(add(201, 101));
  }

  DYNAMIC_SECTION(backend.name << ": settings are found by name, replaced and removed") {
    const auto find = [&] {
      return get(*store, [](const Snapshot& s) { return s.settings().find("place"); });
    };
    CHECK_FALSE(find());
    for (const char* value : {"a:1", "b:2"})
      REQUIRE(write([&](Transaction& tx) { return tx.settings().put("place", value); }));
    CHECK(find() == "b:2");
    REQUIRE(write([](Transaction& tx) { return tx.settings().remove("place"); }));
    REQUIRE(write([](Transaction& tx) { return tx.settings().remove("place"); }));
    CHECK_FALSE(find());
  }

  DYNAMIC_SECTION(backend.name << ": what there is of everything is counted") {
    const Variant first = variant("6.3-armv7m", 1);
    REQUIRE(write([&](Transaction& tx) -> Result<void> {
      MPYD_TRY(publish(tx, release(1), first));
      MPYD_TRY(tx.releases().add(release(2)));
      Device out = device("out");
      out.state = DeviceState::revoked;
      out.public_key = test::random_fixed<ExchangeKey>(6);
      MPYD_TRY(tx.devices().add(out));
      MPYD_TRY(tx.devices().put_slot("out", {.slot = 1, .state = 7, .error = 40}));
      MPYD_TRY(tx.devices().add(device("in")));
      MPYD_TRY(tx.devices().put_slot("in", {.slot = 1, .state = 7, .error = 40}));
      return tx.devices().put_slot("in", {.slot = 2, .state = 7, .error = 40});
    }));
    const auto totals = get(*store, [](const Snapshot& s) { return s.releases().totals(); });
    CHECK(totals.releases == 2);
    CHECK(totals.packages == 1);
    CHECK(totals.package_bytes == first.package_bytes);
    const auto states = get(*store, [](const Snapshot& s) { return s.devices().count_by_state(); });
    REQUIRE(states.size() == 2);
    CHECK(states[0].state == DeviceState::enrolled);
    CHECK(states[1].count == 1);
    const auto slots = get(*store, [](const Snapshot& s) { return s.devices().count_slots(); });
    REQUIRE(slots.size() == 1);
    CHECK(slots[0].state == 7);
    CHECK(slots[0].error == 40);
    CHECK(slots[0].count == 2);
  }

  DYNAMIC_SECTION(backend.name << ": expired tokens are named, the others are not") {
    for (std::uint32_t i = 0; i < 4; ++i) {
      const Token token{.hash = test::random_fixed<Digest>(i + 1),
                        .name = "t" + std::to_string(i),
                        .scopes = Scopes::read,
                        .expires_unix_s = i * 10};
      REQUIRE(write([&](Transaction& tx) { return tx.tokens().add(token); }));
    }
    const auto expired = [&](std::size_t count_max) {
      return get(*store,
                 [&](const Snapshot& s) { return s.tokens().expired_before(30, count_max); });
    };
    CHECK(expired(9) == std::vector<std::string>{"t1", "t2"});
    CHECK(expired(1) == std::vector<std::string>{"t1"});
    CHECK(get(*store, [](const Snapshot& s) { return s.tokens().count(); }) == 4);
  }

  DYNAMIC_SECTION(backend.name << ": the oldest answers are forgotten first") {
    REQUIRE(write([](Transaction& tx) -> Result<void> {
      for (const std::uint64_t time : {3, 1, 2})
        MPYD_TRY(tx.requests().put({.key = std::to_string(time), .time_unix_s = time}));
      return {};
    }));
    const auto forget = [&](std::uint64_t before, std::size_t count_max) {
      std::uint64_t forgotten = 0;
      REQUIRE(write([&](Transaction& tx) -> Result<void> {
        MPYD_TRY_ASSIGN(forgotten, tx.requests().forget_before(before, count_max));
        return {};
      }));
      return forgotten;
    };
    CHECK(forget(3, 1) == 1);
    CHECK(get(*store, [](const Snapshot& s) {
            return s.requests().usage(Digest{});
          }).oldest_unix_s == 2);
    CHECK(forget(3, 9) == 1);
    CHECK(forget(3, 9) == 0);
  }

  DYNAMIC_SECTION(
      backend.name << ": what a token's answers take is told, of the last of each key") {
    const auto token = test::random_fixed<Digest>(1);
    REQUIRE(write([&](Transaction& tx) -> Result<void> {
      MPYD_TRY(tx.requests().put({.token = token, .key = "a", .body = ByteVector(70)}));
      MPYD_TRY(tx.requests().put({.token = token, .key = "a", .body = ByteVector(5)}));
      MPYD_TRY(tx.requests().put({.token = token, .key = "b", .body = ByteVector(2)}));
      return tx.requests().put({.key = "a", .body = ByteVector(9)});
    }));
    const auto usage = get(*store, [&](const Snapshot& s) { return s.requests().usage(token); });
    CHECK(usage.count == 2);
    CHECK(usage.body_bytes == 7);
  }

  DYNAMIC_SECTION(backend.name << ": tokens are found by hash and removed by name") {
    const Token token{.hash = test::random_fixed<Digest>(1),
                      .name = "ci",
                      .scopes = Scopes::parse("read publish").value(),
                      .created_unix_s = 1,
                      .expires_unix_s = 2,
                      .uses_max = 3,
                      .needs_approval = true};
    REQUIRE(write([&](Transaction& tx) { return tx.tokens().add(token); }));
    REQUIRE(write([&](Transaction& tx) -> Result<void> {
      MPYD_TRY(tx.tokens().set_used(token.hash, 77));
      return tx.tokens().set_uses(token.hash, 2);
    }));
    const auto found = get(*store, [&](const Snapshot& s) { return s.tokens().find(token.hash); });
    REQUIRE(found);
    CHECK(found->scopes == token.scopes);
    CHECK(found->uses_max == 3);
    CHECK(found->uses == 2);
    CHECK(found->needs_approval);
    CHECK(found->last_used_unix_s == 77);
    REQUIRE(write([](Transaction& tx) { return tx.tokens().remove("ci"); }));
    CHECK(write([](Transaction& tx) { return tx.tokens().remove("ci"); }).error().code ==
          Errc::not_found);
    CHECK(get(*store, [](const Snapshot& s) { return s.tokens().list({}, 9); }).empty());
  }

  DYNAMIC_SECTION(backend.name << ": a token with a name that is none is told of, and not had") {
    for (const std::string& name : {std::string(), std::string("Ops"), std::string(65, 'a')}) {
      CAPTURE(name);
      const Token token{
          .hash = test::random_fixed<Digest>(1), .name = name, .scopes = Scopes(Scopes::admin)};
      REQUIRE(write([&](Transaction& tx) { return tx.tokens().add(token); }));
      const auto code_of = [&](const auto& f) { return store->get(f).error().code; };
      CHECK(code_of([&](const Snapshot& s) { return s.tokens().find(token.hash); }) ==
            Errc::malformed);
      CHECK(code_of([&](const Snapshot& s) { return s.tokens().find_named(name); }) ==
            Errc::malformed);
      CHECK(code_of([](const Snapshot& s) { return s.tokens().list({}, 9); }) == Errc::malformed);
      REQUIRE(write([&](Transaction& tx) { return tx.tokens().remove(name); }));
    }
  }

  DYNAMIC_SECTION(backend.name << ": the audit log is read forward from any row") {
    for (const char* action : {"a", "b", "c"})
      REQUIRE(write([&](Transaction& tx) {
        return tx.audit().append({.time_unix_s = 5, .action = action});
      }));
    const auto all = get(*store, [](const Snapshot& s) { return s.audit().list(0, 100); });
    REQUIRE(all.size() == 3);
    const auto rest = get(*store, [&](const Snapshot& s) { return s.audit().list(all[0].id, 1); });
    REQUIRE(rest.size() == 1);
    CHECK(rest[0].event.action == "b");
  }

  DYNAMIC_SECTION(backend.name << ": the audit log is a chain whose end is its head") {
    for (const char* action : {"one", "two", "three"})
      REQUIRE(store->write([&](Transaction& tx) {
        return tx.audit().append({.time_unix_s = 5, .action = action});
      }));
    // What was undone has no row and takes no number.
    CHECK_FALSE(store->write([&](Transaction& tx) -> Result<void> {
      MPYD_TRY(tx.audit().append({.action = "undone"}));
      return fail(Errc::conflict, "undone");
    }));
    const auto rows = get(*store, [](const Snapshot& s) { return s.audit().list(0, 100); });
    const auto end = get(*store, [](const Snapshot& s) { return s.audit().end(); });
    AuditChain chain;
    for (const AuditRow& row : rows) CHECK_FALSE(chain.add(row));
    CHECK(end.head == chain.head());
    CHECK(end.head.id == 3);
    CHECK_FALSE(chain.finish(end.numbered, end.foreign));
  }

  DYNAMIC_SECTION(backend.name << ": the newest rows of the audit log come from old to new") {
    for (const char* action : {"a", "b", "c"})
      REQUIRE(write([&](Transaction& tx) {
        return tx.audit().append({.time_unix_s = 5, .action = action});
      }));
    const auto last = get(*store, [](const Snapshot& s) { return s.audit().newest(2); });
    REQUIRE(last.size() == 2);
    CHECK(last[0].event.action == "b");
    CHECK(last[1].event.action == "c");
    CHECK(get(*store, [](const Snapshot& s) { return s.audit().newest(9); }).size() == 3);
    const auto actions = [&](const AuditLog::Filter& filter) {
      std::string out;
      for (const AuditRow& row :
           get(*store, [&](const Snapshot& s) { return s.audit().find(filter); }))
        out += row.event.action;
      return out;
    };
    REQUIRE(write([](Transaction& tx) {
      return tx.audit().append({.time_unix_s = 9, .actor = "x", .action = "b", .subject = "y"});
    }));
    CHECK(actions({.actor = "x"}) == "b");
    CHECK(actions({.action = "b"}) == "bb");
    CHECK(actions({.subject = "y"}) == "b");
    CHECK(actions({.since_unix_s = 6}) == "b");
    CHECK(actions({.before = last[1].id}) == "ab");
    CHECK(actions({.before = last[1].id, .latest = true, .count_max = 1}) == "b");
  }
}

}  // namespace mpyd::server
