// A whole server without sockets: a database in a temporary directory, keys of every role, services
// over a clock that stands still until told otherwise.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "protocol/mpy/header.hpp"
#include "server/services/device_service.hpp"
#include "server/services/documents.hpp"
#include "server/services/health_service.hpp"
#include "server/services/packaging.hpp"
#include "server/services/publish_service.hpp"
#include "server/services/release_service.hpp"
#include "server/services/rotation_service.hpp"
#include "server/services/sync_service.hpp"
#include "server/services/token_service.hpp"
#include "server/storage/joinable_store.hpp"
#include "server/storage/sqlite/sqlite_store.hpp"
#include "tests/support/server/drivers.hpp"
#include "tests/support/temporary_directory.hpp"

namespace mpyd::test {

// Results of the server, where a failure means that the test itself is wrong.
template <class T>
T must(server::Result<T> result) {
  if (!result) throw std::logic_error(result.error().message);
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

class FakeClock final : public server::Clock {
 public:
  std::uint64_t now_unix_s() const override { return now; }
  std::uint64_t now = 1'800'000'000;
};

inline HardwareId hardware_id(std::string_view text = "hat:Meadow%20Instruments:0042") {
  return HardwareId::parse(text).value();
}

struct PackageOptions {
  std::string_view version = "1.4.0";
  std::uint32_t release = 1;
  std::string_view abi = "6.3-armv7m";
  FloatAbi float_abi = FloatAbi::unspecified;  // the default of the arch
  ObjectRepr object_repr = ObjectRepr::unspecified;
  std::string_view hardware_id = "hat:Meadow%20Instruments:0042";
  std::string_view driver_name = "thermo";
  std::uint32_t revision_min = 0;
  std::uint32_t revision_max = 0xffffffff;
  bool is_public = false;
  std::uint64_t created_unix_s = 1'800'000'000;
  const ExchangeKey* recipient = nullptr;  // null: the server
  std::string_view required_module = {};   // empty: none
};

// The server's next key, without files.
class FakeServerKeyFiles final : public server::ServerKeyFiles {
 public:
  server::Result<std::optional<server::ExchangeKeyPair>> load_next() const override {
    if (!next) return std::optional<server::ExchangeKeyPair>();
    return std::optional(server::exchange_key_from(*next->secret));
  }
  server::Result<void> save_next(const server::ExchangeKeyPair& key) override {
    next = server::exchange_key_from(*key.secret);
    return {};
  }
  server::Result<void> adopt_next(bool keeps_current) override {
    if (fails_to_adopt) return mpyd::fail(server::Error(Errc::io, "the disk is gone"));
    kept_current = keeps_current;
    next.reset();
    return {};
  }

  std::optional<server::ExchangeKeyPair> next;
  bool fails_to_adopt = false;
  bool kept_current = false;
};

class ServerWorld {
 public:
  ServerWorld() {
    const trust::Root root_document{.version = 1,
                                    .root = role(root_key),
                                    .targets = role(targets_key),
                                    .server_key = server_key.public_key,
                                    .targets_epoch = 1};
    const server::SigningKeyPair* signer = &root_key;
    root = must(server::sign_root(root_document, {&signer, 1}));
    must(store->write([&](server::Transaction& tx) { return tx.trust().add_root(1, root); }));
    must(trust.load());
  }

  static trust::RoleKeys role(const server::SigningKeyPair& key) {
    trust::RoleKeys out{.threshold = 1};
    out.keys.push_back(key.public_key);
    return out;
  }

  trust::PolicyEntry entry(std::string_view id = "hat:Meadow%20Instruments:0042") const {
    trust::PolicyEntry out;
    out.hardware_id = hardware_id(id);
    out.driver_name = parse_driver_name("thermo").value();
    out.publisher_keys.push_back(publisher_key.public_key);
    return out;
  }

  server::ByteVector sign_targets(const trust::TargetsHead& head,
                                  const server::EntrySet& set) const {
    const server::SigningKeyPair* signer = &targets_key;
    return must(server::sign_head(head, set, {&signer, 1}));
  }

  static std::vector<server::ByteVector> bytes_of(const server::EntrySet& set) {
    std::vector<server::ByteVector> out;
    for (std::size_t i = 0; i < set.size(); ++i) out.push_back(set.bytes(i));
    return out;
  }

  // Signs the next head over these entries and puts it in force.
  void set_policy(const std::vector<trust::PolicyEntry>& entries) {
    server::EntrySet set;
    for (const trust::PolicyEntry& e : entries) must(set.put(e));
    ++head_version;
    const auto head = sign_targets(
        {.epoch = 1, .version = head_version, .expires_unix_s = clock.now + 1000}, set);
    must(trust.replace_targets(head, bytes_of(set), "test"));
  }

  // One .mpkg.
  server::ByteVector package(const PackageOptions& options) const {
    const Buffer mpy = mpy_for(options.abi);
    return package(options, mpy);
  }
  server::ByteVector package(const PackageOptions& options, Bytes mpy) const {
    Manifest manifest;
    manifest.driver_name = parse_driver_name(options.driver_name).value();
    manifest.version = parse_version(options.version).value();
    manifest.release = options.release;
    manifest.hardware_id = hardware_id(options.hardware_id);
    manifest.revision_min = options.revision_min;
    manifest.revision_max = options.revision_max;
    manifest.abi = mpy::parse_header(mpy).value().abi;
    manifest.abi.float_abi = options.float_abi;
    manifest.abi.object_repr = options.object_repr;
    manifest.abi = with_defaults(manifest.abi);
    manifest.created_unix_s = options.created_unix_s;
    if (!options.required_module.empty())
      manifest.required_modules.push_back(ModuleName::make(options.required_module).value());
    const server::SigningKeyPair* signer = &publisher_key;
    const ExchangeKey* recipient =
        options.recipient != nullptr ? options.recipient : &server_key.public_key;
    return must(server::build_package({.manifest = manifest,
                                       .publishers = {&signer, 1},
                                       .recipients = {recipient, 1},
                                       .is_public = options.is_public},
                                      mpy));
  }

  server::Result<server::PublishReport> publish(const PackageOptions& options) {
    return publish_service.publish(package(options), "token:test");
  }

  std::size_t audit_count(std::string_view action) {
    const auto rows =
        must(store->get([](const server::Snapshot& s) { return s.audit().list(0, 1000); }));
    std::size_t count = 0;
    for (const server::AuditRow& row : rows)
      if (row.event.action == action) ++count;
    return count;
  }

  TemporaryDirectory directory;
  FakeClock clock;
  server::SigningKeyPair root_key = server::make_signing_key(server::KeyRole::root);
  server::SigningKeyPair targets_key = server::make_signing_key(server::KeyRole::targets);
  server::SigningKeyPair publisher_key = server::make_signing_key(server::KeyRole::publisher);
  server::ExchangeKeyPair server_key = server::make_exchange_key();
  server::ServerKeys server_keys{server::exchange_key_from(*server_key.secret)};
  server::ByteVector root;
  std::uint32_t head_version = 0;

  std::unique_ptr<server::JoinableStore> store = std::make_unique<server::JoinableStore>(
      must(server::sqlite::SqliteStore::create(directory.file("mpyd.db"))));
  server::TrustService trust{*store, clock};
  FakeServerKeyFiles key_files;
  server::RotationService rotation{{*store, trust, server_keys, key_files, clock}, {}, {}};
  server::ResolveService resolve{*store, trust};
  server::HealthService health{{.store = *store,
                                .trust = trust,
                                .server_keys = server_keys,
                                .clock = clock,
                                .data_dir = directory.path(),
                                .database = directory.file("mpyd.db"),
                                .last_backup = directory.file("last-backup")}};
  server::PublishService publish_service{*store, trust, resolve, server_keys, clock};
  server::ReleaseService releases{*store, resolve, clock};
  server::DeviceService devices{*store, clock};
  server::TokenService tokens{*store, clock};
  server::FleetKeys fleet_keys{*store, server_keys, clock};
  server::ServerPlace place{*store, clock};
  server::SyncService sync{*store, trust, resolve, server_keys, fleet_keys, place, clock};
};

}  // namespace mpyd::test
