#include "server/app/app.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>
#include <algorithm>
#include <boost/json.hpp>

#include "server/app/data_dir.hpp"
#include "server/app/server_key_files.hpp"
#include "server/http/routes.hpp"
#include "server/http/server.hpp"
#include "server/storage/sqlite/sqlite_store.hpp"
#include "server/util/build_version.hpp"
#include "server/util/file.hpp"

namespace mpyd::server {
namespace {

// A line now and then, for whoever waits for a rotation of the server's key.
void log_rewrap(std::uint64_t done, std::uint64_t total) {
  constexpr std::uint64_t kBlocksPerLine = 8192;
  if (done % kBlocksPerLine == 0 || done == total)
    spdlog::info("sealing content keys to the new server key: {} of {}", done, total);
}

// The parts, in order of dependency; destroyed in reverse.
class App {
 public:
  App(std::unique_ptr<Store> store, ExchangeKeyPair server_key, const std::string& data_dir)
      : store_(std::move(store)),
        server_keys_(std::move(server_key)),
        key_files_(data_dir),
        trust_(*store_, clock_),
        rotation_({*store_, trust_, server_keys_, key_files_, clock_}, {FleetKeys::reseal},
                  log_rewrap),
        resolve_(*store_, trust_),
        publish_(*store_, trust_, resolve_, server_keys_, clock_),
        releases_(*store_, resolve_, clock_),
        devices_(*store_, clock_),
        tokens_(*store_, clock_),
        audit_(*store_),
        health_(*store_),
        fleet_keys_(*store_, server_keys_, clock_),
        place_(*store_, clock_),
        sync_(*store_, trust_, resolve_, server_keys_, fleet_keys_, place_, clock_),
        device_application_(http::make_device_application(
            {.sync = sync_, .trust = trust_, .releases = releases_, .health = health_})),
        admin_application_(http::make_admin_application({.trust = trust_,
                                                         .publish = publish_,
                                                         .releases = releases_,
                                                         .devices = devices_,
                                                         .tokens = tokens_,
                                                         .resolve = resolve_,
                                                         .audit = audit_,
                                                         .health = health_,
                                                         .fleet_keys = fleet_keys_,
                                                         .place = place_,
                                                         .server_keys = server_keys_,
                                                         .rotation = rotation_})) {}

  Result<void> load() {
    MPYD_TRY(trust_.load());
    MPYD_TRY(rotation_.recover());
    MPYD_TRY(fleet_keys_.load());
    return place_.load();
  }

  const http::Application& device_application() const { return *device_application_; }
  const http::Application& admin_application() const { return *admin_application_; }

