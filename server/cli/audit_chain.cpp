// mpyd audit verify, mpyd audit head: is the log what was written? A server is not asked for its
// opinion: the rows are fetched, and hashed here.
#include "server/app/audit_file.hpp"
#include "server/app/data_dir.hpp"
#include "server/cli/commands.hpp"
#include "server/cli/json_fields.hpp"
#include "server/cli/progress.hpp"
#include "server/util/encoding.hpp"

namespace mpyd::server::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kRowsAtOnce = 1000;
// More than a server appends to its log while it is read; who sends more of them has no end.
constexpr std::uint64_t kAppendedMeanwhileMax = 100'000;

Outcome<Digest> hash_field(const json::object& row, std::string_view name) {
  MPYD_TRY_ASSIGN(const std::string text, text_field(row, name));
  MPYD_TRY_ASSIGN(const Digest hash, fixed_from_hex<Digest>(text));
  return hash;
}

Outcome<AuditRow> row_of(const json::object& row) {
  AuditRow out;
  MPYD_TRY_ASSIGN(out.id, number_field(row, "id"));
  MPYD_TRY_ASSIGN(out.event.time_unix_s, number_field(row, "time_unix_s"));
  MPYD_TRY_ASSIGN(out.event.actor, text_field(row, "actor"));
  MPYD_TRY_ASSIGN(out.event.action, text_field(row, "action"));
  MPYD_TRY_ASSIGN(out.event.subject, text_field(row, "subject"));
  MPYD_TRY_ASSIGN(out.event.detail, text_field(row, "detail"));
  MPYD_TRY_ASSIGN(out.previous, hash_field(row, "previous"));
  MPYD_TRY_ASSIGN(out.hash, hash_field(row, "hash"));
  return out;
}

Outcome<json::object> fetch(const AdminClient& client, std::uint64_t after, std::size_t limit) {
  return client.get("/v1/admin/audit/chain" + query_of({{"after", std::to_string(after)},
                                                        {"limit", std::to_string(limit)}}),
                    http::kAnswerBytesMax);
}

Outcome<AuditHead> head_of(const json::object& answer) {
  MPYD_TRY_ASSIGN(const std::string text, text_field(answer, "head"));
  MPYD_TRY_ASSIGN(const AuditHead head, parse_audit_head(text));
  return head;
}

Outcome<AuditVerdict> verify_served(const AdminClient& client,
                                    const std::optional<AuditHead>& known, Progress& progress) {
  AuditChain chain(known);
  std::optional<std::uint64_t> last;  // when the verifying began
  while (true) {
    MPYD_TRY_ASSIGN(const json::object answer, fetch(client, chain.head().id, kRowsAtOnce));
    MPYD_TRY_ASSIGN(const auto rows, object_list(answer, "rows"));
    for (const json::object& each : rows) {
      MPYD_TRY_ASSIGN(const AuditRow row, row_of(each));
      if (const auto found = chain.add(row))
        return AuditVerdict{chain.head(), found, chain.restored()};
    }
    MPYD_TRY_ASSIGN(const AuditHead end, head_of(answer));
    if (!last) last = end.id;
    if (chain.head().id > *last && chain.head().id - *last > kAppendedMeanwhileMax)
      return failure(Errc::limit,
                     "the audit log of " + client.url() + " has no end: row " +
                         std::to_string(*last) + " was its last, and more than " +
                         std::to_string(kAppendedMeanwhileMax) + " followed while it was read",
                     "verify the database itself, on its machine: mpyd audit verify --data DIR");
    progress.update(chain.head().id, end.id);
    if (rows.size() == kRowsAtOnce) continue;
    MPYD_TRY_ASSIGN(const std::uint64_t numbered, number_field(answer, "numbered"));
    MPYD_TRY_ASSIGN(const std::uint64_t foreign, number_field(answer, "foreign"));
    return AuditVerdict{chain.head(), chain.finish(numbered, foreign), chain.restored()};
  }
}

