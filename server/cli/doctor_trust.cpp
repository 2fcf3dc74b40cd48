// mpyd doctor: the database, trust documents, keys that can sign, the server's clock.
#include <algorithm>
#include <ctime>

#include "server/app/data_dir.hpp"
#include "server/app/examine.hpp"
#include "server/cli/doctor_checks.hpp"
#include "server/cli/output.hpp"
#include "server/cli/trust_view.hpp"
#include "server/util/clock.hpp"
#include "server/util/encoding.hpp"

namespace mpyd::server::cli {
namespace {

constexpr std::uint64_t kSoonS = 30 * 86400;
constexpr std::uint64_t kClockSkewMaxS = 60;

std::string hex(const ExchangeKey& key) { return to_hex(key.bytes()); }

template <class Parsed>
std::optional<Parsed> parse_body(Bytes document, Result<Parsed> (*parse)(Bytes)) {
  const auto parts = trust::parse_signed(document);
  if (!parts) return std::nullopt;
  auto body = parse(parts->body);
  return body ? std::optional<Parsed>(*std::move(body)) : std::nullopt;
}
std::optional<trust::Root> root_of(Bytes document) {
  return parse_body<trust::Root>(document, [](Bytes body) -> Result<trust::Root> {
    return lift(trust::parse_root(body), "root");
  });
}
std::optional<trust::TargetsHead> head_of(Bytes document) {
  return parse_body<trust::TargetsHead>(document, [](Bytes body) -> Result<trust::TargetsHead> {
    return lift(trust::parse_head(body), "head");
  });
}

void check_expiry(const std::string& what, std::uint64_t expires_unix_s, const std::string& mend,
                  Examination& out) {
  if (expires_unix_s == 0) return;
  const std::string why = "after it, motherboards load nothing that they have not loaded before";
  if (expires_unix_s <= out.now_unix_s)
    out.fail("expired", what + " expired on " + format_time(expires_unix_s), why, mend);
  else if (expires_unix_s <= out.now_unix_s + kSoonS)
    out.warn("expires-soon", what + " expires on " + format_time(expires_unix_s), why, mend);
}

// How many keys of the role lie in `secrets`.
std::size_t present(const trust::RoleKeys& role, const std::vector<SecretFile>& secrets,
                    KeyRole kind) {
  return static_cast<std::size_t>(std::ranges::count_if(role.keys, [&](const SigningKey& key) {
    return std::ranges::any_of(secrets, [&](const SecretFile& secret) {
      return !secret.is_token && secret.role == kind && secret.public_key == key;
    });
  }));
}

bool names(const trust::Root& root, const SecretFile& secret) {
  const trust::RoleKeys& role = secret.role == KeyRole::root ? root.root : root.targets;
  return std::ranges::find(role.keys, secret.public_key) != role.keys.end();
}

// Keys that an older root named, and the newest does not.
void check_retired(const Documents& documents, const trust::Root& root,
                   const std::vector<SecretFile>& secrets, Examination& out) {
  for (const SecretFile& secret : secrets) {
    if (secret.is_token || (secret.role != KeyRole::root && secret.role != KeyRole::targets) ||
        names(root, secret))
      continue;
    const bool was_named = std::ranges::any_of(documents.roots, [&](const ByteVector& document) {
      const auto older = root_of(document);
      return older && names(*older, secret);
    });
    if (was_named)
      out.warn("retired-key",
               secret.path + ", a " + std::string(role_name(secret.role)) +
                   " key, is retired: the newest root does not name it",
               "it signs nothing any more, and may be destroyed",
               "once a policy is in force (mpyd trust restore --base reads " + secret.path +
                   ".head): shred -u " + secret.path);
    else
      out.looked_at.push_back(secret.path + ": a " + std::string(role_name(secret.role)) +
                              " key that no root names, or not yet");
  }
}

void check_signers(const trust::Root& root, const std::string& keys_dir, Examination& out) {
  const auto secrets = find_secrets(keys_dir, 1);
  const std::size_t targets = present(root.targets, secrets, KeyRole::targets);
  const std::size_t roots = present(root.root, secrets, KeyRole::root);
  if (targets < root.targets.threshold)
    out.fail("nobody-can-sign",
             "policy needs " + std::to_string(root.targets.threshold) + " targets keys, and " +
                 keys_dir + " holds " + std::to_string(targets) + " of them",
             "nothing can be delegated, revoked or renewed without them",
             "bring the missing keys, or have root name new ones: mpyd trust rotate targets");
  if (roots < root.root.threshold)
    out.warn("root-keys-elsewhere",
             "a new root needs " + std::to_string(root.root.threshold) + " root keys, and " +
                 keys_dir + " holds " + std::to_string(roots) + " of them",
             "right if the others are in a safe; if they are lost, no stolen key can ever be "
             "replaced",
             "make sure that you know where they are");
  out.looked_at.push_back(keys_dir + ": keys that sign policy (" + std::to_string(targets) +
                          " of " + std::to_string(root.targets.threshold) + " needed) and roots (" +
                          std::to_string(roots) + " of " + std::to_string(root.root.threshold) +
                          ")");
}

void check_server_key(const DataFacts& facts, const std::string& data_dir, Examination& out) {
  const std::string path = server_key_path(data_dir);
  const auto root =
      facts.roots.empty() ? std::optional<trust::Root>() : root_of(facts.roots.back());
  if (facts.key_open_to_others) {
    // One ailment, one finding: check_modes() has told of most.
    const bool is_told = std::ranges::any_of(out.findings, [&](const Finding& finding) {
      return finding.code == "readable-by-others" && finding.mend.ends_with(" " + path);
    });
    if (!is_told)
      out.fail("readable-by-others", facts.key_error, "whoever read it has it",
               "chmod 600 " + path);
    return;
  }
  if (!facts.server_key) {
    out.fail("no-server-key", facts.key_error.empty() ? path + " is missing" : facts.key_error,
             "the server cannot start, nor open what is stored",
             "bring it back from the backup that was made with this database: cp -p "
             "BACKUP/server.key " +
                 path);
    return;
  }
  if (!root) return;
  const bool next_is_named = facts.next_server_key && *facts.next_server_key == root->server_key;
  if (*facts.server_key != root->server_key && !next_is_named)
    out.fail("server-key-not-in-root",
             "the root in force names the server key " + hex(root->server_key) + ", and " + path +
                 " is " + hex(*facts.server_key),
             "motherboards talk to the key that root names, and to no other",
             "bring back the server.key that belongs to this database");
  else if (*facts.server_key != root->server_key)
    out.warn("rotation-unfinished",
             "root names the next server key, whose file is not in place yet",
             "a crash came between",
             "start the server; it finishes by itself: mpyd serve --data " + data_dir);
  else if (facts.next_server_key)
    out.warn("rotation-unfinished",
             next_server_key_path(data_dir) + " waits for a root that names it",
             "a rotation of the server's key was begun and not finished",
             "mpyd trust rotate server --key root.key --root root.mpyd; or give it up: rm " +
                 next_server_key_path(data_dir) + "*");
  out.looked_at.push_back(path + ": whether root names it");
}

// Keys that the server kept because something was sealed to them when they were replaced.
void check_old_server_keys(const std::string& data_dir, Examination& out) {
  for (const SecretFile& secret : find_secrets(data_dir, 1)) {
    if (secret.is_token || !secret.path.starts_with(server_key_path(data_dir) + ".old")) continue;
    out.warn(
        "old-server-key", secret.path + " is a replaced server key that was kept",
        "the keys of some packages did not open when it was replaced, and are sealed to it",
        "publish those packages again (the audit log counts them), then: shred -u " + secret.path);
  }
}

std::optional<std::uint64_t> parse_http_date(const std::string& text) {
  std::tm when{};
  const char* end = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &when);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return static_cast<std::uint64_t>(::timegm(&when));
}

}  // namespace

