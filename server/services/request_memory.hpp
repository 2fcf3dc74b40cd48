// Requests that are carried out once, however often they are sent: each has a key, and what was
// answered is remembered with it for a day.
//
// That a request was carried out is written in the transaction of its change; the answer follows in
// one of its own. After a crash between both, the answer is made again by a rehearsal
// (joinable_store.hpp), which changes nothing; where that cannot be, whoever asks again is told so.
#pragma once

#include <mutex>
#include <set>
#include <string>

#include "server/storage/joinable_store.hpp"
#include "server/util/clock.hpp"

namespace mpyd::server {

inline constexpr std::uint64_t kRequestRemembered_s = 24 * 3600;
inline constexpr std::uint64_t kRequestsPerTokenMax = 10'000;
inline constexpr std::size_t kRememberedAnswerBytesMax = 16384;
inline constexpr std::uint64_t kRememberedBytesPerTokenMax = std::uint64_t{16} << 20;

// Threads: any.
class RequestMemory {
 public:
  RequestMemory(Store& store, const Clock& clock) : store_(store), clock_(clock) {}

  struct Asked {
    Digest token;
    std::string key;
    Digest request;  // SHA-256 over method, target and body
  };
  // The right to carry one request out; nobody else has it meanwhile.
  class Turn {
   public:
    Turn(Turn&& other) noexcept;
    Turn& operator=(Turn&&) = delete;
    ~Turn();

    // It was carried out before: either here is the answer, or it was not kept.
    bool was_done() const { return earlier_.has_value(); }
    const AnsweredRequest* answer() const;
    // It cannot be taken: the token has as much remembered as it may.
    struct Full {
      std::string why;
      std::uint64_t wait_s = 0;  // until the oldest is forgotten
    };
    const std::optional<Full>& full() const { return full_; }

    // In the transaction of the change.
    Result<void> note(Transaction& tx) const;
    // The answer, for whoever repeats the request; one that is too long is not kept.
    Result<void> keep(std::uint32_t status, const std::string& content_type, Bytes body) const;

   private:
    friend class RequestMemory;
    Turn(RequestMemory& memory, Asked asked) : memory_(&memory), asked_(std::move(asked)) {}

    RequestMemory* memory_;
    Asked asked_;
    std::optional<AnsweredRequest> earlier_;
    std::optional<Full> full_;
  };
  // Errors: in_progress (this very request is being carried out), key_reused (the key belongs to
  // another request).
  Result<Turn> begin(const Asked& asked);
  // Has the token a request of this key, whatever it was?
  Result<bool> knows(const Digest& token, std::string_view key) const;

 private:
  Store& store_;
  const Clock& clock_;
  std::mutex mutex_;
  std::set<std::pair<Digest, std::string>> running_;
};

}  // namespace mpyd::server