Outcome<AuditVerdict> verify(const AuditOptions& options, const std::optional<AuditHead>& known,
                             const Output& out) {
  Progress progress(out, "checked", "rows");
  if (options.data_dir.empty()) {
    MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options.server));
    return verify_served(client, known, progress);
  }
  MPYD_TRY_ASSIGN(AuditVerdict verdict, verify_audit(database_path(options.data_dir), known,
                                                     [&](std::uint64_t done, std::uint64_t total) {
                                                       progress.update(done, total);
                                                     }));
  return verdict;
}

// A noted head that is gone: a restore takes away what came after its backup, and says so in a row.
bool may_be_restored(const AuditVerdict& verdict) {
  const AuditBreak& found = *verdict.found;
  const bool is_end =
      found.kind == AuditBreak::Kind::truncated || found.kind == AuditBreak::Kind::rewritten;
  return is_end && verdict.restored != 0 && verdict.restored <= found.last;
}

// What is still certain, and what to do.
std::string advice(const AuditVerdict& verdict) {
  if (may_be_restored(verdict))
    return "Row " + std::to_string(verdict.restored) +
           " says that this server was restored from a backup. If you did that, what came after "
           "the backup\nis gone, the noted head with it: note the head that mpyd audit head tells "
           "now. If nobody did, somebody wrote\nto the database beside mpyd: change admin tokens "
           "and the server's key, and restore from a backup of yours.\n";
  const std::string whole =
      verdict.found->kind == AuditBreak::Kind::rewritten
          ? "No row up to it is certain, unless the head was noted wrongly."
          : "Rows 1 to " + std::to_string(verdict.head.id) + " are as they were written.";
  return whole +
         " Somebody wrote to the database beside mpyd: compare it with a backup\nfrom before, "
         "change admin tokens and the server's key, and note from when on the log cannot be "
         "trusted.\n";
}

Outcome<void> report_break(const AuditVerdict& verdict, const Output& out) {
  const std::string what = describe(*verdict.found);
  out.result({{"intact", false},
              {"problem", break_name(verdict.found->kind)},
              {"row", verdict.found->first},
              {"last_row", verdict.found->last},
              {"message", what},
              {"restored_at_row", verdict.restored},
              {"head", format_audit_head(verdict.head)}},
             "NOT INTACT: " + what + "\n" + advice(verdict));
  return told_already(Errc::bad_digest);
}

}  // namespace

Outcome<void> run_audit_verify(const AuditOptions& options, const Output& out) {
  std::optional<AuditHead> known;
  if (!options.head.empty()) {
    const auto head = parse_audit_head(options.head);
    if (!head)
      return failure(head.error().code, head.error().message,
                     "of one that a file holds: --head \"$(cat FILE)\"");
    known = *head;
  }
  MPYD_TRY_ASSIGN(const AuditVerdict verdict, verify(options, known, out));
  if (verdict.found) return report_break(verdict, out);
  const std::string head = format_audit_head(verdict.head);
  out.result({{"intact", true}, {"rows", verdict.head.id}, {"head", head}},
             "intact: " + std::to_string(verdict.head.id) + " rows, each as it was written" +
                 (known ? ", the noted head among them" : "") + "\nhead " + head + "\n");
  if (!known)
    out.say("Note the head elsewhere: with --head NUMBER:HASH a cut-off end is found as well.");
  return {};
}

Outcome<void> run_audit_head(const AuditOptions& options, const Output& out) {
  AuditHead head;
  if (options.data_dir.empty()) {
    MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(options.server));
    MPYD_TRY_ASSIGN(const json::object answer, fetch(client, 0, 0));
    MPYD_TRY_ASSIGN(head, head_of(answer));
  } else {
    MPYD_TRY_ASSIGN(head, read_audit_head(database_path(options.data_dir)));
  }
  const std::string text = format_audit_head(head);
  out.result({{"head", text}, {"row", head.id}, {"hash", to_hex(head.hash.bytes())}}, text);
  return {};
}

}  // namespace mpyd::server::cli