Documents check_data(const std::string& data_dir, Examination& out) {
  DataFacts facts = examine_data(data_dir);
  const std::string database = database_path(data_dir);
  if (!facts.damage.empty())
    out.fail("database-damaged", database + ": " + facts.damage,
             "nothing here can be relied on as long as that is so",
             facts.is_newer ? "install the newer mpyd that made it"
                            : "stop the server and restore a backup; then mpyd doctor again");
  if (facts.newest_event_unix_s > out.now_unix_s + 300)
    out.fail("database-from-the-future",
             "the newest event in the database is of " + format_time(facts.newest_event_unix_s),
             "this machine's clock is behind, or was ahead: expiry is judged wrongly",
             "set the clock: timedatectl set-ntp true");
  out.looked_at.push_back(database + ": integrity and times, " +
                          std::to_string(facts.roots.size()) + " roots");
  check_server_key(facts, data_dir, out);
  check_old_server_keys(data_dir, out);
  if (!facts.load_error.empty())
    out.fail("server-does-not-start", facts.load_error,
             "mpyd serve loads this first, and ends when it cannot",
             "stop the server and restore a backup of database and key; then mpyd doctor again");
  return {std::move(facts.roots), std::move(facts.head).value_or(ByteVector{})};
}

void check_documents(const Documents& documents, const std::string& keys_dir, Examination& out) {
  if (documents.roots.empty()) return;
  const auto root = root_of(documents.roots.back());
  if (!root) {
    out.fail("root-damaged", "the newest root document cannot be read", "nothing can be verified",
             "restore a backup");
    return;
  }
  check_expiry("root version " + std::to_string(root->version), root->expires_unix_s,
               "mpyd trust rotate root --expires-days 3650 --key root.key --root root.mpyd", out);
  std::string said = "root version " + std::to_string(root->version) + " (expires " +
                     format_time(root->expires_unix_s) + ")";
  const auto head =
      documents.head.empty() ? std::optional<trust::TargetsHead>() : head_of(documents.head);
  if (head && head->epoch == root->targets_epoch) {
    check_expiry("targets head version " + std::to_string(head->version), head->expires_unix_s,
                 "mpyd trust renew --key targets.key --root root.mpyd", out);
    said += ", targets head version " + std::to_string(head->version) + " (expires " +
            format_time(head->expires_unix_s) + ")";
  } else if (head) {
    out.fail("no-policy",
             "root began epoch " + std::to_string(root->targets_epoch) +
                 ", and no targets head of it is in force",
             "motherboards load nothing new until there is one",
             "mpyd trust restore --base OLDKEY.head --key NEW.key --root root.mpyd");
  }
  out.looked_at.push_back(said);
  if (keys_dir.empty()) return;
  check_signers(*root, keys_dir, out);
  check_retired(documents, *root, find_secrets(keys_dir, 1), out);
}

