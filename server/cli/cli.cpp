// The command table. Each block declares one command: its options, its help, and what runs it.
#include "server/cli/cli.hpp"

#include <google/protobuf/stubs/logging.h>
#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>

#include "server/cli/commands.hpp"
#include "server/cli/config_choice.hpp"
#include "server/cli/help.hpp"
#include "server/cli/manual.hpp"
#include "server/cli/usage.hpp"
#include "server/http/server.hpp"
#include "server/util/build_version.hpp"

namespace mpyd::server::cli {
namespace {

// Of commands that take none.
struct NoOptions {};

// Options live as long as the parser that fills them.
class Program {
 public:
  Program() : app_("mpyd: drivers for MicroPython boards", "mpyd") {
    app_.set_help_flag("-h,--help", "Print this help");
    app_.set_version_flag("--version", std::string(build_version()), "Print the version");
    // Only what says so is also a key of configuration files (server/cli/settings.hpp).
    app_.option_defaults()->configurable(false);
    app_.add_flag("--json", json_, "Print the result as one line of JSON");
    app_.add_flag("--quiet", quiet_, "Say nothing but results and what went wrong");
    app_.add_option("--profile", profile_, "Profile of client.toml to use; none: without any")
        ->envname("MPYD_PROFILE")
        ->type_name("NAME");
    app_.require_subcommand(1);
    app_.formatter(make_help_formatter());
    app_.footer(
        "mpyd COMMAND --help says more of each.\n"
        "Exit codes: 0 ok, 1 failed, 2 usage, 3 not authorised, 4 not found, 5 conflict,\n"
        "6 verification failed, 7 network.");
  }

  int run(int argc, const char* const* argv);

 private:
  using Command = std::function<Outcome<void>(const Output&)>;

  void add_server_commands();
  void add_doctor_command();
  void add_key_commands();
  void add_trust_commands();
  void add_policy_commands(CLI::App* trust);
  void add_pin_and_refuse_commands(CLI::App* trust);
  void add_rotation_commands(CLI::App* trust);
  void add_exchange_commands(CLI::App* trust);
  void add_token_commands();
  void add_driver_commands();
  void add_release_commands();
  void add_eeprom_commands();
  void add_device_commands();
  void add_device_life_commands(CLI::App* device);
  void add_device_pin_commands(CLI::App* device);
  void add_inventory_commands();
  void add_answer_commands();
  void add_published_commands();
  void add_audit_commands(CLI::App* audit, const std::shared_ptr<AuditOptions>& options);
  void add_backup_commands();
  void add_profile_commands();
  void add_manual_commands();

  // Where settings come from that no flag gave.
  Outcome<void> configure();
  Outcome<FileLayer> choose_layer(const std::vector<CLI::App*>& chain);
  Outcome<void> show_settings(const Output& out) const;

  CLI::App* group(const std::string& name, const std::string& what) {
    CLI::App* app = app_.add_subcommand(name, what);
    app->fallthrough();
    app->require_subcommand(1);
    app->footer("mpyd " + name + " COMMAND --help says more of each.");
    return app;
  }

  template <class Options, class Run>
  CLI::App* command(CLI::App* parent, const std::string& name, const std::string& what,
                    const std::string& example, std::shared_ptr<Options> options, Run execute) {
    CLI::App* app = parent->add_subcommand(name, what);
    app->fallthrough();
    const bool is_one = example.find("\n  mpyd ") == std::string::npos;
    app->footer((is_one ? "Example:\n  " : "Examples:\n  ") + example);
    app->callback([this, options, execute] {
      if (command_) return;  // a command of this one's, whose callback comes first
      command_ = [options, execute](const Output& out) { return execute(*options, out); };
    });
    return app;
  }

  // Each setting of a command has a variable: --admin-listen and MPYD_ADMIN_LISTEN.
  static void name_variables(CLI::App* app);
  // The profile that login and logout are about.
  std::string profile_or_default() const {
    if (!profile_.empty()) return profile_;
    return chosen_.name.empty() ? "default" : chosen_.name;
  }

  // A validator from a function that parses and says what is wrong.
  template <class Check>
  static CLI::Validator checked_by(Check check, const std::string& form) {
    return CLI::Validator(
        [check](std::string& text) {
          const auto checked = check(text);
          return checked ? std::string() : checked.error().message;
        },
        form);
  }
  // Whether a flag gave this setting.
  bool is_given(std::string_view name) const {
    return std::ranges::any_of(settings_, [&](const Setting& setting) {
      return setting.name == name && setting.origin == kFromFlag;
    });
  }

