// mpyd doctor: what is wrong with an installation, why it matters, and what mends it.
#include <boost/json/array.hpp>
#include <filesystem>

#include "server/cli/commands.hpp"
#include "server/cli/doctor_checks.hpp"
#include "server/util/clock.hpp"

namespace mpyd::server::cli {
namespace {

namespace json = boost::json;

json::object report_json(const Examination& done, std::size_t errors) {
  json::array findings;
  for (const Finding& finding : done.findings)
    findings.push_back(
        json::object{{"level", finding.severity == Severity::error ? "error" : "warning"},
                     {"code", finding.code},
                     {"what", finding.what},
                     {"why", finding.why},
                     {"mend", finding.mend}});
  json::array looked_at;
  for (const std::string& place : done.looked_at) looked_at.emplace_back(place);
  return {{"healthy", errors == 0},
          {"errors", errors},
          {"findings", std::move(findings)},
          {"looked_at", std::move(looked_at)}};
}

std::string report_text(const Examination& done) {
  std::string out;
  for (const Finding& finding : done.findings)
    out += (finding.severity == Severity::error ? "ERROR    " : "warning  ") + finding.what +
           "\n         why:  " + finding.why + "\n         mend: " + finding.mend + "\n";
  out += "looked at\n";
  for (const std::string& place : done.looked_at) out += "  " + place + "\n";
  if (done.findings.empty()) out += "all is well\n";
  return out;
}

std::vector<std::string> backup_folders(const DoctorOptions& options) {
  if (!options.backups_dir.empty()) return {options.backups_dir};
  std::error_code ec;
  const auto data = std::filesystem::weakly_canonical(options.data_dir, ec);
  return {data.string(), (data.parent_path() / "backups").string()};
}

// The root to trust the server by: the one named, or the one that lies with the keys. Empty: none.
std::string root_file_of(const DoctorOptions& options) {
  if (!options.root_file.empty() || options.keys_dir.empty()) return options.root_file;
  std::string beside = options.keys_dir + "/root.mpyd";
  std::error_code ec;
  return std::filesystem::is_regular_file(beside, ec) ? beside : std::string();
}

// What does not answer is a finding like any other: the rest of the report stands.
Documents look_at_server(const ServerOptions& server, const std::string& root_file,
                         Examination& done) {
  auto served = check_server(server, root_file, done);
  if (served) return *std::move(served);
  const Failure& failed = served.error();
  const Errc code = failed.error.code;
  const bool is_silent = code == Errc::unreachable || code == Errc::timeout;
  const std::string hint = failed.hint.empty() ? default_hint(code) : failed.hint;
  done.fail(is_silent ? "server-unreachable" : "server-not-examined",
            server.server + ": " + failed.error.message,
            is_silent ? "operators cannot reach it, and perhaps motherboards neither"
                      : "whether it serves what you signed is not known",
            hint.empty() ? "mpyd trust show --server " + server.server + " --root FILE" : hint);
  return {};
}

}  // namespace

Outcome<void> run_doctor(const DoctorOptions& options, const Output& out) {
  const std::string root_file = root_file_of(options);
  bool asks_server = !options.server.server.empty();
  const bool lacks_root = asks_server && root_file.empty();
  if (lacks_root && !options.is_server_named)
    asks_server = false;
  else if (lacks_root)
    return failure(Errc::invalid_argument, "--server needs --root, the root document to trust");
  if (options.data_dir.empty() && options.keys_dir.empty() && options.backups_dir.empty() &&
      !asks_server)
    return failure(Errc::invalid_argument, "nothing to look at",
                   "--data DIR, --keys DIR, or --server URL with --root FILE");
  for (const std::string& folder : {options.data_dir, options.keys_dir, options.backups_dir}) {
    std::error_code ec;
    if (!folder.empty() && !std::filesystem::is_directory(folder, ec))
      return failure(Errc::not_found, folder + " is no folder");
  }
  Examination done{.now_unix_s = SystemClock().now_unix_s()};
  Documents documents;
  if (!options.data_dir.empty()) {
    check_modes(options.data_dir, done);
    check_offline_keys(options.data_dir, done);
    documents = check_data(options.data_dir, done);
  }
  if (!options.data_dir.empty() || !options.backups_dir.empty())
    check_backups(backup_folders(options), options.data_dir, done);
  if (lacks_root)
    done.looked_at.push_back("not at " + options.server.server +
                             ": --root FILE names the root to trust it by");
  if (asks_server) {
    Documents served = look_at_server(options.server, root_file, done);
    if (documents.roots.empty()) documents = std::move(served);
  }
  if (!options.keys_dir.empty()) check_modes(options.keys_dir, done);
  check_documents(documents, options.keys_dir, done);

  std::size_t errors = 0;
  for (const Finding& finding : done.findings) errors += finding.severity == Severity::error;
  out.result(report_json(done, errors), report_text(done));
  if (errors == 0) return {};
  return told_already(Errc::internal);
}

}  // namespace mpyd::server::cli