Outcome<Documents> check_server(const ServerOptions& server, const std::string& root_file,
                                Examination& out) {
  MPYD_TRY_ASSIGN(const ByteVector pinned, load_root(root_file));
  MPYD_TRY_ASSIGN(const http::Client plain,
                  http::Client::make(server.server, {.ca_file = server.ca_file}));
  MPYD_TRY_ASSIGN(const http::ClientAnswer health, plain.send({.target = "/healthz"}));
  if (const auto time = parse_http_date(health.date)) {
    const std::uint64_t now = SystemClock().now_unix_s();
    const std::uint64_t skew = *time > now ? *time - now : now - *time;
    if (skew > kClockSkewMaxS)
      out.fail("clocks-differ",
               "the server's clock and this machine's differ by " + std::to_string(skew) + " s",
               "motherboards take the server's time, and what is signed here expires by this "
               "machine's",
               "set both clocks: timedatectl set-ntp true");
  }
  out.looked_at.push_back(server.server + ": its clock and its trust documents");
  MPYD_TRY_ASSIGN(const AdminClient client, AdminClient::open(server));
  auto view = fetch_trust(client, pinned);
  if (!view &&
      (view.error().error.code == Errc::unreachable || view.error().error.code == Errc::timeout ||
       view.error().error.code == Errc::unauthorised || view.error().error.code == Errc::forbidden))
    return fail(std::move(view).error());
  if (!view) {
    out.fail("server-not-trusted", view.error().error.message,
             "it is not the server this root is for, or was rolled back",
             "mpyd trust show --server " + server.server + " --root " + root_file);
    return Documents{};
  }
  return Documents{view->documents.roots, view->documents.targets.empty()
                                              ? view->documents.ended.head
                                              : view->documents.targets.head};
}

}  // namespace mpyd::server::cli
