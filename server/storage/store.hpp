// What the server keeps, by role, and transactions over all of it. Backends: storage/sqlite.
//
// Every function may fail with io (the storage failed) or timeout (another writer was in the way
// for too long); only further errors are named. A role is valid during the transaction it came
// from.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "server/domain/audit.hpp"
#include "server/domain/device.hpp"
#include "server/domain/hardware_reach.hpp"
#include "server/domain/inventory.hpp"
#include "server/domain/release.hpp"
#include "server/domain/token.hpp"
#include "server/util/bytes.hpp"

namespace mpyd::server {

// Signed documents, as bytes; nothing here judges them.
class TrustStore {
 public:
  // All roots from version 1, in order.
  virtual Result<std::vector<ByteVector>> roots() const = 0;
  // Of the greatest (epoch, version).
  virtual Result<std::optional<ByteVector>> newest_head() const = 0;
  // Sorted by hardware ID.
  virtual Result<std::vector<ByteVector>> entries() const = 0;

  // Errors: conflict (the version is there).
  virtual Result<void> add_root(std::uint32_t version, Bytes document) = 0;
  struct NewHead {
    std::uint32_t epoch = 0;
    std::uint32_t version = 0;
    Bytes document;
  };
  struct NewEntry {
    std::string_view hardware_id;
    Bytes entry;
  };
  // Adds the head and replaces all entries. Errors: conflict (the head is there).
  virtual Result<void> replace_targets(const NewHead& head, std::span<const NewEntry> entries) = 0;

 protected:
  ~TrustStore() = default;
};

class ReleaseStore {
 public:
  // Of one hardware ID, highest release first, with their variants sorted by ABI text.
  virtual Result<std::vector<Release>> of_hardware(const HardwareId& hardware_id) const = 0;
  enum class Order : std::uint8_t {
    hardware_id,  // then highest release first
    newest,       // published last first
  };
  struct Filter {
    std::optional<HardwareId> hardware_id;
    std::optional<DriverName> driver_name;
    std::optional<bool> yanked;  // has it a withdrawn variant?
    std::optional<bool> deprecated;
    HardwareReach reach;  // only of hardware IDs that it covers
    Order order = Order::hardware_id;
    // The last row of the page before, in the same order.
    struct Position {
      std::string hardware_id;
      std::uint32_t release = 0;
      std::uint64_t created_unix_s = 0;
    };
    std::optional<Position> after;
    std::size_t count_max = 1000;
  };
  virtual Result<std::vector<Release>> list(const Filter& filter) const = 0;
  virtual Result<std::uint64_t> count() const = 0;
  // The release of a package, with this variant only.
  virtual Result<std::optional<Release>> of_package(const Digest& digest) const = 0;
  // Hardware IDs with releases, in their order, each with its highest one.
  struct Driver {
    HardwareId hardware_id;
    DriverName driver_name;
    VersionText version;
    std::uint32_t release = 0;
    std::uint64_t releases = 0;  // how many there are
  };
  struct DriverFilter {
    std::string after;  // hardware IDs above this
    std::string text;   // in hardware ID or driver name, whatever its case; empty: any
    HardwareReach reach;
    std::size_t count_max = 1000;
  };
  virtual Result<std::vector<Driver>> drivers(const DriverFilter& filter) const = 0;
  struct Totals {
    std::uint64_t releases = 0;
    std::uint64_t packages = 0;
    std::uint64_t package_bytes = 0;
  };
  virtual Result<Totals> totals() const = 0;

  // A release without variants. Errors: conflict (its version or release number is taken).
  virtual Result<void> add(const Release& release) = 0;
  // To an existing release (by hardware ID and release number). Errors: not_found, conflict (the
  // ABI or the digest is taken).
  virtual Result<void> add_variant(const Release& release, const Variant& variant) = 0;
  // Returns how many variants changed. An empty `abi_text`: all of the release.
  virtual Result<std::uint32_t> set_withdrawn(const HardwareId& hardware_id,
                                              const VersionText& version, std::string_view abi_text,
                                              bool withdrawn) = 0;
  // An empty `message`: it is not deprecated any more. Errors: not_found.
  virtual Result<void> set_deprecated(const HardwareId& hardware_id, const VersionText& version,
                                      std::string_view message) = 0;

