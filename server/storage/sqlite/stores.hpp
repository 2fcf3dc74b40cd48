// The roles of storage/store.hpp over one connection.
#pragma once

#include "server/storage/sqlite/connection.hpp"
#include "server/storage/store.hpp"

namespace mpyd::server::sqlite {

class SqliteTrustStore final : public TrustStore {
 public:
  explicit SqliteTrustStore(Connection& connection) : connection_(connection) {}
  Result<std::vector<ByteVector>> roots() const override;
  Result<std::optional<ByteVector>> newest_head() const override;
  Result<std::vector<ByteVector>> entries() const override;
  Result<void> add_root(std::uint32_t version, Bytes document) override;
  Result<void> replace_targets(const NewHead& head, std::span<const NewEntry> entries) override;

 private:
  Connection& connection_;
};

class SqliteReleaseStore final : public ReleaseStore {
 public:
  explicit SqliteReleaseStore(Connection& connection) : connection_(connection) {}
  Result<std::vector<Release>> of_hardware(const HardwareId& hardware_id) const override;
  Result<std::vector<Release>> list(const Filter& filter) const override;
  Result<std::uint64_t> count() const override;
  Result<std::optional<Release>> of_package(const Digest& digest) const override;
  Result<std::vector<Driver>> drivers(const DriverFilter& filter) const override;
  Result<Totals> totals() const override;
  Result<void> add(const Release& release) override;
  Result<void> add_variant(const Release& release, const Variant& variant) override;
  Result<std::uint32_t> set_withdrawn(const HardwareId& hardware_id, const VersionText& version,
                                      std::string_view abi_text, bool withdrawn) override;
  Result<void> set_deprecated(const HardwareId& hardware_id, const VersionText& version,
                              std::string_view message) override;

 private:
  Result<std::vector<Release>> read_rows(Statement& rows) const;
  Result<void> read_variants(std::int64_t release_id, Release& release) const;

  Connection& connection_;
};

class SqlitePackageStore final : public PackageStore {
 public:
  explicit SqlitePackageStore(Connection& connection) : connection_(connection) {}
  Result<std::optional<StoredPackage>> find(const Digest& digest) const override;
  Result<std::optional<StoredPackage>> find_head(const Digest& digest) const override;
  Result<std::optional<Part>> find_part(const Digest& digest, std::uint64_t offset,
                                        std::uint64_t length) const override;
  Result<std::vector<KeyBlock>> key_blocks(const Digest& after,
                                           std::size_t count_max) const override;
  Result<std::uint64_t> count_key_blocks() const override;
  Result<void> add(const Digest& digest, Bytes bytes, Bytes key_block) override;
  Result<void> set_key_block(const Digest& digest, Bytes key_block) override;

 private:
  Connection& connection_;
};

class SqliteDeviceStore final : public DeviceStore {
 public:
  explicit SqliteDeviceStore(Connection& connection) : connection_(connection) {}
  Result<std::optional<Device>> find(std::string_view id) const override;
  Result<std::vector<Device>> list(const Filter& filter) const override;
  Result<std::uint64_t> count() const override;
  Result<std::vector<StateCount>> count_by_state() const override;
  Result<std::vector<SlotCount>> count_slots() const override;
  Result<std::vector<DeviceSlot>> slots(std::string_view id) const override;
  Result<std::vector<Place>> clones(const Device& device, const DeviceSlot& slot,
                                    std::size_t count_max) const override;
  Result<std::vector<DevicePin>> pins(std::string_view id) const override;
  Result<void> add(const Device& device) override;
  Result<void> update(const Device& device) override;
  Result<void> put_slot(std::string_view id, const DeviceSlot& slot) override;
  Result<void> remove_slot(std::string_view id, std::uint32_t slot) override;
  Result<void> put_pin(const DevicePin& pin) override;
  Result<bool> remove_pin(std::string_view id, std::string_view hardware_id) override;
  Result<void> move_pins(std::string_view id, std::string_view successor) override;
  Result<bool> add_clone_alarm(const CloneAlarm& alarm,
                               std::uint64_t forget_before_unix_s) override;

 private:
  Connection& connection_;
};

class SqliteInventoryStore final : public InventoryStore {
 public:
  explicit SqliteInventoryStore(Connection& connection) : connection_(connection) {}
  Result<std::vector<InventoryRow>> list(const Filter& filter) const override;
  Result<Statistics> statistics(std::uint64_t seen_since_unix_s,
                                std::size_t top_max) const override;

 private:
  Connection& connection_;
};

class SqliteTokenStore final : public TokenStore {
 public:
  explicit SqliteTokenStore(Connection& connection) : connection_(connection) {}
  Result<std::optional<Token>> find(const Digest& hash) const override;
  Result<std::optional<Token>> find_named(std::string_view name) const override;
  Result<std::vector<Token>> list(std::string_view after, std::size_t count_max) const override;
  Result<std::uint64_t> count() const override;
  Result<std::vector<std::string>> expired_before(std::uint64_t time_unix_s,
                                                  std::size_t count_max) const override;
  Result<void> add(const Token& token) override;
  Result<void> set_used(const Digest& hash, std::uint64_t time_unix_s) override;
  Result<void> set_uses(const Digest& hash, std::uint32_t uses) override;
  Result<void> remove(std::string_view name) override;

 private:
  Connection& connection_;
};

class SqliteFleetKeyStore final : public FleetKeyStore {
 public:
  explicit SqliteFleetKeyStore(Connection& connection) : connection_(connection) {}
  Result<std::vector<FleetKeyRow>> list() const override;
  Result<void> add(const FleetKeyRow& key) override;
  Result<void> set_sealed_secret(std::uint32_t generation, Bytes sealed_secret) override;
  Result<std::optional<ByteVector>> find_key_block(const Digest& package,
                                                   std::uint32_t generation) const override;
  Result<void> put_key_block(const Digest& package, std::uint32_t generation,
                             Bytes key_block) override;
  Result<void> remove_key_blocks() override;

 private:
  Connection& connection_;
};

class SqliteSettingStore final : public SettingStore {
 public:
  explicit SqliteSettingStore(Connection& connection) : connection_(connection) {}
  Result<std::optional<std::string>> find(std::string_view name) const override;
  Result<void> put(std::string_view name, std::string_view value) override;
  Result<void> remove(std::string_view name) override;

 private:
  Connection& connection_;
};

class SqliteRequestStore final : public RequestStore {
 public:
  explicit SqliteRequestStore(Connection& connection) : connection_(connection) {}
  Result<std::optional<AnsweredRequest>> find(const Digest& token,
                                              std::string_view key) const override;
  Result<Usage> usage(const Digest& token) const override;
  Result<void> put(const AnsweredRequest& request) override;
  Result<std::uint64_t> forget_before(std::uint64_t time_unix_s, std::size_t count_max) override;

 private:
  Connection& connection_;
};

// Chains the rows of a log from before there were hashes, as they are.
Result<void> chain_audit_log(Connection& connection);

class SqliteAuditLog final : public AuditLog {
 public:
  explicit SqliteAuditLog(Connection& connection) : connection_(connection) {}
  Result<std::vector<AuditRow>> find(const Filter& filter) const override;
  Result<End> end() const override;
  Result<void> append(const AuditEvent& event) override;

 private:
  Connection& connection_;
};

}  // namespace mpyd::server::sqlite