 private:
  SystemClock clock_;
  std::unique_ptr<Store> store_;
  ServerKeys server_keys_;
  DataDirKeyFiles key_files_;
  TrustService trust_;
  RotationService rotation_;
  ResolveService resolve_;
  PublishService publish_;
  ReleaseService releases_;
  DeviceService devices_;
  TokenService tokens_;
  AuditService audit_;
  HealthService health_;
  FleetKeys fleet_keys_;
  ServerPlace place_;
  SyncService sync_;
  std::unique_ptr<http::Application> device_application_;
  std::unique_ptr<http::Application> admin_application_;
};

Result<void> check_exposure(const ServeConfig& config) {
  if (config.tls_cert.empty() != config.tls_key.empty())
    return fail(Errc::invalid_argument, "--tls-cert and --tls-key go together");
  MPYD_TRY_ASSIGN(const bool loopback, http::is_loopback(config.admin_listen));
  if (loopback || !config.tls_cert.empty() || !config.behind_proxy.empty()) return {};
  return fail(Errc::forbidden,
              "the admin listener " + config.admin_listen +
                  " is reachable from other machines in clear; give --tls-cert and "
                  "--tls-key, or --behind-proxy CIDR");
}

Result<FileLock> lock_data(const std::string& data_dir) {
  if (::access(database_path(data_dir).c_str(), F_OK) != 0)
    return fail(Errc::not_found,
                data_dir + " is not a data directory; make one: mpyd init --data DIR --keys DIR2");
  auto lock = FileLock::acquire(lock_path(data_dir));
  if (!lock && lock.error().code == Errc::conflict)
    return fail(Errc::conflict, "another mpyd runs on " + data_dir + "; " +
                                    serve_info_path(data_dir) + " says where");
  return lock;
}

void log_to_stderr() {
  auto logger = spdlog::stderr_logger_mt("mpyd");
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

// Says where the daemon listens, for scripts; gone when it is.
class ServeInfo {
 public:
  static Result<ServeInfo> write(const std::string& path, const std::string& listen,
                                 const std::string& admin_listen) {
    const std::string text = boost::json::serialize(boost::json::object{
        {"listen", listen}, {"admin_listen", admin_listen}, {"pid", ::getpid()}});
    MPYD_TRY(write_file(path, as_bytes(text + "\n"), 0600));
    return ServeInfo(path);
  }
  ServeInfo(ServeInfo&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  ServeInfo& operator=(ServeInfo&&) = delete;
  ~ServeInfo() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }

 private:
  explicit ServeInfo(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// How many devices may be connected so that both listeners can be full and there are still files
// for the database and the log. The usual soft limit of 1,024 is raised as far as the system lets
// us; idle devices must not starve the operator of descriptors.
unsigned device_places(const ServeConfig& config) {
  constexpr rlim_t kOtherFiles = 128;
  const rlim_t others = rlim_t{config.admin_connections_max} + kOtherFiles;
  const rlim_t wanted = config.device_connections_max + others;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return config.device_connections_max;
  if (limit.rlim_cur < wanted) {
    limit.rlim_cur = std::min(wanted, limit.rlim_max);
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) getrlimit(RLIMIT_NOFILE, &limit);
  }
  if (limit.rlim_cur >= wanted) return config.device_connections_max;
  const rlim_t places = limit.rlim_cur > others ? limit.rlim_cur - others : 1;
  spdlog::warn("only {} files may be open at once, which leaves room for {} devices, not {}",
               limit.rlim_cur, places, config.device_connections_max);
  return static_cast<unsigned>(places);
}

}  // namespace

Result<void> serve(const ServeConfig& config) {
  log_to_stderr();
  MPYD_TRY(check_exposure(config));
  MPYD_TRY_ASSIGN(const FileLock lock, lock_data(config.data_dir));
  remove_unfinished_files(config.data_dir);
  MPYD_TRY_ASSIGN(auto store, sqlite::SqliteStore::open(database_path(config.data_dir)));
  MPYD_TRY_ASSIGN(auto server_key, load_exchange_key(server_key_path(config.data_dir)));
  App app(std::move(store), std::move(server_key), config.data_dir);
  MPYD_TRY(app.load());

  http::Server server(config.slow_threads);
  MPYD_TRY_ASSIGN(const std::string listen,
                  server.listen({.address = config.listen,
                                 .application = app.device_application(),
                                 .connections_max = device_places(config),
                                 .held_bytes_max = config.device_held_bytes_max}));
  MPYD_TRY_ASSIGN(const std::string admin_listen,
                  server.listen({.address = config.admin_listen,
                                 .application = app.admin_application(),
                                 .tls_cert = config.tls_cert,
                                 .tls_key = config.tls_key,
                                 .peers = config.behind_proxy,
                                 .connections_max = config.admin_connections_max,
                                 .held_bytes_max = config.admin_held_bytes_max}));
  MPYD_TRY_ASSIGN(const ServeInfo info,
                  ServeInfo::write(serve_info_path(config.data_dir), listen, admin_listen));
  spdlog::info("mpyd {} serves {}: devices on {}, administration on {}", build_version(),
               config.data_dir, listen, admin_listen);
  server.run();
  spdlog::info("stopped");
  return {};
}

}  // namespace mpyd::server