  static void add_server_options(CLI::App* app, ServerOptions& options) {
    app->add_option("--server", options.server, "Admin address of the server")
        ->envname("MPYD_SERVER")
        ->configurable()
        ->type_name("URL")
        ->group("Server")
        ->capture_default_str();
    app->add_option("--token-file", options.token_file,
                    "File with the token; MPYD_TOKEN may hold the token itself")
        ->envname("MPYD_TOKEN_FILE")
        ->configurable()
        ->group("Server")
        ->type_name("FILE");
    app->add_option("--ca-file", options.ca_file, "PEM certificates to verify https with")
        ->envname("MPYD_CA_FILE")
        ->configurable()
        ->group("Server")
        ->type_name("FILE");
  }
  static CLI::Option* add_hardware_id(CLI::App* app, std::string& value) {
    return app
        ->add_option("--hardware-id,--hardware", value,
                     "Hardware ID, e.g. hat:Meadow%20Instruments:0042")
        ->type_name("ID");
  }
  static CLI::Option* add_bus(CLI::App* app, EepromDeviceOptions& options) {
    CLI::Option* const bus =
        app->add_option("--bus", options.bus, "Bus of a real EEPROM, e.g. /dev/i2c-1")
            ->type_name("FILE");
    for (CLI::Option* const option :
         {app->add_option("--address", options.address, "Where it answers, 0x50 to 0x57")
              ->type_name("ADDRESS"),
          app->add_option("--mux", options.mux, "ADDRESS:CHANNEL of the multiplexer before it")
              ->type_name("MUX"),
          app->add_option("--width", options.width,
                          "How many bytes its addresses have; default found by reading")
              ->check(CLI::Range(1, 2)),
          app->add_option("--size", options.size,
                          "How many bytes it has; default found by reading")})
      option->needs(bus);
    return bus;
  }
  // Of keys that are there; those of a command that makes one are nobody's setting.
  static CLI::Option* add_passphrase(CLI::App* app, std::string& value) {
    return app
        ->add_option("--passphrase-file", value, "File whose first line is the key's passphrase")
        ->type_name("FILE");
  }
  static CLI::Option* add_root(CLI::App* app, std::string& value) {
    return app->add_option("--root", value, "Root document to trust (root.mpyd)")
        ->configurable()
        ->type_name("FILE");
  }
  static void add_signing_options(CLI::App* app, SigningOptions& options,
                                  const std::string& base_flag = "--base") {
    add_root(app, options.root_file)->required();
    app->add_option("--key", options.key_files, "Targets key file; repeat for a threshold")
        ->allow_extra_args(false)
        ->configurable()
        ->type_name("FILE")
        ->required();
    add_passphrase(app, options.passphrase_file)->configurable();
    app->add_option("--base-version", options.base_version,
                    "Accept this head version, signed by other targets keys, as the base");
    app->add_option("--expires-days", options.expires_days, "Days until the new head expires")
        ->check(CLI::Range(1, 3650))
        ->capture_default_str();
    app->add_flag("--yes", options.yes, "Sign without asking");
    add_base(app, options.base_file, base_flag);
    add_out(app, options.out_file);
    group_signing(app);
    add_server_options(app, options.server);
  }
  // Of the commands that change policy or root: what they have in common stands behind what is
  // their own.
  static void group_signing(CLI::App* app) {
    for (const char* const name : {"--root", "--key", "--passphrase-file", "--base-version",
                                   "--expires-days", "--yes", "--base", "--trust", "--out"})
      if (CLI::Option* const option = app->get_option_no_throw(name)) option->group("Signing");
  }
  static void add_base(CLI::App* app, std::string& value, const std::string& flag = "--base") {
    app->add_option(flag, value, "Work offline, from what mpyd trust export wrote")
        ->type_name("FILE");
  }
  static void add_out(CLI::App* app, std::string& value) {
    app->add_option("--out", value, "Write what is signed to this file instead of sending it")
        ->type_name("FILE");
  }
  static void add_root_signing_options(CLI::App* app, RootSigningOptions& options) {
    add_root(app, options.root_file)->required();
    app->add_option("--key", options.key_files,
                    "Root key file; repeat for the thresholds of the old and the new root")
        ->allow_extra_args(false)
        ->configurable()
        ->type_name("FILE");
    add_passphrase(app, options.passphrase_file)->configurable();
    app->add_option("--expires-days", options.expires_days,
                    "Days until the new root expires, 0: never; default as it was")
        ->check(CLI::Range(0, 36500));
    app->add_flag("--yes", options.yes, "Sign without asking");
    add_base(app, options.base_file);
    add_out(app, options.out_file);
    group_signing(app);
    add_server_options(app, options.server);
  }
  static void add_driver_options(CLI::App* app, DriverOptions& options) {
    app->add_option("file", options.files,
                    "FILE.mpy, FILE.mpy:float=soft,repr=C, FILE.mpkg, or a folder that holds\n"
                    "<arch>/NAME.mpy or native/<arch>/NAME.mpy; a file named beside its folder is\n"
                    "taken as it is named: DIR DIR/armv7emsp/NAME.mpy:float=soft")
        ->type_name("FILE")
        ->required();
    add_hardware_id(app, options.hardware_id);
    app->add_option("--revisions", options.revisions, "Board revisions: 3, 3-7 or 3-; default all")
        ->type_name("RANGE");
    app->add_option("--name", options.name, "Driver name")->type_name("NAME");
    app->add_option("--version", options.version, "Version, X.Y.Z")->type_name("VERSION");
    app->add_option("--release", options.release,
                    "Release number, which rises; publish takes the next one by default");
    app->add_option("--requires", options.required_modules,
                    "Built-in module the firmware must have; may be repeated")
        ->type_name("MODULE")
        ->allow_extra_args(false);
    app->add_option("--ram", options.ram_bytes,
                    "Bytes of RAM the loaded driver needs; default what loading it takes");
    app->add_option("--key", options.key_files, "Publisher key file; repeat for a threshold")
        ->allow_extra_args(false)
        ->configurable()
        ->type_name("FILE");
    add_passphrase(app, options.passphrase_file)->configurable();
    app->add_flag("--public", options.is_public, "Sign, but do not encrypt");
    app->add_option("--seal-to", options.seal_to,
                    "Who else may open it: fleet.pub of mpyd trust fleet-key; may be repeated")
        ->type_name("FILE")
        ->allow_extra_args(false);
  }

  CLI::App app_;
  bool json_ = false;
  bool quiet_ = false;
  Command command_;

  std::string profile_;        // --profile
  std::string server_config_;  // serve --config
  bool print_config_ = false;  // serve --print-config
  CLI::App* serve_ = nullptr;  // the one command with a file of its own
  CLI::App* config_show_ = nullptr;
  CLI::App* login_ = nullptr;         // the one that may name a profile that is not there
  Profile chosen_;                    // what profile_ or the file's default led to
  std::optional<ConfigFile> config_;  // of the server
  std::vector<Setting> settings_;     // of the command, once they are settled
};

void Program::add_server_commands() {
  auto init = std::make_shared<InitOptions>();
  CLI::App* app =
      command(&app_, "init", "Make a new server and its offline keys",
              "mpyd init --data /var/lib/mpyd --keys /media/usb/mpyd-keys", init, run_init);
  app->add_option("--data", init->data_dir, "Data directory to make")->type_name("DIR")->required();
  app->add_option("--keys", init->keys_dir,
                  "Directory for the offline keys and the first token; never inside --data")
      ->type_name("DIR")
      ->required();
  app->add_flag("--with-publisher", init->with_publisher,
                "Also make a publisher key, for boards of your own");
  app->add_option("--root-keys", init->root_keys, "Root keys to make: root-1.key, root-2.key ...")
      ->check(CLI::Range(1, 8))
      ->capture_default_str();
  app->add_option("--root-threshold", init->root_threshold,
                  "Root keys that must sign; default more than half of them")
      ->check(CLI::Range(1, 8));
  add_passphrase(app, init->passphrase_file);

  add_doctor_command();

  auto config = std::make_shared<ServeConfig>();
  app = command(&app_, "serve", "Run the server", "mpyd serve --data /var/lib/mpyd", config,
                [this](const ServeConfig& settled, const Output& out) {
                  return print_config_ ? show_settings(out) : run_serve(settled, out);
                });
  serve_ = app;
  app->option_defaults()->configurable();  // all but the two that say otherwise
  app->add_option("--data", config->data_dir, "Data directory")->type_name("DIR")->required();
  const CLI::Validator address = checked_by(http::is_loopback, "HOST:PORT");
  app->add_option("--listen", config->listen, "Address for devices and packages")
      ->type_name("ADDRESS")
      ->check(address)
      ->capture_default_str();
  app->add_option("--admin-listen", config->admin_listen, "Address of the admin API")
      ->type_name("ADDRESS")
      ->check(address)
      ->capture_default_str();
  app->add_option("--tls-cert", config->tls_cert, "PEM certificate chain of the admin API")
      ->type_name("FILE");
  app->add_option("--tls-key", config->tls_key, "PEM file of its private key")->type_name("FILE");
  app->add_option("--behind-proxy", config->behind_proxy,
                  "Take admin connections from this network (CIDR) only; TLS ends at the proxy")
      ->type_name("NETWORK")
      ->check(checked_by(http::check_network, "CIDR"));
  app->add_option("--log-format", config->log_format, "How the log is written to standard error")
      ->type_name("FORMAT")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  app->add_option("--log-level", config->log_level,
                  "Log nothing below it; debug also tells what devices and probes ask")
      ->type_name("LEVEL")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}))
      ->capture_default_str();
  name_variables(app);
  app->add_option(
         "--config", server_config_,
         "Configuration file; none: without any; default /etc/mpyd/server.toml, if it is there")
      ->envname("MPYD_CONFIG")
      ->configurable(false)
      ->type_name("FILE");
  app->add_flag("--print-config", print_config_, "Print every setting and where it comes from")
      ->configurable(false);
}

void Program::name_variables(CLI::App* app) {
  for (CLI::Option* option :
       app->get_options([](CLI::Option* o) { return o->get_configurable(); })) {
    if (option->get_lnames().empty()) continue;
    std::string name = "MPYD_";
    for (const char c : option->get_lnames().front())
      name += c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    option->envname(name);
  }
}

