#include "server/services/request_memory.hpp"

namespace mpyd::server {
namespace {

// More than one, so that they do not grow between two runs of the maintenance.
constexpr std::size_t kForgottenWithNote = 8;

bool is_forgotten(const AnsweredRequest& request, std::uint64_t now_unix_s) {
  return request.time_unix_s + kRequestRemembered_s < now_unix_s;
}

// Why nothing more is remembered for a token; empty: something is.
std::string fullness_of(const RequestStore::Usage& usage) {
  if (usage.count >= kRequestsPerTokenMax)
    return "the token has used " + std::to_string(kRequestsPerTokenMax) +
           " Idempotency-Keys within a day, its most";
  if (usage.body_bytes >= kRememberedBytesPerTokenMax)
    return "the answers to the token's Idempotency-Keys of a day take " +
           std::to_string(kRememberedBytesPerTokenMax) + " bytes, their most";
  return {};
}

}  // namespace

RequestMemory::Turn::Turn(Turn&& other) noexcept
    : memory_(std::exchange(other.memory_, nullptr)),
      asked_(std::move(other.asked_)),
      earlier_(std::move(other.earlier_)),
      full_(std::move(other.full_)) {}

RequestMemory::Turn::~Turn() {
  if (memory_ == nullptr) return;
  const std::scoped_lock lock(memory_->mutex_);
  memory_->running_.erase({asked_.token, asked_.key});
}

const AnsweredRequest* RequestMemory::Turn::answer() const {
  return earlier_ && earlier_->status != 0 ? &*earlier_ : nullptr;
}

Result<void> RequestMemory::Turn::note(Transaction& tx) const {
  const std::uint64_t now = memory_->clock_.now_unix_s();
  if (now > kRequestRemembered_s)
    MPYD_TRY(tx.requests().forget_before(now - kRequestRemembered_s, kForgottenWithNote));
  return tx.requests().put(
      {.token = asked_.token, .key = asked_.key, .request = asked_.request, .time_unix_s = now});
}

Result<void> RequestMemory::Turn::keep(std::uint32_t status, const std::string& content_type,
                                       Bytes body) const {
  AnsweredRequest row{.token = asked_.token,
                      .key = asked_.key,
                      .request = asked_.request,
                      .time_unix_s = memory_->clock_.now_unix_s()};
  if (body.size() <= kRememberedAnswerBytesMax) {
    row.status = status;
    row.content_type = content_type;
    row.body = to_vector(body);
  }
  return memory_->store_.write([&](Transaction& tx) { return tx.requests().put(row); },
                               Durability::relaxed);
}

Result<RequestMemory::Turn> RequestMemory::begin(const Asked& asked) {
  {
    const std::scoped_lock lock(mutex_);
    if (!running_.emplace(asked.token, asked.key).second)
      return fail(Errc::in_progress, "the first request with this Idempotency-Key is not done yet");
  }
  Turn turn(*this, asked);
  const std::uint64_t now = clock_.now_unix_s();
  RequestStore::Usage usage;
  const Result<void> looked = store_.read([&](const Snapshot& s) -> Result<void> {
    MPYD_TRY_ASSIGN(turn.earlier_, s.requests().find(asked.token, asked.key));
    if (turn.earlier_ && is_forgotten(*turn.earlier_, now)) turn.earlier_.reset();
    if (turn.earlier_) return {};
    // This reads as much as the token has keys: not for whoever repeats a request.
    MPYD_TRY_ASSIGN(usage, s.requests().usage(asked.token));
    return {};
  });
  MPYD_TRY(looked);
  const auto& earlier = turn.earlier_;
  if (earlier && earlier->request != asked.request)
    return fail(Errc::key_reused,
                "the Idempotency-Key was used for another request; every request has its own");
  const std::uint64_t free_at = usage.oldest_unix_s + kRequestRemembered_s;
  std::string full = fullness_of(usage);
  if (!full.empty() && free_at >= now) turn.full_ = {std::move(full), free_at - now + 1};
  return turn;
}

Result<bool> RequestMemory::knows(const Digest& token, std::string_view key) const {
  MPYD_TRY_ASSIGN(const auto found,
                  store_.get([&](const Snapshot& s) { return s.requests().find(token, key); }));
  return found && !is_forgotten(*found, clock_.now_unix_s());
}

}  // namespace mpyd::server
