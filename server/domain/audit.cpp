#include "server/domain/audit.hpp"

#include <algorithm>
#include <charconv>

#include "protocol/crypto.hpp"
#include "server/util/encoding.hpp"

namespace mpyd::server {
namespace {

constexpr std::string_view kPrefix{"mpyd audit v1\0", 14};

void add_u64(crypto::Sha256& hash, std::uint64_t value) {
  std::array<std::byte, 8> bytes;
  store_le32(bytes, 0, static_cast<std::uint32_t>(value));
  store_le32(bytes, 4, static_cast<std::uint32_t>(value >> 32));
  hash.update(bytes);
}

void add_text(crypto::Sha256& hash, std::string_view text) {
  std::array<std::byte, 4> length;
  store_le32(length, 0, static_cast<std::uint32_t>(text.size()));
  hash.update(length);
  hash.update(as_bytes(text));
}

std::string rows_text(const AuditBreak& found) {
  if (found.first == found.last) return "row " + std::to_string(found.first);
  return "rows " + std::to_string(found.first) + " to " + std::to_string(found.last);
}

}  // namespace

Digest audit_hash(const Digest& previous, std::uint64_t id, const AuditEvent& event) {
  crypto::Sha256 hash;
  hash.update(as_bytes(kPrefix));
  hash.update(previous.bytes());
  add_u64(hash, id);
  add_u64(hash, event.time_unix_s);
  for (const std::string& text : {event.actor, event.action, event.subject, event.detail})
    add_text(hash, text);
  return hash.finish();
}

std::string format_audit_head(const AuditHead& head) {
  return std::to_string(head.id) + ":" + to_hex(head.hash.bytes());
}

Result<AuditHead> parse_audit_head(std::string_view text) {
  AuditHead head;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, head.id);
  if (error == std::errc() && at != end && *at == ':')
    if (const auto hash =
            fixed_from_hex<Digest>(text.substr(static_cast<std::size_t>(at - text.data()) + 1))) {
      head.hash = *hash;
      if (head.id != 0 || head.hash == Digest{}) return head;
      // It would be found in every log, and prove nothing.
      return fail(Errc::invalid_argument, "\"" + std::string(text) +
                                              "\" is no head of an audit log: rows are numbered "
                                              "from 1, and that of an empty log is 0 and zeros");
    }
  return fail(Errc::invalid_argument, "\"" + std::string(text) +
                                          "\" is no head of an audit log: NUMBER:HASH, with 64 hex "
                                          "digits, as mpyd audit head prints it");
}

std::string_view break_name(AuditBreak::Kind kind) {
  switch (kind) {
    case AuditBreak::Kind::changed:
      return "changed";
    case AuditBreak::Kind::missing:
      return "missing";
    case AuditBreak::Kind::reordered:
      return "reordered";
    case AuditBreak::Kind::truncated:
      return "truncated";
    case AuditBreak::Kind::rewritten:
      return "rewritten";
    case AuditBreak::Kind::foreign:
      return "foreign";
  }
  return "changed";
}

std::string describe(const AuditBreak& found) {
  const std::string rows = rows_text(found);
  const bool is_one = found.first == found.last;
  switch (found.kind) {
    case AuditBreak::Kind::changed:
      return rows + " was changed after it was written";
    case AuditBreak::Kind::missing:
      return rows + (is_one ? " is missing" : " are missing");
    case AuditBreak::Kind::reordered:
      return rows + " is out of order: it was not written after row " +
             std::to_string(found.first - 1);
    case AuditBreak::Kind::truncated:
      return rows + (is_one ? " is" : " are") +
             " missing at the end: the log was cut off after row " +
             std::to_string(found.first - 1);
    case AuditBreak::Kind::rewritten:
      return rows + " is not the one whose head was noted: the log was written anew";
    case AuditBreak::Kind::foreign:
      return "there are rows before row 1, numbered 0 or less: mpyd did not write them";
  }
  return rows;
}

std::optional<AuditBreak> AuditChain::add(const AuditRow& row) {
  using Kind = AuditBreak::Kind;
  if (row.id > head_.id + 1) return AuditBreak{Kind::missing, head_.id + 1, row.id - 1};
  if (row.id <= head_.id || row.previous != head_.hash)
    return AuditBreak{Kind::reordered, row.id, row.id};
  if (audit_hash(row.previous, row.id, row.event) != row.hash)
    return AuditBreak{Kind::changed, row.id, row.id};
  head_ = {row.id, row.hash};
  if (row.event.action == kAuditRestore) restored_ = row.id;
  if (known_ && known_->id == head_.id && known_->hash != head_.hash)
    return AuditBreak{Kind::rewritten, head_.id, head_.id};
  return std::nullopt;
}

std::optional<AuditBreak> AuditChain::finish(std::uint64_t numbered, std::uint64_t foreign) const {
  const std::uint64_t last = std::max(numbered, known_ ? known_->id : 0);
  if (last > head_.id) return AuditBreak{AuditBreak::Kind::truncated, head_.id + 1, last};
  if (foreign != 0) return AuditBreak{AuditBreak::Kind::foreign, 0, 0};
  return std::nullopt;
}

}  // namespace mpyd::server