void Program::add_doctor_command() {
  auto doctor = std::make_shared<DoctorOptions>();
  CLI::App* app = command(&app_, "doctor", "Say what is wrong, why it matters and what mends it",
                          "mpyd doctor --data /var/lib/mpyd --keys /media/usb/mpyd-keys", doctor,
                          [this](const DoctorOptions& settled, const Output& out) {
                            DoctorOptions options = settled;
                            options.is_server_named = is_given("server");
                            return run_doctor(options, out);
                          });
  app->add_option("--data", doctor->data_dir, "Data directory of a server; it may be running")
      ->type_name("DIR");
  app->add_option("--keys", doctor->keys_dir, "Directory of the offline keys")->type_name("DIR");
  app->add_option(
         "--backups", doctor->backups_dir,
         "Directory of backups; default the data directory, and the folder backups beside it")
      ->type_name("DIR");
  doctor->server.server.clear();  // asked only when it is named
  add_server_options(app, doctor->server);
  add_root(app, doctor->root_file);
}

void Program::add_key_commands() {
  auto options = std::make_shared<KeygenOptions>();
  CLI::App* app = command(&app_, "keygen", "Make a key file, and print the public key",
                          "mpyd keygen --role publisher --out thermo.key", options, run_keygen);
  app->add_option("--role", options->role, "What it is for: root, targets, publisher or server")
      ->type_name("ROLE")
      ->required();
  app->add_option("--out", options->out_file, "File to write; FILE.pub gets the public key")
      ->type_name("FILE")
      ->required();
  add_passphrase(app, options->passphrase_file);
}

void Program::add_trust_commands() {
  CLI::App* trust = group("trust", "Decide who may publish what, and sign it");
  auto show = std::make_shared<TrustShowOptions>();
  CLI::App* app =
      command(trust, "show", "Show roles, head and policy entries, verified from the root",
              "mpyd trust show --root root.mpyd --token-file admin.token", show, run_trust_show);
  add_server_options(app, show->server);
  add_root(app, show->root_file)->required();

  auto delegate = std::make_shared<TrustDelegateOptions>();
  app = command(trust, "delegate", "Say who publishes the driver of a hardware ID",
                "mpyd trust delegate --hardware-id hat:Meadow%20Instruments:0042 --name thermo \\\n"
                "    --publisher thermo.key.pub --key targets.key --root root.mpyd",
                delegate, run_trust_delegate);
  add_hardware_id(app, delegate->hardware_id)->required();
  app->add_option("--name", delegate->driver_name, "Driver name")->type_name("NAME")->required();
  app->add_option("--publisher", delegate->publishers,
                  "Publisher's public key: FILE.pub or 64 hex digits; may be repeated")
      ->type_name("KEY")
      ->allow_extra_args(false)
      ->required();
  app->add_option("--threshold", delegate->threshold,
                  "Publisher keys that must sign a release; 1, or as it was");
  app->add_option("--floor", delegate->floor,
                  "Lowest release number a device may load; 0, or as it was");
  const auto yes_or_no = [app](const std::string& yes, const std::string& what,
                               const std::string& no, const std::string& what_not,
                               std::optional<bool>& out) {
    CLI::Option* const allow = app->add_flag_callback(
        yes, [&out] { out = true; }, what);
    app->add_flag_callback(
           no, [&out] { out = false; }, what_not)
        ->excludes(allow);
  };
  yes_or_no("--eeprom", "Load packages from a board's EEPROM, too; so it is at first",
            "--no-eeprom", "Never load packages from a board's EEPROM", delegate->eeprom_packages);
  yes_or_no("--unchecked-packages",
            "Also deliver packages that this server cannot open and look into",
            "--checked-packages", "Deliver none of those; so it is at first",
            delegate->unchecked_packages);
  add_signing_options(app, delegate->signing);
  add_policy_commands(trust);
  add_rotation_commands(trust);
  add_exchange_commands(trust);
}

void Program::add_policy_commands(CLI::App* trust) {
  auto floor = std::make_shared<TrustFloorOptions>();
  CLI::App* app =
      command(trust, "floor", "Forbid all releases of a driver below a number, for ever",
              "mpyd trust floor --hardware-id hat:Meadow%20Instruments:0042 --release 2 \\\n"
              "    --key targets.key --root root.mpyd",
              floor, run_trust_floor);
  add_hardware_id(app, floor->hardware_id)->required();
  app->add_option("--release", floor->release, "Lowest release number a device may load")
      ->required();
  add_signing_options(app, floor->signing);

  auto approve = std::make_shared<TrustApproveOptions>();
  app = command(trust, "approve", "Approve packages, and decide whether that is needed",
                "mpyd trust approve --hardware-id hat:Meadow%20Instruments:0042 --only \\\n"
                "    --digest DIGEST --key targets.key --root root.mpyd",
                approve, run_trust_approve);
  add_hardware_id(app, approve->hardware_id)->required();
  app->add_option("--digest", approve->digests, "Package to approve; may be repeated")
      ->type_name("DIGEST")
      ->allow_extra_args(false);
  CLI::Option* only = app->add_flag_callback(
      "--only", [approve] { approve->mode = trust::ReleaseMode::approved_only; },
      "From now on devices load approved packages only");
  app->add_flag_callback(
         "--any", [approve] { approve->mode = trust::ReleaseMode::publisher; },
         "From now on the publisher's signature is enough")
      ->excludes(only);
  add_signing_options(app, approve->signing);

  add_pin_and_refuse_commands(trust);

  auto revoke = std::make_shared<TrustRevokeOptions>();
  app = command(trust, "revoke", "Take back a publisher's key, or packages of a hardware ID",
                "mpyd trust revoke --publisher stolen.key.pub --key targets.key --root root.mpyd",
                revoke, run_trust_revoke);
  app->add_option("--publisher", revoke->publisher,
                  "Publisher's public key, FILE.pub or 64 hex digits: nothing signed by it counts")
      ->type_name("KEY");
  add_hardware_id(app, revoke->hardware_id);
  app->add_option("--digest", revoke->digests, "Package to revoke; may be repeated")
      ->type_name("DIGEST")
      ->allow_extra_args(false);
  add_signing_options(app, revoke->signing);
}

void Program::add_pin_and_refuse_commands(CLI::App* trust) {
  auto pin = std::make_shared<TrustPinOptions>();
  CLI::App* app = command(trust, "pin", "Let devices load these packages and no others",
                          "mpyd trust pin --hardware-id hat:Meadow%20Instruments:0042 \\\n"
                          "    --release 2 --key targets.key --root root.mpyd",
                          pin, run_trust_pin);
  add_hardware_id(app, pin->hardware_id)->required();
  app->add_option("--digest", pin->digests, "Package to pin; may be repeated")
      ->type_name("DIGEST")
      ->allow_extra_args(false);
  app->add_option("--release", pin->release, "Pin all packages of this release")
      ->check(CLI::PositiveNumber);
  app->add_flag("--none", pin->none, "Pin nothing any more");
  add_signing_options(app, pin->signing);

  auto refuse = std::make_shared<TrustRefuseOptions>();
  app = command(trust, "refuse", "Let devices load nothing for a board, wherever it comes from",
                "mpyd trust refuse --hardware-id hat:Meadow%20Instruments:0042 \\\n"
                "    --key targets.key --root root.mpyd",
                refuse, run_trust_refuse);
  add_hardware_id(app, refuse->hardware_id)->required();
  app->add_flag("--lift", refuse->lift,
                "Take it back; from then on the publisher's signature is enough");
  add_signing_options(app, refuse->signing);
}

