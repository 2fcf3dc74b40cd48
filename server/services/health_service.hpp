// Is the server fit to work? What a listener that answers proves is not asked again: the database
// is migrated and the key loaded before anything listens.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/services/server_keys.hpp"
#include "server/services/trust_service.hpp"
#include "server/storage/joinable_store.hpp"

namespace mpyd::server {

// One publication of the largest size still fits.
inline constexpr std::uint64_t kDiskBytesMin = std::uint64_t{64} << 20;

// Threads: any.
class HealthService {
 public:
  struct Parts {
    JoinableStore& store;
    const TrustService& trust;
    const ServerKeys& server_keys;
    const Clock& clock;
    std::string data_dir;
    std::string database;     // its file
    std::string last_backup;  // the file with the time of the last one
  };
  explicit HealthService(Parts parts) : parts_(std::move(parts)) {}

  // What is wrong. Both are literals: anybody may read them.
  struct Unfit {
    std::string_view check;  // shutdown, directory, disk, database, write or key
    std::string_view reason;
  };
  // Empty: it is fit. Some microseconds; writes nothing.
  std::vector<Unfit> look() const;
  // Also tries a write, once in ten seconds at most; it may wait some seconds for another writer.
  std::vector<Unfit> look_by_writing();
  // For probes, of whom there may be a flood: what was found within the last second, or by look().
  // Nothing: it is the turn of look_by_writing(), which comes once a second, of whoever asked then.
  std::optional<std::vector<Unfit>> recall();
  // After a write has failed: finds out whether writes work again.
  void write_again();

  // From now on it is unfit.
  void begin_shutdown() { is_shutting_down_ = true; }

  // The database's files together; 0 if they cannot be seen.
  std::uint64_t database_bytes() const;
  // When the last backup was made by this machine; 0: not known.
  std::uint64_t backup_unix_s() const;

 private:
  void try_write();

  const Parts parts_;
  std::atomic<bool> is_shutting_down_ = false;
  std::mutex writing_;
  std::uint64_t written_unix_s_ = 0;

  struct Found {
    std::uint64_t unix_s = 0;
    std::vector<Unfit> unfit;
  };

  std::mutex recalling_;
  std::uint64_t turn_unix_s_ = 0;  // of the last look by writing that recall() asked for
  Found found_;
};

}  // namespace mpyd::server