 protected:
  ~ReleaseStore() = default;
};

struct StoredPackage {
  ByteVector bytes;
  ByteVector key_block;  // empty for public packages
};

class PackageStore {
 public:
  virtual Result<std::optional<StoredPackage>> find(const Digest& digest) const = 0;
  // The head only: the first kPackageHeadBytesMax bytes, or all if there are fewer.
  virtual Result<std::optional<StoredPackage>> find_head(const Digest& digest) const = 0;
  // Only `length` bytes from `offset`, as far as they exist.
  struct Part {
    ByteVector bytes;
    std::uint64_t package_bytes = 0;
  };
  virtual Result<std::optional<Part>> find_part(const Digest& digest, std::uint64_t offset,
                                                std::uint64_t length) const = 0;
  // Of packages that have one, in the order of their digests, after `after` (all zero: from the
  // start). Each with the package's head, as find_head.
  struct KeyBlock {
    Digest package;
    ByteVector head;
    ByteVector key_block;
  };
  virtual Result<std::vector<KeyBlock>> key_blocks(const Digest& after,
                                                   std::size_t count_max) const = 0;
  virtual Result<std::uint64_t> count_key_blocks() const = 0;
  // Errors: conflict (it is there).
  virtual Result<void> add(const Digest& digest, Bytes bytes, Bytes key_block) = 0;
  // Errors: not_found.
  virtual Result<void> set_key_block(const Digest& digest, Bytes key_block) = 0;

 protected:
  ~PackageStore() = default;
};

class DeviceStore {
 public:
  virtual Result<std::optional<Device>> find(std::string_view id) const = 0;
  enum class Order : std::uint8_t { id, name, last_seen };  // the id decides among equals
  struct Filter {
    std::optional<DeviceState> state;
    std::optional<std::string> name;
    std::string name_prefix;
    std::string id_prefix;
    std::optional<std::string> token_name;
    std::optional<std::string> hardware_id;  // a board of which is in one of its slots
    std::uint64_t seen_from_unix_s = 0;
    std::optional<std::uint64_t> seen_before_unix_s;  // also who was never seen
    // Has it refused as often as that in a row, a slot with one of these errors, or a cloned board?
    std::optional<bool> is_troubled;
    std::uint32_t trouble_refusals = 0;
    std::span<const std::uint32_t> trouble_errors;
    Order order = Order::id;
    bool is_descending = false;
    // The last row of the page before, in the same order.
    struct Position {
      std::string id;
      std::string name;
      std::uint64_t last_seen_unix_s = 0;
    };
    std::optional<Position> after;
    std::size_t count_max = 1000;
  };
  virtual Result<std::vector<Device>> list(const Filter& filter) const = 0;
  virtual Result<std::uint64_t> count() const = 0;
  struct StateCount {
    DeviceState state = DeviceState::enrolled;
    std::uint64_t count = 0;
  };
  virtual Result<std::vector<StateCount>> count_by_state() const = 0;
  struct SlotCount {
    std::uint32_t state = 0;  // sync::SlotState, as reported
    std::uint32_t error = 0;  // Errc, as reported
    std::uint64_t count = 0;
  };
  // Occupied slots of enrolled devices.
  virtual Result<std::vector<SlotCount>> count_slots() const = 0;
  // Sorted by slot.
  virtual Result<std::vector<DeviceSlot>> slots(std::string_view id) const = 0;
  struct Place {
    std::string device_id;
    std::uint32_t slot = 0;
    friend auto operator<=>(const Place&, const Place&) = default;
  };
  // Where else a board of this hardware ID and serial was while it was in this slot of this device:
  // what both motherboards told of it overlaps in time. A board that was moved is nowhere else, nor
  // is one without a serial. Only enrolled motherboards count; at most `count_max`, looked for
  // among kClonesSearchedMax boards of this serial.
  static constexpr std::size_t kClonesSearchedMax = 32;
  virtual Result<std::vector<Place>> clones(const Device& device, const DeviceSlot& slot,
                                            std::size_t count_max) const = 0;
  // Of one device, or of all if `id` is empty, sorted by device and hardware ID.
  virtual Result<std::vector<DevicePin>> pins(std::string_view id) const = 0;

  // Errors: conflict (the id is there).
  virtual Result<void> add(const Device& device) = 0;
  // All fields but id, public_key and enrolled_unix_s. Errors: not_found.
  virtual Result<void> update(const Device& device) = 0;
  // Adds the slot, or replaces the one of its number.
  virtual Result<void> put_slot(std::string_view id, const DeviceSlot& slot) = 0;
  virtual Result<void> remove_slot(std::string_view id, std::uint32_t slot) = 0;
  // Adds the pin, or replaces the one of its device and hardware ID.
  virtual Result<void> put_pin(const DevicePin& pin) = 0;
  virtual Result<bool> remove_pin(std::string_view id, std::string_view hardware_id) = 0;
  // `successor` has the pins of `id` from now on, and those it had besides.
  virtual Result<void> move_pins(std::string_view id, std::string_view successor) = 0;
  // Remembers an alarm and forgets those from before `forget_before_unix_s`. False: it is there.
  struct CloneAlarm {
    std::string_view hardware_id;
    Bytes serial;
    std::string_view places;  // canonical text of both
    std::uint64_t time_unix_s = 0;
  };
  virtual Result<bool> add_clone_alarm(const CloneAlarm& alarm,
                                       std::uint64_t forget_before_unix_s) = 0;