void Program::add_rotation_commands(CLI::App* trust) {
  CLI::App* rotate = trust->add_subcommand("rotate", "Replace keys, by a new root");
  rotate->fallthrough();
  rotate->require_subcommand(1);
  rotate->footer("mpyd trust rotate COMMAND --help says more of each.");

  auto server = std::make_shared<RotateServerOptions>();
  CLI::App* app = command(rotate, "server", "Let root name a new server key",
                          "mpyd trust rotate server --key root.key --root root.mpyd", server,
                          run_trust_rotate_server);
  add_root_signing_options(app, server->signing);
  app->add_option("--server-key", server->server_key,
                  "The server's next key, FILE.pub or 64 hex digits; default: the server is asked")
      ->type_name("KEY");

  const auto add_role = [&](const std::string& name, const std::string& what,
                            const std::string& example, auto execute) {
    auto options = std::make_shared<RotateRoleOptions>();
    app = command(rotate, name, what, example, options, execute);
    add_root_signing_options(app, options->signing);
    app->add_option("--add", options->add, "Key to add: FILE.pub or 64 hex digits; may be repeated")
        ->type_name("KEY")
        ->allow_extra_args(false);
    app->add_option("--remove", options->remove,
                    "Key to remove: FILE.pub or 64 hex digits; may be repeated")
        ->type_name("KEY")
        ->allow_extra_args(false);
    app->add_option("--threshold", options->threshold, "Keys that must sign; default as it was");
  };
  add_role("root", "Change root keys, their threshold, or how long the root runs",
           "mpyd trust rotate root --remove root.key.pub --add root-2.key.pub \\\n"
           "    --key root.key --key root-2.key --root root.mpyd",
           run_trust_rotate_root);
  add_role("targets", "Change targets keys, in a new epoch that ends the policy in force",
           "mpyd trust rotate targets --remove targets.key.pub --add targets-2.key.pub \\\n"
           "    --key root.key --root root.mpyd",
           run_trust_rotate_targets);

  auto fleet = std::make_shared<FleetKeyOptions>();
  app = command(rotate, "fleet", "Make the next key that every enrolled device gets",
                "mpyd trust rotate fleet --out fleet.pub", fleet, run_trust_rotate_fleet);
  add_server_options(app, fleet->server);
  app->add_option("--out", fleet->out_file, "File to write, for --seal-to; the key is printed, too")
      ->type_name("FILE");

  auto fleet_key = std::make_shared<FleetKeyOptions>();
  app = command(trust, "fleet-key", "Write the public key of the fleet, to seal packages to",
                "mpyd trust fleet-key --out fleet.pub", fleet_key, run_trust_fleet_key);
  add_server_options(app, fleet_key->server);
  app->add_option("--out", fleet_key->out_file,
                  "File to write, for --seal-to; the key is printed, too")
      ->type_name("FILE");

  auto restore = std::make_shared<TrustRestoreOptions>();
  app = command(trust, "restore", "Sign the first head of a new epoch from a policy you trust",
                "mpyd trust restore --base targets.key.head --key targets-2.key --root root.mpyd",
                restore, run_trust_restore);
  add_signing_options(app, restore->signing, "--trust");
  app->add_option("--base", restore->kept_head,
                  "The policy kept beside the old targets key, OLDKEY.head")
      ->type_name("FILE");
  app->add_flag("--from-server", restore->from_server,
                "Take what the server says was in force when the epoch ended");

  auto renew = std::make_shared<SigningOptions>();
  app = command(trust, "renew", "Sign the policy in force again, before it expires",
                "mpyd trust renew --key targets.key --root root.mpyd", renew, run_trust_renew);
  add_signing_options(app, *renew);
}

void Program::add_exchange_commands(CLI::App* trust) {
  auto exported = std::make_shared<TrustExportOptions>();
  CLI::App* app =
      command(trust, "export", "Write the trust documents to a file, for signing offline",
              "mpyd trust export --root root.mpyd --key targets.key --out trust.mpyd", exported,
              run_trust_export);
  add_server_options(app, exported->server);
  add_root(app, exported->root_file)->required();
  app->add_option("--key", exported->key_files,
                  "Hold what the server hands out against the head kept beside this key file")
      ->type_name("FILE")
      ->allow_extra_args(false);
  app->add_option("--out", exported->out_file, "File to write, for --base")->type_name("FILE");
  app->add_option("--newest-root", exported->newest_root_file,
                  "File to write the newest root document to, for those who pin it")
      ->type_name("FILE");

  auto sign = std::make_shared<TrustSignOptions>();
  app = command(trust, "sign", "Show what a draft changes, and add a signature",
                "mpyd trust sign draft.mpyd --key targets-2.key --root root.mpyd", sign,
                run_trust_sign);
  app->add_option("file", sign->file, "Draft: what a change with --out wrote")
      ->type_name("FILE")
      ->required();
  add_root(app, sign->root_file)->required();
  app->add_option("--key", sign->key_files, "Root or targets key file, as the draft needs")
      ->type_name("FILE")
      ->allow_extra_args(false)
      ->required();
  add_passphrase(app, sign->passphrase_file);
  app->add_option("--out", sign->out_file, "File to write; default the draft itself")
      ->type_name("FILE");
  app->add_flag("--yes", sign->yes, "Sign without asking");

  auto imported = std::make_shared<TrustImportOptions>();
  app =
      command(trust, "import", "Send a signed draft to the server",
              "mpyd trust import draft.mpyd --token-file admin.token", imported, run_trust_import);
  app->add_option("file", imported->file, "Draft with all its signatures")
      ->type_name("FILE")
      ->required();
  add_server_options(app, imported->server);
}

