// mpyd backup, mpyd restore: a data directory into one file, and back.
#include <fmt/format.h>

#include <boost/json/array.hpp>

#include "server/app/backup.hpp"
#include "server/cli/commands.hpp"
#include "server/cli/passphrase.hpp"
#include "server/cli/progress.hpp"

namespace mpyd::server::cli {
namespace {

namespace json = boost::json;

// Says what is going on, in what the step counts.
class Steps {
 public:
  explicit Steps(const Output& out)
      : copy_(out, "copying the database", "pages"),
        check_(out, "checking the database", ""),
        write_(out, "writing the backup", "bytes"),
        read_(out, "reading the backup", "bytes") {}

  void update(BackupStep step, std::uint64_t done, std::uint64_t total) {
    of(step).update(done, total);
  }

 private:
  Progress& of(BackupStep step) {
    switch (step) {
      case BackupStep::copy:
        return copy_;
      case BackupStep::check:
        return check_;
      case BackupStep::write:
        return write_;
      case BackupStep::read:
        return read_;
    }
    return copy_;
  }

  Progress copy_;
  Progress check_;
  Progress write_;
  Progress read_;
};

std::string time_apart(const RestoreReport& report) { return format_time(report.time_unix_s); }

// What came after the backup is not there: whoever restores must know what that undoes.
std::string consequences(const RestoreReport& report) {
  return "What happened after " + time_apart(report) +
         " is undone:\n"
         "  tokens and devices revoked since are valid again, and so are one-time tokens that\n"
         "  were used up since; revoke them before you start it\n"
         "  releases published since are gone; publish them again\n"
         "  policy and roots signed since are gone, and motherboards do not go back: mpyd trust\n"
         "  import brings them from files, mpyd trust restore from what lies beside the key\n";
}

// Whoever holds one of them rules the restored server.
std::string admin_tokens_text(const RestoreReport& report) {
  const auto& names = report.admin_tokens;
  return fmt::format("{} valid{}{}", names.size(), names.empty() ? "" : ": ",
                     fmt::join(names, ", "));
}

// Of the backup, not of a key.
BackupReader::Passphrase passphrase_of(const RestoreOptions& options) {
  return [options, ask = passphrase_from(options.passphrase_file)]() -> Result<LockedBytes> {
    auto passphrase = ask();
    if (passphrase || passphrase.error().code != Errc::no_key) return passphrase;
    return fail(Errc::no_key, "the backup " + options.file +
                                  " is encrypted; name a file that holds its passphrase: "
                                  "--passphrase-file FILE");
  };
}

}  // namespace

Outcome<void> run_backup(const BackupOptions& options, const Output& out) {
  MPYD_TRY_ASSIGN(const LockedBytes passphrase, new_passphrase(options.passphrase_file));
  if (passphrase.empty() && !options.without_keys)
    return failure(Errc::invalid_argument, "a backup holds the server's key, and must be encrypted",
                   "--passphrase-file FILE encrypts it; --without-keys leaves the key out");
  Steps steps(out);
  MPYD_TRY_ASSIGN(const BackupReport report,
                  make_backup({.data_dir = options.data_dir,
                               .out_file = options.out_file,
                               .passphrase = passphrase.span(),
                               .with_keys = !options.without_keys},
                              [&](BackupStep step, std::uint64_t done, std::uint64_t total) {
                                steps.update(step, done, total);
                              }));
  json::array files;
  for (const std::string& file : report.files) files.emplace_back(file);
  const std::string head = format_audit_head(report.audit_head);
  out.result({{"file", options.out_file},
              {"time_unix_s", report.time_unix_s},
              {"encrypted", !passphrase.empty()},
              {"files", std::move(files)},
              {"database_bytes", report.database_bytes},
              {"audit_head", head}},
             "backup      " + options.out_file + "\ncontent     " +
                 (options.without_keys ? "database (" : "database and server keys (") +
                 std::to_string(report.database_bytes) + " bytes), " +
                 (passphrase.empty() ? "in clear" : "encrypted") + "\naudit head  " + head + "\n");
  if (options.without_keys)
    out.say("Without " + options.data_dir +
            "/server.key a restored server serves nothing: keep a copy of that file elsewhere.");
  return {};
}

Outcome<void> run_restore(const RestoreOptions& options, const Output& out) {
  Steps steps(out);
  MPYD_TRY_ASSIGN(const RestoreReport report,
                  restore_backup({.file = options.file,
                                  .data_dir = options.data_dir,
                                  .passphrase = passphrase_of(options),
                                  .must_be_sealed = !options.passphrase_file.empty(),
                                  .server_key_file = options.server_key},
                                 [&](BackupStep step, std::uint64_t done, std::uint64_t total) {
                                   steps.update(step, done, total);
                                 }));
  const std::string head = format_audit_head(report.audit_head);
  json::array tokens;
  for (const std::string& name : report.admin_tokens) tokens.emplace_back(name);
  json::object answer{{"data", options.data_dir},
                      {"backup_unix_s", report.time_unix_s},
                      {"releases", report.releases},
                      {"devices", report.devices},
                      {"audit_head", head},
                      {"audit_intact", !report.audit_break},
                      {"encrypted", report.is_sealed},
                      {"admin_tokens", std::move(tokens)}};
  std::string text = "restored    " + options.data_dir + ", as it was on " + time_apart(report) +
                     "\ncontent     " + std::to_string(report.releases) + " releases, " +
                     std::to_string(report.devices) + " devices\nbackup      " +
                     (report.is_sealed ? "encrypted" : "in clear: nobody vouches for it") +
                     "\nadmin tokens  " + admin_tokens_text(report) + "\naudit head  " + head +
                     "\n";
  if (report.audit_break) {
    answer["audit_problem"] = describe(*report.audit_break);
    text += "WARNING: its audit log is not intact: " + describe(*report.audit_break) + "\n";
  }
  out.result(answer, text + consequences(report));
  out.say("Next: mpyd doctor --data " + options.data_dir + ", then mpyd serve --data " +
          options.data_dir + ". Never run it beside the server it was made from.");
  return {};
}

}  // namespace mpyd::server::cli
