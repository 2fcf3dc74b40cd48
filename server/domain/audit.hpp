// One line of the audit log, and the chain that its rows are: schema/audit.md has the rule.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/digest.hpp"
#include "server/util/error.hpp"

namespace mpyd::server {

struct AuditEvent {
  std::uint64_t time_unix_s = 0;
  std::string actor;          // "token:<name>", "device:<id>", "init"
  std::string action;         // "publish", "yank", "device-enroll" ...
  std::string subject;        // what it was done to
  std::string detail = "{}";  // a JSON object
};

struct AuditRow {
  std::uint64_t id = 0;
  AuditEvent event;
  Digest previous;  // the hash of the row before; zero in the first
  Digest hash;
};

// What the hash of a row is, given that of the row before.
Digest audit_hash(const Digest& previous, std::uint64_t id, const AuditEvent& event);

// The last row of a log; of an empty one 0 and zero bytes. As text NUMBER:HASH.
struct AuditHead {
  std::uint64_t id = 0;
  Digest hash;
  friend bool operator==(const AuditHead&, const AuditHead&) = default;
};
std::string format_audit_head(const AuditHead& head);
Result<AuditHead> parse_audit_head(std::string_view text);  // invalid_argument

// The action of the row that mpyd restore adds to what it restored.
inline constexpr std::string_view kAuditRestore = "restore";

// Where a log stops being what was written.
struct AuditBreak {
  enum class Kind : std::uint8_t { changed, missing, reordered, truncated, rewritten, foreign };
  Kind kind = Kind::changed;
  std::uint64_t first =
      0;  // rows, by number; of `truncated` the first that is gone; of `foreign` 0
  std::uint64_t last = 0;
};
std::string_view break_name(AuditBreak::Kind kind);
// One plain sentence: "row 5 was changed after it was written".
std::string describe(const AuditBreak& found);

// Checks a log row by row, from the first to the last, in the order of their numbers.
class AuditChain {
 public:
  // `known`: a head noted earlier, which the log must still contain.
  explicit AuditChain(const std::optional<AuditHead>& known = std::nullopt) : known_(known) {}

  // After a break the rest of the log says nothing.
  std::optional<AuditBreak> add(const AuditRow& row);
  // `numbered`: up to where the storage says that rows were numbered. `foreign`: how many rows it
  // has before the first one, which no log has.
  std::optional<AuditBreak> finish(std::uint64_t numbered, std::uint64_t foreign) const;

  const AuditHead& head() const { return head_; }  // of what was added
  // The last row that says that the server was restored from a backup; 0: none does.
  std::uint64_t restored() const { return restored_; }

 private:
  std::optional<AuditHead> known_;
  AuditHead head_;
  std::uint64_t restored_ = 0;
};

}  // namespace mpyd::server