 protected:
  ~DeviceStore() = default;
};

// What enrolled motherboards last said of their occupied slots, over all of them.
class InventoryStore {
 public:
  struct Filter {
    std::optional<std::string> hardware_id;
    std::optional<std::string> device_id;
    std::optional<std::uint32_t> state;  // the agent's SlotState
    std::optional<std::uint32_t> error;  // Errc; 0: none
    // The last row of the page before.
    struct Position {
      std::string device_id;
      std::uint32_t slot = 0;
    };
    std::optional<Position> after;
    std::size_t count_max = 1000;
  };
  // Sorted by device and slot.
  virtual Result<std::vector<InventoryRow>> list(const Filter& filter) const = 0;
  // Reads all of it. At most `top_max` rows of what comes most frequent first.
  virtual Result<Statistics> statistics(std::uint64_t seen_since_unix_s,
                                        std::size_t top_max) const = 0;

 protected:
  ~InventoryStore() = default;
};

class TokenStore {
 public:
  virtual Result<std::optional<Token>> find(const Digest& hash) const = 0;
  virtual Result<std::optional<Token>> find_named(std::string_view name) const = 0;
  // Sorted by name, those after `after`.
  virtual Result<std::vector<Token>> list(std::string_view after, std::size_t count_max) const = 0;
  virtual Result<std::uint64_t> count() const = 0;
  // Names of those whose time was over before then.
  virtual Result<std::vector<std::string>> expired_before(std::uint64_t time_unix_s,
                                                          std::size_t count_max) const = 0;

  // Errors: conflict (the name is taken).
  virtual Result<void> add(const Token& token) = 0;
  // Errors: not_found.
  virtual Result<void> set_used(const Digest& hash, std::uint64_t time_unix_s) = 0;
  virtual Result<void> set_uses(const Digest& hash, std::uint32_t uses) = 0;
  virtual Result<void> remove(std::string_view name) = 0;

 protected:
  ~TokenStore() = default;
};

struct FleetKeyRow {
  std::uint32_t generation = 0;
  ExchangeKey public_key;
  ByteVector sealed_secret;
  std::uint64_t created_unix_s = 0;
};

class FleetKeyStore {
 public:
  virtual Result<std::vector<FleetKeyRow>> list() const = 0;  // newest first

  // Errors: conflict (the generation is there).
  virtual Result<void> add(const FleetKeyRow& key) = 0;
  // Errors: not_found.
  virtual Result<void> set_sealed_secret(std::uint32_t generation, Bytes sealed_secret) = 0;

  // Of a package, sealed to the fleet key of this generation; nothing if there is none.
  virtual Result<std::optional<ByteVector>> find_key_block(const Digest& package,
                                                           std::uint32_t generation) const = 0;
  // One per package: takes the place of an older one.
  virtual Result<void> put_key_block(const Digest& package, std::uint32_t generation,
                                     Bytes key_block) = 0;
  virtual Result<void> remove_key_blocks() = 0;

 protected:
  ~FleetKeyStore() = default;
};

// Single values of the whole server, by name.
class SettingStore {
 public:
  virtual Result<std::optional<std::string>> find(std::string_view name) const = 0;

  virtual Result<void> put(std::string_view name, std::string_view value) = 0;
  virtual Result<void> remove(std::string_view name) = 0;  // absent is success

 protected:
  ~SettingStore() = default;
};

class AuditLog {
 public:
  struct Filter {
    std::uint64_t after = 0;              // ids above this
    std::optional<std::uint64_t> before;  // ids below this
    std::optional<std::string> actor;
    std::optional<std::string> action;
    std::optional<std::string> subject;
    std::uint64_t since_unix_s = 0;
    bool latest = false;  // the last ones that fit, not the first
    std::size_t count_max = 1000;
  };
  // Oldest first, always.
  virtual Result<std::vector<AuditRow>> find(const Filter& filter) const = 0;
  Result<std::vector<AuditRow>> list(std::uint64_t after, std::size_t count_max) const {
    return find({.after = after, .count_max = count_max});
  }
  Result<std::vector<AuditRow>> newest(std::size_t count_max) const {
    return find({.latest = true, .count_max = count_max});
  }
  struct End {
    AuditHead head;
    std::uint64_t numbered = 0;  // the highest number ever given to a row, also to one that is gone
    std::uint64_t foreign = 0;   // rows numbered 0 or less: nothing here writes them, or reads them
  };
  virtual Result<End> end() const = 0;
  // The next row, chained to the last one (AuditChain). Errors: internal (no number is left).
  virtual Result<void> append(const AuditEvent& event) = 0;

