// Where devices find this server from now on, while it is on the move.
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "server/storage/store.hpp"
#include "server/util/clock.hpp"

namespace mpyd::server {

// Threads: any.
class ServerPlace {
 public:
  ServerPlace(Store& store, const Clock& clock) : store_(store), clock_(clock) {}

  struct Address {
    std::string host;  // 1 to 64 bytes, name or number, no scheme
    std::uint16_t port = 0;
  };

  // Reads what is stored; call before anything else. Errors: malformed.
  Result<void> load();

  // What every sync answer tells; absent: devices stay where they are.
  std::optional<Address> current() const;

  // Errors: invalid_argument.
  Result<void> move_to(const Address& address, const std::string& actor);
  // Says no more where to go; devices that moved stay moved. Doing it twice is a success.
  Result<void> cancel(const std::string& actor);

 private:
  Store& store_;
  const Clock& clock_;
  std::mutex changing_;  // held while the store writes; mutex_ is not, so that readers go on
  mutable std::mutex mutex_;
  std::optional<Address> address_;
};

}  // namespace mpyd::server