void Program::add_token_commands() {
  CLI::App* token = group("token", "Make, list and revoke tokens of the admin API");
  auto create = std::make_shared<TokenCreateOptions>();
  CLI::App* app =
      command(token, "create", "Make a token, which is told once",
              "mpyd token create --name ci --scope publish --expires 30d --out ci.token", create,
              run_token_create);
  add_server_options(app, create->server);
  app->add_option("--name", create->name, "What the token is called in the audit log")
      ->type_name("NAME")
      ->required();
  app->add_option("--scope", create->scopes,
                  "What it may do: read, publish, operate, admin or enroll; may be repeated")
      ->type_name("SCOPE")
      ->allow_extra_args(false)
      ->required();
  app->add_option("--expires", create->expires,
                  "It is good for 45m, 12h, 30d or 2w; default for ever")
      ->type_name("TIME");
  app->add_option("--out", create->out_file,
                  "The file for it, new and of mode 0600; default: it is printed")
      ->type_name("FILE");
  app->add_option("--uses", create->uses, "It is good for so many uses; default any number")
      ->check(CLI::Range(1, 1'000'000'000));
  app->add_flag_callback(
      "--single-use", [create] { create->uses = 1; }, "The same as --uses 1");
  app->add_flag("--approve", create->approve,
                "Devices that it enrols wait for mpyd device approve");
  app->add_option(
         "--hardware-id,--hardware", create->hardware,
         "It may publish for this hardware ID only; hat:Acme:* are all of a vendor; may be "
         "repeated")
      ->type_name("ID")
      ->allow_extra_args(false);

  auto list = std::make_shared<ServerOptions>();
  app = command(token, "list", "List tokens, without their secrets", "mpyd token list", list,
                run_token_list);
  add_server_options(app, *list);

  auto revoke = std::make_shared<TokenRevokeOptions>();
  app = command(token, "revoke", "Take a token back", "mpyd token revoke ci", revoke,
                run_token_revoke);
  add_server_options(app, revoke->server);
  app->add_option("name", revoke->name, "Its name, from mpyd token list")
      ->type_name("NAME")
      ->required();

  auto rescue = std::make_shared<TokenRescueOptions>();
  app = command(token, "rescue", "Make an admin token where the server is stopped and none is left",
                "mpyd token rescue --data /var/lib/mpyd --out rescue.token", rescue,
                run_token_rescue);
  app->add_option("--data", rescue->data_dir, "Data directory")
      ->type_name("DIR")
      ->envname("MPYD_DATA")
      ->required();
  app->add_option("--name", rescue->name, "What the token is called in the audit log")
      ->type_name("NAME")
      ->capture_default_str();
  app->add_option("--out", rescue->out_file, "The file for it, new and of mode 0600")
      ->type_name("FILE")
      ->required();
}

void Program::add_driver_commands() {
  auto pack = std::make_shared<PackOptions>();
  CLI::App* app =
      command(&app_, "pack", "Build and sign packages, offline",
              "mpyd pack thermo.mpy --hardware-id hat:Meadow%20Instruments:0042 --name thermo \\\n"
              "    --version 1.0.0 --release 1 --key thermo.key --root root.mpyd",
              pack, run_pack);
  add_driver_options(app, pack->driver);
  add_root(app, pack->driver.root_file);
  app->add_option("--out-dir", pack->out_dir, "Directory for NAME-VERSION-ABI.mpkg")
      ->type_name("DIR")
      ->capture_default_str();

  auto publish = std::make_shared<PublishOptions>();
  app = command(&app_, "publish", "Upload a release, all variants at once",
                "mpyd publish thermo --hardware-id hat:Meadow%20Instruments:0042 \\\n"
                "    --name thermo --version 1.0.0 --key thermo.key --root root.mpyd",
                publish, run_publish);
  add_driver_options(app, publish->driver);
  add_root(app, publish->driver.root_file)->required();
  add_server_options(app, publish->server);
  app->add_flag("--dry-run", publish->dry_run, "Check and show everything, send nothing");
  app->add_flag("--unchecked", publish->unchecked,
                "Also store .mpkg that this server cannot open; policy must allow them");

  auto inspect = std::make_shared<InspectOptions>();
  app = command(&app_, "inspect", "Say what a file is, and whether it is valid",
                "mpyd inspect thermo-1.0.0-6-any.mpkg", inspect, run_inspect);
  app->add_option("file", inspect->file, "A .mpy, .mpkg, EEPROM image, key or root document")
      ->type_name("FILE")
      ->required();
}

void Program::add_release_commands() {
  CLI::App* release = group("release", "List releases, and take them out of delivery");
  auto list = std::make_shared<ReleaseListOptions>();
  CLI::App* app = command(release, "list", "List releases and their variants",
                          "mpyd release list --name thermo", list, run_release_list);
  add_server_options(app, list->server);
  add_hardware_id(app, list->hardware_id);
  app->add_option("--name", list->driver_name, "Driver name")->type_name("NAME");
  app->add_flag("--yanked", list->yanked, "Only those of which something is yanked");
  app->add_flag("--deprecated", list->deprecated, "Only those that are deprecated");

  const auto add_yank = [&](const std::string& name, const std::string& what, auto execute) {
    auto options = std::make_shared<ReleaseYankOptions>();
    app = command(
        release, name, what,
        "mpyd release " + name + " --hardware-id hat:Meadow%20Instruments:0042 --version 1.0.0",
        options, execute);
    add_server_options(app, options->server);
    add_hardware_id(app, options->hardware_id)->required();
    app->add_option("--version", options->version, "Its version")->type_name("VERSION")->required();
    app->add_option("--abi", options->abi, "Only the variant for this ABI")->type_name("ABI");
  };
  add_yank("yank", "Offer a release to no device any more", run_release_yank);
  add_yank("unyank", "Offer a yanked release again", run_release_unyank);

  auto deprecate = std::make_shared<ReleaseDeprecateOptions>();
  app = command(release, "deprecate", "Tell people not to use a release; devices still get it",
                "mpyd release deprecate --hardware-id hat:Meadow%20Instruments:0042 \\\n"
                "    --version 1.0.0 --message 'reads 0.5 degrees too low; use 1.0.1'",
                deprecate, run_release_deprecate);
  add_server_options(app, deprecate->server);
  add_hardware_id(app, deprecate->hardware_id)->required();
  app->add_option("--version", deprecate->version, "Its version")->type_name("VERSION")->required();
  app->add_option("--message", deprecate->message, "Why, and what to use instead; one line")
      ->type_name("MESSAGE");
  app->add_flag("--undo", deprecate->undo, "It is not deprecated any more");
}

void Program::add_eeprom_commands() {
  CLI::App* eeprom = group("eeprom", "Build, identify, read and write ID EEPROMs");
  auto build = std::make_shared<EepromBuildOptions>();
  CLI::App* app = command(
      eeprom, "build", "Build images of HAT, HAT+, hexpansion or LIFE EEPROMs",
      "mpyd eeprom build --hardware-id hat:Meadow%20Instruments:0042 --revision 3 \\\n"
      "    --package thermo-1.0.0-6-any.mpkg --size 8192 --reserve 4096 --out thermo.eep\n"
      "  mpyd eeprom build --hardware-id thex:cafe:0042 --friendly-name Thermo --size 8192 \\\n"
      "    --batch 50 --serial-start 100 --out 'images/{serial}.eep' > labels.tsv\n"
      "  mpyd eeprom build --hardware-id life:Blinky:leds --out blinky.eep",
      build, run_eeprom_build);
  add_hardware_id(app, build->hardware_id);
  app->add_option("--vendor", build->vendor, "Vendor of a HAT, as it is written")
      ->type_name("NAME")
      ->excludes("--hardware-id");
  app->add_option("--product-id", build->product_id, "Product of a HAT, four hex digits")
      ->type_name("DIGITS")
      ->excludes("--hardware-id");
  app->add_option("--product,--product-name", build->product_name,
                  "Name of the product, for people")
      ->type_name("NAME");
  app->add_option("--revision,--product-version", build->revision, "Board revision")
      ->capture_default_str();
  app->add_option("--serial,--uuid,--unique-id", build->serial,
                  "Serial of this board: a HAT's UUID, a hexpansion's number")
      ->type_name("ID");
  app->add_option(
         "--format", build->format,
         "Of a HAT hat+ (the default) or hat, its version 1; of a hexpansion 2024 (the default) "
         "or 2026")
      ->type_name("FORMAT");
  app->add_option("--friendly-name", build->friendly_name,
                  "Name that a hexpansion shows, <= 9 bytes")
      ->type_name("NAME");
  app->add_option("--current", build->current_ma, "What the board takes, in mA (HAT+)");
  app->add_option("--atom", build->atoms,
                  "Atom for other readers, TYPE:FILE, e.g. 2:gpio.bin; may be repeated")
      ->type_name("ATOM")
      ->allow_extra_args(false);
  app->add_option("--config", build->config_file, "Configuration data for the driver, <= 1 KiB")
      ->type_name("FILE");
  app->add_option("--package", build->package_files,
                  ".mpkg to put on the board; may be repeated, one per ABI")
      ->type_name("FILE")
      ->allow_extra_args(false);
  app->add_option("--driver-data", build->driver_data_file, "Driver data of a LIFE add-on")
      ->type_name("FILE");
  app->add_option(
      "--reserve", build->reserve_bytes,
      "Room for packages stored in the field, in bytes: one and its key block, or twice "
      "that to keep the old one should power fail");
  app->add_option("--page-size", build->page_bytes,
                  "Page size of the EEPROM, in bytes; default as usual for its size");
  app->add_option("--size", build->size, "Size of the EEPROM, in bytes; what is left is 0xff");
  app->add_option("--batch", build->batch,
                  "Build so many images, each with a serial of its own, and print a line for each "
                  "label: file, hardware ID, revision and serial, separated by tabs")
      ->check(CLI::PositiveNumber);
  app->add_option("--serial-start", build->serial_start, "First serial of a batch of hexpansions")
      ->check(CLI::PositiveNumber);
  app->add_flag("--force", build->force, "Let a batch replace files");
  app->add_option("--out", build->out_file,
                  "File to write; of a batch with {serial} or {n} in its name")
      ->type_name("FILE")
      ->required();

  auto identify = std::make_shared<EepromIdentifyOptions>();
  app = command(eeprom, "identify", "Say whose boards images belong to",
                "mpyd eeprom identify thermo.eep\n  mpyd eeprom identify --json images/*.eep\n"
                "  mpyd eeprom identify --bus /dev/i2c-1",
                identify, run_eeprom_identify);
  auto* const files = app->add_option("file", identify->files, "EEPROM images")->type_name("FILE");
  files->excludes(add_bus(app, identify->device));

  const auto add_real = [&](const std::string& name, const std::string& what,
                            const std::string& example, auto options, auto execute) {
    app = command(eeprom, name, what, "mpyd eeprom " + name + example, options, execute);
    add_bus(app, options->device)->required();
  };
  auto read = std::make_shared<EepromReadOptions>();
  add_real("read", "Copy a real EEPROM into a file", " --bus /dev/i2c-1 --out board.eep", read,
           run_eeprom_read);
  app->add_option("--out", read->out_file, "File to write")->type_name("FILE")->required();
  auto write = std::make_shared<EepromWriteOptions>();
  add_real("write", "Write an image to a real EEPROM, and read it back",
           " --bus /dev/i2c-1 thermo.eep\n"
           "  mpyd eeprom write --bus /dev/i2c-1 --width 2 --size 8192 thermo.eep   # a blank one",
           write, run_eeprom_write);
  app->add_option("file", write->file, "EEPROM image")->type_name("FILE")->required();
  app->add_option("--page", write->device.page,
                  "Bytes that the part writes at once; default by size");
  app->add_flag("--yes", write->yes, "Overwrite without asking");
  auto verify = std::make_shared<EepromVerifyOptions>();
  add_real("verify", "Hold a real EEPROM against an image", " --bus /dev/i2c-1 thermo.eep", verify,
           run_eeprom_verify);
  app->add_option("file", verify->file, "EEPROM image")->type_name("FILE")->required();
}

void Program::add_device_commands() {
  CLI::App* device = group("device", "Provision motherboards, look at them, and let them go");
  auto provision = std::make_shared<DeviceProvisionOptions>();
  CLI::App* app =
      command(device, "provision", "Make a device's identity file and enrol it",
              "mpyd device provision --name bench-1 --out identity --root root.mpyd \\\n"
              "    --device-server 192.0.2.10:8780",
              provision, run_device_provision);
  add_server_options(app, provision->server);
  app->add_option("--name", provision->name,
                  "What people call it; with --fleet, the name of the token in the file")
      ->type_name("NAME");
  app->add_option("--out", provision->out_file, "Identity file to write; a secret")
      ->type_name("FILE")
      ->required();
  add_root(app, provision->root_file)->required();
  app->add_option("--device-server", provision->device_server,
                  "HOST:PORT of the server as the device reaches it")
      ->type_name("ADDRESS")
      ->configurable()
      ->required();
  app->add_flag("--fleet", provision->fleet,
                "One file for many motherboards: each makes its own key at its first start");
  app->add_option("--uses", provision->uses, "How many motherboards the fleet file enrols")
      ->check(CLI::Range(1, 1'000'000'000));
  app->add_flag("--approve", provision->approve,
                "What the fleet file enrols waits for mpyd device approve");
  app->add_option("--expires", provision->expires,
                  "The fleet file enrols for 45m, 12h, 30d or 2w; default for ever")
      ->type_name("TIME");
  app->add_option("--with-policy", provision->with_policy,
                  "Hardware ID whose policy is in force before the first sync; may be repeated")
      ->type_name("ID")
      ->allow_extra_args(false);
  app->add_option("--after-expiry", provision->after_expiry,
                  "Offline, when policy has expired: refuse what was not loaded before, or keep "
                  "loading")
      ->type_name("WHAT")
      ->capture_default_str();

  auto list = std::make_shared<DeviceListOptions>();
  app = command(device, "list", "List devices, and what is wrong with them", "mpyd device list",
                list, run_device_list);
  add_server_options(app, list->server);
  app->add_flag("--waiting", list->waiting, "Only those that wait for approval");
  app->add_flag("--trouble", list->trouble, "Only those with something to look at");
  app->add_option("--state", list->state, "Only those in this state")
      ->type_name("STATE")
      ->check(CLI::IsMember({"enrolled", "waiting", "revoked", "replaced"}));
  app->add_option("--name", list->name, "Only those whose name starts so")->type_name("NAME");
  app->add_option("--token", list->token, "Only those that this token enrolled")->type_name("NAME");
  add_hardware_id(app, list->hardware_id);
  app->add_option("--unseen", list->unseen, "Only those not seen for 30d, 12h, 45m or 2w")
      ->type_name("TIME");
  app->add_option("--sort", list->sort, "What they are sorted by; with a - backwards")
      ->type_name("FIELD")
      ->check(CLI::IsMember({"id", "-id", "name", "-name", "last_seen", "-last_seen"}));

  const auto add_one = [&](const std::string& name, const std::string& what, auto execute) {
    auto options = std::make_shared<DeviceOptions>();
    app = command(device, name, what, "mpyd device " + name + " bench-1", options, execute);
    add_server_options(app, options->server);
    app->add_option("id", options->id, "Its ID or name, from mpyd device list")
        ->type_name("ID")
        ->required();
  };
  add_one("show", "Show a device and its boards", run_device_show);
  add_one("revoke", "Let a device sync no more", run_device_revoke);
  add_device_life_commands(device);
}

void Program::add_device_life_commands(CLI::App* device) {
  auto approve = std::make_shared<DeviceApproveOptions>();
  CLI::App* app = command(device, "approve", "Let devices in that wait for it",
                          "mpyd device approve bench-1\n  mpyd device approve --all", approve,
                          run_device_approve);
  add_server_options(app, approve->server);
  app->add_option("id", approve->ids, "Their IDs or names, from mpyd device list --waiting")
      ->type_name("ID");
  app->add_flag("--all", approve->all, "All that wait");
  app->add_flag("--yes", approve->yes, "Approve all without asking");

  auto replace = std::make_shared<DeviceReplaceOptions>();
  app = command(device, "replace", "Let a new motherboard take a dead one's place",
                "mpyd device replace bench-1 bench-2", replace, run_device_replace);
  add_server_options(app, replace->server);
  app->add_option("old", replace->id, "The dead one, by ID or name; its key is revoked")
      ->type_name("ID")
      ->required();
  app->add_option("new", replace->successor,
                  "The new one, by ID or name; it gets the name of the old one")
      ->type_name("ID")
      ->required();

  auto again = std::make_shared<DeviceTryAgainOptions>();
  app = command(device, "try-again", "Let a device load once more what it quarantined",
                "mpyd device try-again bench-1 --slot 2", again, run_device_try_again);
  add_server_options(app, again->server);
  app->add_option("id", again->id, "Its ID or name, from mpyd device list")
      ->type_name("ID")
      ->required();
  app->add_option("--slot", again->slot, "The slot, from mpyd device show")->required();

  add_device_pin_commands(device);

  auto move = std::make_shared<DeviceMoveOptions>();
  app = command(device, "move", "Tell all devices where the server is from now on",
                "mpyd device move --to 192.0.2.20:8780", move, run_device_move);
  add_server_options(app, move->server);
  app->add_option("--to", move->to,
                  "HOST:PORT as devices reach it; without it, what they are told is shown")
      ->type_name("ADDRESS");
  app->add_flag("--cancel", move->cancel, "Stop telling them");
}

void Program::add_device_pin_commands(CLI::App* device) {
  const auto add_one = [&](const std::string& name, const std::string& what,
                           const std::string& more, auto execute) {
    auto options = std::make_shared<DevicePinOptions>();
    CLI::App* const app = command(
        device, name, what,
        "mpyd device " + name + " bench-1 --hardware-id hat:Meadow%20Instruments:0042" + more,
        options, execute);
    add_server_options(app, options->server);
    app->add_option("id", options->id, "Its ID or name, from mpyd device list")
        ->type_name("ID")
        ->required();
    add_hardware_id(app, options->hardware_id)->required();
    return std::pair(app, options);
  };
  const auto [app, pin] = add_one("pin", "Hold a device to one release of a driver, until unpin",
                                  " --version 1.0.0", run_device_pin);
  CLI::Option* const release = app->add_option("--release", pin->release, "The release's number")
                                   ->check(CLI::Range(1U, 0xffffffffU));
  app->add_option("--version", pin->version, "Its version")
      ->type_name("VERSION")
      ->excludes(release);
  add_one("unpin", "Let a device have what every other one gets", "", run_device_unpin);
}

void Program::add_inventory_commands() {
  auto inventory = std::make_shared<InventoryOptions>();
  CLI::App* app = command(&app_, "inventory",
                          "Say which board is in which slot of which device, and what it runs",
                          "mpyd inventory --state refused", inventory, run_inventory);
  add_server_options(app, inventory->server);
  add_hardware_id(app, inventory->hardware_id);
  app->add_option("--device", inventory->device, "Only this device's, by ID or name")
      ->type_name("ID");
  app->add_option("--error", inventory->error, "Only with this error, such as no_driver; or none")
      ->type_name("ERROR");
  app->add_option("--state", inventory->state,
                  "Only boards in this state, such as running, refused or waiting")
      ->type_name("STATE");

  auto stats = std::make_shared<ServerOptions>();
  app = command(&app_, "stats", "Show the fleet in numbers: devices, boards, refusals, installs",
                "mpyd stats", stats, run_stats);
  add_server_options(app, *stats);
}

void Program::add_answer_commands() {
  auto explain = std::make_shared<ExplainOptions>();
  CLI::App* app = command(
      &app_, "explain", "Say which package would be chosen, and why each other one is not",
      "mpyd explain --device bench-1 --hardware-id hat:Meadow%20Instruments:0042\n"
      "  mpyd explain --abi 6.3-armv7m --hardware-id hat:Meadow%20Instruments:0042 --revision 3",
      explain, run_explain);
  add_server_options(app, explain->server);
  app->add_option("--device", explain->device, "A device, by ID or name")->type_name("ID");
  app->add_option("--abi", explain->abi, "ABI of a motherboard, e.g. 6.3-armv7emsp")
      ->type_name("ABI");
  add_hardware_id(app, explain->hardware_id)->required();
  app->add_option("--revision", explain->revision,
                  "Board revision; default as the device reports it, or 0")
      ->type_name("NUMBER");

  auto audit = std::make_shared<AuditOptions>();
  app = command(&app_, "audit", "Show who did what", "mpyd audit --limit 20", audit, run_audit);
  add_server_options(app, audit->server);
  app->add_option("--limit", audit->limit, "Lines at most")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app->add_option("--after", audit->after, "Only what came after this number");
  app->add_option("--actor", audit->actor, "Only what this one did: token:NAME, device:ID or init")
      ->type_name("ACTOR");
  app->add_option("--action", audit->action,
                  "Only actions of this name, such as publish or device-revoke")
      ->type_name("ACTION");
  app->add_option("--since", audit->since, "Only the last 30d, 12h, 45m or 2w")->type_name("TIME");
  add_audit_commands(app, audit);
}

void Program::add_audit_commands(CLI::App* audit, const std::shared_ptr<AuditOptions>& options) {
  const auto add_one = [&](const std::string& name, const std::string& what,
                           const std::string& example, auto execute) {
    CLI::App* const app = command(audit, name, what, example, options, execute);
    add_server_options(app, options->server);
    app->add_option("--data", options->data_dir,
                    "Read this data directory instead of asking a server")
        ->type_name("DIR");
    return app;
  };
  add_one("head", "Print the number and the hash of the last row, to be noted elsewhere",
          "mpyd audit head > /media/usb/audit.head", run_audit_head);
  CLI::App* const verify =
      add_one("verify", "Check that no row was changed, removed or reordered",
              "mpyd audit verify --head \"$(cat /media/usb/audit.head)\"", run_audit_verify);
  verify
      ->add_option("--head", options->head,
                   "NUMBER:HASH noted earlier: finds a cut-off end and a log written anew")
      ->type_name("HEAD");
}

void Program::add_published_commands() {
  auto search = std::make_shared<SearchOptions>();
  CLI::App* app =
      command(&app_, "search", "Find drivers by a part of their name or hardware ID",
              "mpyd search thermo\n  mpyd search \"Meadow Instruments\"", search, run_search);
  app->add_option("text", search->text, "Part of a name or hardware ID; default everything");
  add_server_options(app, search->server);

  auto info = std::make_shared<InfoOptions>();
  app = command(&app_, "info", "Show what is published of a driver, and who may publish it",
                "mpyd info thermo\n"
                "  mpyd info hat:Meadow%20Instruments:0042@1.0.0 --root root.mpyd",
                info, run_info);
  app->add_option("name", info->name, "NAME, HARDWARE_ID, or either with @VERSION")
      ->type_name("NAME")
      ->required();
  add_root(app, info->root_file);
  add_server_options(app, info->server);

  auto diff = std::make_shared<DiffOptions>();
  app = command(&app_, "diff", "Show what differs between two releases, packages or modules",
                "mpyd diff thermo@1.0.0 thermo@1.1.0\n"
                "  mpyd diff old/thermo-1.0.0-6-any.mpkg thermo-1.0.0-6-any.mpkg",
                diff, run_diff);
  app->add_option("a", diff->a, "FILE.mpy, FILE.mpkg, or NAME@VERSION of the server")
      ->type_name("FILE")
      ->required();
  app->add_option("b", diff->b, "What it is compared with, of the same kind")
      ->type_name("FILE")
      ->required();
  add_server_options(app, diff->server);

  auto pull = std::make_shared<PullOptions>();
  app =
      command(&app_, "pull", "Fetch packages, and keep them once they are proved",
              "mpyd pull thermo@1.0.0 --abi 6-any --out packages --root root.mpyd", pull, run_pull);
  app->add_option("name", pull->name, "NAME, HARDWARE_ID, either with @VERSION, or a digest")
      ->type_name("NAME")
      ->required();
  app->add_option("--abi", pull->abis, "Only the variant for this ABI; may be repeated")
      ->type_name("ABI")
      ->allow_extra_args(false);
  add_root(app, pull->root_file)->required();
  app->add_option("--out", pull->out_dir, "Folder for NAME-VERSION-ABI.mpkg")
      ->type_name("DIR")
      ->capture_default_str();
  add_server_options(app, pull->server);
}

void Program::add_backup_commands() {
  auto backup = std::make_shared<BackupOptions>();
  CLI::App* app = command(&app_, "backup", "Copy a server's data into one file, while it runs",
                          "mpyd backup --data /var/lib/mpyd --out /media/usb/mpyd.backup \\\n"
                          "    --passphrase-file passphrase",
                          backup, run_backup);
  app->add_option("--data", backup->data_dir, "Data directory of the server")
      ->type_name("DIR")
      ->envname("MPYD_DATA")
      ->required();
  app->add_option("--out", backup->out_file, "File to write; never replaces one")
      ->type_name("FILE")
      ->required();
  app->add_option("--passphrase-file", backup->passphrase_file,
                  "File whose first line is the passphrase to encrypt with")
      ->type_name("FILE");
  app->add_flag("--without-keys", backup->without_keys,
                "Leave the server's key out: the backup may then lie in clear");

  auto restore = std::make_shared<RestoreOptions>();
  app = command(&app_, "restore", "Make a data directory from a backup",
                "mpyd restore mpyd.backup --data /var/lib/mpyd --passphrase-file passphrase",
                restore, run_restore);
  app->add_option("file", restore->file, "The backup")->type_name("FILE")->required();
  app->add_option("--data", restore->data_dir, "Data directory to make; it is empty, or not there")
      ->type_name("DIR")
      ->envname("MPYD_DATA")
      ->required();
  app->add_option("--passphrase-file", restore->passphrase_file,
                  "File whose first line is the backup's passphrase")
      ->type_name("FILE");
  app->add_option("--server-key", restore->server_key,
                  "The server's key, for a backup made --without-keys")
      ->type_name("FILE");
}

void Program::add_profile_commands() {
  auto login = std::make_shared<LoginOptions>();
  CLI::App* app = command(&app_, "login", "Check a token and keep it in a profile",
                          "mpyd login --server https://drivers.example:8781 --profile work < token",
                          login, [this](const LoginOptions& given, const Output& out) {
                            LoginOptions options = given;
                            options.profile = profile_or_default();
                            return run_login(options, out);
                          });
  login_ = app;
  add_server_options(app, login->server);
  // Where the new token comes from; not the one that the profile has.
  app->get_option("--token-file")
      ->configurable(false)
      ->envname("")
      ->description(
          "File with the token; without it a line of standard input, then MPYD_TOKEN_FILE or "
          "MPYD_TOKEN");

  command(&app_, "logout", "Forget the token of a profile", "mpyd logout --profile work",
          std::make_shared<NoOptions>(),
          [this](const NoOptions&, const Output& out) -> Outcome<void> {
            MPYD_TRY_ASSIGN(chosen_, choose_profile(app_, profile_));
            MPYD_TRY(check_profile_is_there(chosen_));
            return run_logout(profile_or_default(), out);
          });

  auto server = std::make_shared<ServerOptions>();
  app = command(&app_, "whoami", "Say whose token is in use, what it may do, and where from",
                "mpyd whoami --profile work", server,
                [this](const ServerOptions& options, const Output& out) {
                  return run_whoami(options, chosen_.name, settings_, out);
                });
  add_server_options(app, *server);

  CLI::App* config = group("config", "Show settings and where they come from");
  config_show_ =
      command(config, "show", "Show every setting and where it comes from",
              "mpyd config show --profile work", std::make_shared<NoOptions>(),
              [this](const NoOptions&, const Output& out) { return show_settings(out); });
}

void Program::add_manual_commands() {
  const auto print = [](const std::string& text, const Output& out) -> Outcome<void> {
    out.result({{"text", text}}, text);
    return {};
  };
  auto shell = std::make_shared<std::string>();
  CLI::App* app = command(
      &app_, "completion", "Print the completions of a shell",
      "mpyd completion bash > ~/.local/share/bash-completion/completions/mpyd", shell,
      [this, print](const std::string& name, const Output& out) -> Outcome<void> {
        MPYD_TRY_ASSIGN(const std::string text, completion_script(describe_commands(app_), name));
        return print(text, out);
      });
  app->add_option("shell", *shell, "The shell")
      ->type_name("SHELL")
      ->check(CLI::IsMember({"bash", "zsh", "fish"}))
      ->required();

  const auto none = std::make_shared<NoOptions>();
  command(&app_, "man", "Print the manual page", "mpyd man > mpyd.1", none,
          [this, print](const NoOptions&, const Output& out) {
            return print(man_page(describe_commands(app_), std::string(build_version())), out);
          });
  command(&app_, "reference", "Print all commands and options, in Markdown",
          "mpyd reference > reference.md", none,
          [this, print](const NoOptions&, const Output& out) {
            return print(reference(describe_commands(app_)), out);
          });
}

Outcome<FileLayer> Program::choose_layer(const std::vector<CLI::App*>& chain) {
  if (chain.back() == serve_) {
    MPYD_TRY_ASSIGN(config_, load_server_config(*serve_, server_config_));
    if (!config_) return FileLayer{};
    return FileLayer{.file = &*config_, .tables = {&config_->root}};
  }
  MPYD_TRY_ASSIGN(chosen_, choose_profile(app_, profile_));
  if (chain.back() != login_) MPYD_TRY(check_profile_is_there(chosen_));
  if (!chosen_.file || !chosen_.is_there) return FileLayer{};
  return profile_layer(*chosen_.file, chosen_.name, chain);
}

Outcome<void> Program::configure() {
  const std::vector<CLI::App*> chain = parsed_chain(app_);
  const bool is_show = chain.back() == config_show_;
  if (!is_show && !takes_settings(*chain.back())) return {};
  MPYD_TRY_ASSIGN(const FileLayer layer, choose_layer(chain));
  MPYD_TRY_ASSIGN(Settled settled, is_show ? settle_all(app_, layer) : settle(app_, layer));
  for (const std::string& note : settled.notes) Output(json_, quiet_).say(note);
  settings_ = std::move(settled.settings);
  if (print_config_) return {};
  return check_required_settings(app_);
}

Outcome<void> Program::show_settings(const Output& out) const {
  const auto& file = config_ ? config_ : chosen_.file;
  boost::json::object result{{"file", nullptr}, {"profile", nullptr}};
  if (file) result["file"] = file->path;
  if (!chosen_.name.empty()) result["profile"] = chosen_.name;
  result["settings"] = settings_json(settings_);
  std::string text = "# " + (file ? file->path : std::string("no configuration file"));
  if (!chosen_.name.empty()) text += ", profile " + chosen_.name;
  out.result(result, text + "\n" + settings_text(settings_));
  return {};
}

int Program::run(int argc, const char* const* argv) {
  add_server_commands();
  add_key_commands();
  add_trust_commands();
  add_token_commands();
  add_driver_commands();
  add_release_commands();
  add_eeprom_commands();
  add_device_commands();
  add_inventory_commands();
  add_answer_commands();
  add_backup_commands();
  add_published_commands();
  add_profile_commands();
  add_manual_commands();
  group_commands(app_);
  SettingsHeldBack held(app_);
  const std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  try {
    app_.parse(argc, argv);
  } catch (const CLI::Success& help) {
    held.give_back();
    return app_.exit(help);
  } catch (const CLI::ParseError& error) {
    // The parser stops at the first mistake, maybe before it saw --json.
    const bool json = std::ranges::find(words, "--json") != words.end();
    Output(json).report(usage_failure(app_, words, error));
    return kExitUsage;
  }
  held.give_back();
  const Output out(json_, quiet_);
  Outcome<void> done = configure();
  if (done) done = command_(out);
  if (done) done = out.finish();
  if (done) return 0;
  if (!done.error().told) out.report(done.error());
  return exit_code(done.error().error.code);
}

}  // namespace

int run(int argc, const char* const* argv) {
  // Damaged input is reported by whoever reads it; libprotobuf would write to stderr besides.
  google::protobuf::SetLogHandler(nullptr);
  Program program;
  return program.run(argc, argv);
}

}  // namespace mpyd::server::cli