 protected:
  ~AuditLog() = default;
};

// A POST with an Idempotency-Key, and what was answered.
struct AnsweredRequest {
  Digest token;  // hash of the bearer's token
  std::string key;
  Digest request;  // SHA-256 over method, target and body
  std::uint64_t time_unix_s = 0;
  std::uint32_t status = 0;  // 0: it was carried out, and the answer is not kept
  std::string content_type;
  ByteVector body;
};

class RequestStore {
 public:
  virtual Result<std::optional<AnsweredRequest>> find(const Digest& token,
                                                      std::string_view key) const = 0;
  struct Usage {
    std::uint64_t count = 0;
    std::uint64_t oldest_unix_s = 0;  // 0: there is none
    std::uint64_t body_bytes = 0;
  };
  virtual Result<Usage> usage(const Digest& token) const = 0;

  // Adds the request, or replaces the one of its token and key.
  virtual Result<void> put(const AnsweredRequest& request) = 0;
  // The oldest first, and at most `count_max`. Returns how many.
  virtual Result<std::uint64_t> forget_before(std::uint64_t time_unix_s, std::size_t count_max) = 0;

 protected:
  ~RequestStore() = default;
};

// One consistent view; what a writer changes is seen by itself at once, by others after commit.
class Transaction {
 public:
  virtual TrustStore& trust() = 0;
  virtual ReleaseStore& releases() = 0;
  virtual PackageStore& packages() = 0;
  virtual DeviceStore& devices() = 0;
  virtual InventoryStore& inventory() = 0;
  virtual TokenStore& tokens() = 0;
  virtual FleetKeyStore& fleet_keys() = 0;
  virtual SettingStore& settings() = 0;
  virtual AuditLog& audit() = 0;
  virtual RequestStore& requests() = 0;

 protected:
  ~Transaction() = default;
};

// The reading half of a transaction: its roles are const.
class Snapshot {
 public:
  explicit Snapshot(Transaction& tx) : tx_(&tx) {}
  const TrustStore& trust() const { return tx_->trust(); }
  const ReleaseStore& releases() const { return tx_->releases(); }
  const PackageStore& packages() const { return tx_->packages(); }
  const DeviceStore& devices() const { return tx_->devices(); }
  const InventoryStore& inventory() const { return tx_->inventory(); }
  const TokenStore& tokens() const { return tx_->tokens(); }
  const FleetKeyStore& fleet_keys() const { return tx_->fleet_keys(); }
  const SettingStore& settings() const { return tx_->settings(); }
  const AuditLog& audit() const { return tx_->audit(); }
  const RequestStore& requests() const { return tx_->requests(); }

 private:
  Transaction* tx_;
};

// How much of a committed transaction survives a power cut. A killed process loses nothing.
enum class Durability : std::uint8_t {
  full,     // on the disk before write() returns
  relaxed,  // the last few may be undone, as a whole and in order: counters, inventory, last use
};

class Store {
 public:
  virtual ~Store() = default;

  // Commits when `f` succeeds, undoes everything when it fails; errors: those of `f`, io, timeout.
  // One writer at a time; calls do not nest. Threads: any.
  using Write = std::function<Result<void>(Transaction&)>;
  virtual Result<void> write(const Write& f, Durability durability = Durability::full) = 0;

  using Read = std::function<Result<void>(const Snapshot&)>;
  virtual Result<void> read(const Read& f) = 0;

  // read() for a function that returns Result<T>.
  template <class F>
  auto get(const F& f) -> decltype(f(std::declval<const Snapshot&>())) {
    decltype(f(std::declval<const Snapshot&>())) out = mpyd::fail(Error(Errc::internal));
    const Result<void> done = read([&](const Snapshot& snapshot) -> Result<void> {
      out = f(snapshot);
      if (!out) return mpyd::fail(out.error());
      return {};
    });
    if (!done) return mpyd::fail(done.error());
    return out;
  }
};

}  // namespace mpyd::server
