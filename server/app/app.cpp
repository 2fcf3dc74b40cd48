#include "server/app/app.hpp"

#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>
#include <algorithm>
#include <boost/json.hpp>
#include <chrono>

#include "server/app/data_dir.hpp"
#include "server/app/database_copy.hpp"
#include "server/app/housekeeper.hpp"
#include "server/app/server_key_files.hpp"
#include "server/app/upgrade.hpp"
#include "server/http/routes.hpp"
#include "server/http/server.hpp"
#include "server/storage/sqlite/sqlite_store.hpp"
#include "server/util/build_version.hpp"
#include "server/util/file.hpp"
#include "server/util/log.hpp"

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
      : store_(std::make_unique<JoinableStore>(std::move(store))),
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
        census_(*store_),
        maintenance_(*store_, clock_),
        health_({.store = *store_,
                 .trust = trust_,
                 .server_keys = server_keys_,
                 .clock = clock_,
                 .data_dir = data_dir,
                 .database = database_path(data_dir),
                 .last_backup = last_backup_path(data_dir)}),
        requests_(*store_, clock_),
        catalog_(*store_, trust_),
        inventory_(*store_, clock_),
        fleet_keys_(*store_, server_keys_, clock_),
        place_(*store_, clock_),
        sync_(*store_, trust_, resolve_, server_keys_, fleet_keys_, place_, clock_),
        device_application_(http::make_device_application({.sync = sync_,
                                                           .trust = trust_,
                                                           .releases = releases_,
                                                           .health = health_,
                                                           .metrics = metrics_})),
        admin_application_(http::make_admin_application({.store = *store_,
                                                         .requests = requests_,
                                                         .trust = trust_,
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
                                                         .rotation = rotation_,
                                                         .catalog = catalog_,
                                                         .inventory = inventory_,
                                                         .census = census_,
                                                         .maintenance = maintenance_,
                                                         .metrics = metrics_})) {}

  Result<void> load() {
    MPYD_TRY(trust_.load());
    MPYD_TRY(rotation_.recover());
    MPYD_TRY(fleet_keys_.load());
    return place_.load();
  }

  HealthService& health() { return health_; }
  MaintenanceService& maintenance() { return maintenance_; }
  const http::Application& device_application() const { return *device_application_; }
  const http::Application& admin_application() const { return *admin_application_; }

 private:
  SystemClock clock_;
  std::unique_ptr<JoinableStore> store_;
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
  CensusService census_;
  MaintenanceService maintenance_;
  HealthService health_;
  RequestMemory requests_;
  CatalogService catalog_;
  InventoryService inventory_;
  FleetKeys fleet_keys_;
  ServerPlace place_;
  SyncService sync_;
  http::Metrics metrics_;
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

Result<void> start_log(const ServeConfig& config) {
  if (config.log_format != "text" && config.log_format != "json")
    return fail(Errc::invalid_argument, "the log's format is text or json");
  const auto level = spdlog::level::from_str(config.log_level);
  // from_str() takes what it does not know for off.
  if (level == spdlog::level::off)
    return fail(Errc::invalid_argument, "the log's level is debug, info, warn or error");
  log_to_stderr(config.log_format == "json" ? LogFormat::json : LogFormat::text, level);
  return {};
}

// An upgrade of the schema has no way back but the copy that this makes.
Result<void> keep_old_schema(const std::string& data_dir) {
  using Clock = std::chrono::steady_clock;
  Clock::time_point said = Clock::now();
  const auto progress = [&](std::uint64_t done, std::uint64_t total) {
    if (Clock::now() - said < std::chrono::seconds(1)) return;
    said = Clock::now();
    spdlog::info("copying the database before it is upgraded: {} of {} pages", done, total);
  };
  MPYD_TRY_ASSIGN(const auto upgrade, copy_before_upgrade(data_dir, progress));
  if (upgrade)
    spdlog::warn(
        "the database is upgraded from schema {} to {}; as it was it stays in {}, for the mpyd "
        "that "
        "made it; remove it when you do not want to go back",
        upgrade->from, upgrade->to, upgrade->copy);
  return {};
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
  MPYD_TRY(start_log(config));
  MPYD_TRY(check_exposure(config));
  MPYD_TRY_ASSIGN(const FileLock lock, lock_data(config.data_dir));
  remove_unfinished_files(config.data_dir);
  remove_unfinished_upgrades(config.data_dir);
  remove_left_copies(config.data_dir);
  MPYD_TRY(keep_old_schema(config.data_dir));
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
  server.on_drain([&app] { app.health().begin_shutdown(); });
  const Housekeeper housekeeper(app.maintenance(), app.health());
  server.run();
  spdlog::info("stopped");
  return {};
}

}  // namespace mpyd::server
