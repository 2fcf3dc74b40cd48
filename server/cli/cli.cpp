// The command table. Each block declares one command: its options, its help, and what runs it.
#include "server/cli/cli.hpp"

#include <google/protobuf/stubs/logging.h>
#include <CLI/CLI.hpp>
#include <functional>

#include "server/cli/commands.hpp"
#include "server/util/build_version.hpp"

namespace mpyd::server::cli {
namespace {

// Options live as long as the parser that fills them.
class Program {
 public:
  Program() : app_("mpyd: drivers for MicroPython boards", "mpyd") {
    app_.set_version_flag("--version", std::string(build_version()));
    app_.add_flag("--json", json_, "Print the result as one line of JSON");
    app_.require_subcommand(1);
    app_.footer(
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
  void add_answer_commands();

  CLI::App* group(const std::string& name, const std::string& what) {
    CLI::App* app = app_.add_subcommand(name, what);
    app->fallthrough();
    app->require_subcommand(1);
    return app;
  }

  template <class Options, class Run>
  CLI::App* command(CLI::App* parent, const std::string& name, const std::string& what,
                    const std::string& example, std::shared_ptr<Options> options, Run execute) {
    CLI::App* app = parent->add_subcommand(name, what);
    app->fallthrough();
    app->footer("Example:\n  " + example);
    app->callback([this, options, execute] {
      command_ = [options, execute](const Output& out) { return execute(*options, out); };
    });
    return app;
  }

  static void add_server_options(CLI::App* app, ServerOptions& options) {
    app->add_option("--server", options.server, "Admin address of the server")
        ->envname("MPYD_SERVER")
        ->capture_default_str();
    app->add_option("--token-file", options.token_file, "File with the token (or set MPYD_TOKEN)")
        ->envname("MPYD_TOKEN_FILE");
    app->add_option("--ca-file", options.ca_file, "PEM certificates to verify https with")
        ->envname("MPYD_CA_FILE");
  }
  static CLI::Option* add_hardware_id(CLI::App* app, std::string& value) {
    return app->add_option("--hardware,--hardware-id", value,
                           "Hardware ID, e.g. hat:Meadow%20Instruments:0042");
  }
  static CLI::Option* add_bus(CLI::App* app, EepromDeviceOptions& options) {
    CLI::Option* const bus = app->add_option("--bus", options.bus, "The EEPROM's bus: /dev/i2c-1");
    for (CLI::Option* const option :
         {app->add_option("--address", options.address, "Where it answers, 0x50 to 0x57"),
          app->add_option("--mux", options.mux, "ADDRESS:CHANNEL of the multiplexer before it"),
          app->add_option("--width", options.width, "Its address bytes; default found by reading")
              ->check(CLI::Range(1, 2)),
          app->add_option("--size", options.size, "Its bytes; default found by reading")})
      option->needs(bus);
    return bus;
  }
  static void add_passphrase(CLI::App* app, std::string& value) {
    app->add_option("--passphrase-file", value, "File whose first line is the key's passphrase");
  }
  static CLI::Option* add_root(CLI::App* app, std::string& value) {
    return app->add_option("--root", value, "Root document to trust (root.mpyd)");
  }
  static void add_signing_options(CLI::App* app, SigningOptions& options,
                                  const std::string& base_flag = "--base") {
    add_server_options(app, options.server);
    add_root(app, options.root_file)->required();
    app->add_option("--key", options.key_files, "Targets key file; repeat for a threshold")
        ->allow_extra_args(false)
        ->required();
    add_passphrase(app, options.passphrase_file);
    app->add_option("--base-version", options.base_version,
                    "Accept this head version, signed by other targets keys, as the base");
    app->add_option("--expires-days", options.expires_days, "Days until the new head expires")
        ->check(CLI::Range(1, 3650))
        ->capture_default_str();
    app->add_flag("--yes", options.yes, "Sign without asking");
    add_base(app, options.base_file, base_flag);
    add_out(app, options.out_file);
  }
  static void add_base(CLI::App* app, std::string& value, const std::string& flag = "--base") {
    app->add_option(flag, value, "Work off line, from what mpyd trust export wrote");
  }
  static void add_out(CLI::App* app, std::string& value) {
    app->add_option("--out", value, "Write what is signed to this file instead of sending it");
  }
  static void add_root_signing_options(CLI::App* app, RootSigningOptions& options) {
    add_server_options(app, options.server);
    add_root(app, options.root_file)->required();
    app->add_option("--key", options.key_files,
                    "Root key file; repeat for the thresholds of the old and the new root")
        ->allow_extra_args(false);
    add_passphrase(app, options.passphrase_file);
    app->add_option("--expires-days", options.expires_days,
                    "Days until the new root expires, 0: never; default as it was")
        ->check(CLI::Range(0, 36500));
    app->add_flag("--yes", options.yes, "Sign without asking");
    add_base(app, options.base_file);
    add_out(app, options.out_file);
  }
  static void add_driver_options(CLI::App* app, DriverOptions& options) {
    app->add_option("files", options.files,
                    "FILE.mpy, FILE.mpy:float=soft,repr=C, FILE.mpkg, or a folder that holds\n"
                    "<arch>/NAME.mpy or native/<arch>/NAME.mpy; a file named beside its folder is\n"
                    "taken as it is named: DIR DIR/armv7emsp/NAME.mpy:float=soft")
        ->required();
    add_hardware_id(app, options.hardware_id);
    app->add_option("--revisions", options.revisions, "Board revisions: 3, 3-7 or 3-; default all");
    app->add_option("--name", options.name, "Driver name");
    app->add_option("--version", options.version, "Version for people, X.Y.Z");
    app->add_option("--release", options.release,
                    "Release number; publish takes the next one by default, pack asks for it");
    app->add_option("--requires", options.required_modules,
                    "Built-in module the firmware must have; may be repeated")
        ->allow_extra_args(false);
    app->add_option("--ram", options.ram_bytes,
                    "Bytes of RAM the loaded driver needs; default what loading it takes");
    app->add_option("--key", options.key_files, "Publisher key file; repeat for a threshold")
        ->allow_extra_args(false);
    add_passphrase(app, options.passphrase_file);
    app->add_flag("--public", options.is_public, "Sign, but do not encrypt");
    app->add_option("--seal-to", options.seal_to,
                    "Who else may open it: fleet.pub of mpyd trust fleet-key; may be repeated")
        ->allow_extra_args(false);
  }

  CLI::App app_;
  bool json_ = false;
  Command command_;
};

void Program::add_server_commands() {
  auto init = std::make_shared<InitOptions>();
  CLI::App* app =
      command(&app_, "init", "Make a new server and its offline keys",
              "mpyd init --data /var/lib/mpyd --keys /media/usb/mpyd-keys", init, run_init);
  app->add_option("--data", init->data_dir, "Data directory of the server")->required();
  app->add_option("--keys", init->keys_dir,
                  "Directory for root and targets keys and the first admin token")
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
                run_serve);
  app->add_option("--data", config->data_dir, "Data directory")->envname("MPYD_DATA")->required();
  app->add_option("--listen", config->listen, "Address for devices and packages")
      ->envname("MPYD_LISTEN")
      ->capture_default_str();
  app->add_option("--admin-listen", config->admin_listen, "Address of the admin API")
      ->envname("MPYD_ADMIN_LISTEN")
      ->capture_default_str();
  app->add_option("--tls-cert", config->tls_cert, "PEM certificate chain of the admin API")
      ->envname("MPYD_TLS_CERT");
  app->add_option("--tls-key", config->tls_key, "PEM file of its private key")
      ->envname("MPYD_TLS_KEY");
  app->add_option("--behind-proxy", config->behind_proxy,
                  "Accept admin connections from this network only; TLS ends at the proxy")
      ->envname("MPYD_BEHIND_PROXY");
}

void Program::add_doctor_command() {
  auto doctor = std::make_shared<DoctorOptions>();
  CLI::App* app =
      command(&app_, "doctor", "Say what is wrong, why it matters and what mends it",
              "mpyd doctor --data /var/lib/mpyd --keys /media/usb/mpyd-keys", doctor, run_doctor);
  app->add_option("--data", doctor->data_dir, "Data directory of a server; it may be running");
  app->add_option("--keys", doctor->keys_dir, "Directory of root and targets keys");
  app->add_option("--backups", doctor->backups_dir,
                  "Directory of backups; default what lies in the data directory, and the folder "
                  "backups beside it");
  doctor->server.server.clear();  // asked only when it is named
  add_server_options(app, doctor->server);
  add_root(app, doctor->root_file);
}

void Program::add_key_commands() {
  auto options = std::make_shared<KeygenOptions>();
  CLI::App* app = command(&app_, "keygen", "Make a key file; prints the public key",
                          "mpyd keygen --role publisher --out thermo.key", options, run_keygen);
  app->add_option("--role", options->role, "root, targets, publisher or server")->required();
  app->add_option("--out", options->out_file, "File to write; FILE.pub gets the public key")
      ->required();
  add_passphrase(app, options->passphrase_file);
}

void Program::add_trust_commands() {
  CLI::App* trust = group("trust", "Roles and policy");
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
  app->add_option("--name", delegate->driver_name, "Driver name")->required();
  app->add_option("--publisher", delegate->publishers,
                  "Publisher's public key: FILE.pub or 64 hex digits; may be repeated")
      ->allow_extra_args(false)
      ->required();
  app->add_option("--threshold", delegate->threshold, "Publisher keys that must sign a release")
      ->capture_default_str();
  app->add_option("--floor", delegate->floor, "Lowest release number a device may load");
  app->add_flag("--no-eeprom", delegate->no_eeprom, "Never load packages from a board's EEPROM");
  app->add_flag("--unchecked-packages", delegate->unchecked_packages,
                "Also deliver packages that this server cannot open and look into");
  add_signing_options(app, delegate->signing);
  add_policy_commands(trust);
  add_rotation_commands(trust);
  add_exchange_commands(trust);
}

void Program::add_policy_commands(CLI::App* trust) {
  auto floor = std::make_shared<TrustFloorOptions>();
  CLI::App* app =
      command(trust, "floor", "Forbid all releases of a driver below a number, for ever",
              "mpyd trust floor --hardware-id hat:Meadow%20Instruments:0042 --release 14 \\\n"
              "    --key targets.key --root root.mpyd",
              floor, run_trust_floor);
  add_hardware_id(app, floor->hardware_id)->required();
  app->add_option("--release", floor->release, "Lowest release number a device may load")
      ->required();
  add_signing_options(app, floor->signing);

  auto approve = std::make_shared<TrustApproveOptions>();
  app = command(trust, "approve", "Approve packages, and say whether that is needed",
                "mpyd trust approve --hardware-id hat:Meadow%20Instruments:0042 --only \\\n"
                "    --digest DIGEST --key targets.key --root root.mpyd",
                approve, run_trust_approve);
  add_hardware_id(app, approve->hardware_id)->required();
  app->add_option("--digest", approve->digests, "Package to approve; may be repeated")
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
                  "Publisher's public key, FILE.pub or 64 hex digits: nothing signed by it counts");
  add_hardware_id(app, revoke->hardware_id);
  app->add_option("--digest", revoke->digests, "Package to revoke; may be repeated")
      ->allow_extra_args(false);
  add_signing_options(app, revoke->signing);
}

void Program::add_pin_and_refuse_commands(CLI::App* trust) {
  auto pin = std::make_shared<TrustPinOptions>();
  CLI::App* app = command(trust, "pin", "Load these packages and no others",
                          "mpyd trust pin --hardware-id hat:Meadow%20Instruments:0042 \\\n"
                          "    --release 14 --key targets.key --root root.mpyd",
                          pin, run_trust_pin);
  add_hardware_id(app, pin->hardware_id)->required();
  app->add_option("--digest", pin->digests, "Package to pin; may be repeated")
      ->allow_extra_args(false);
  app->add_option("--release", pin->release, "Pin all packages of this release")
      ->check(CLI::PositiveNumber);
  app->add_flag("--none", pin->none, "Pin nothing any more");
  add_signing_options(app, pin->signing);

  auto refuse = std::make_shared<TrustRefuseOptions>();
  app = command(trust, "refuse", "Load nothing for a board, wherever it comes from",
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

  auto server = std::make_shared<RotateServerOptions>();
  CLI::App* app = command(rotate, "server", "Let root name a new server key",
                          "mpyd trust rotate server --key root.key --root root.mpyd", server,
                          run_trust_rotate_server);
  add_root_signing_options(app, server->signing);
  app->add_option("--server-key", server->server_key,
                  "The server's next key, FILE.pub or 64 hex digits; default: the server is asked");

  const auto add_role = [&](const std::string& name, const std::string& what,
                            const std::string& example, auto execute) {
    auto options = std::make_shared<RotateRoleOptions>();
    app = command(rotate, name, what, example, options, execute);
    add_root_signing_options(app, options->signing);
    app->add_option("--add", options->add, "Key to add: FILE.pub or 64 hex digits; may be repeated")
        ->allow_extra_args(false);
    app->add_option("--remove", options->remove,
                    "Key to remove: FILE.pub or 64 hex digits; may be repeated")
        ->allow_extra_args(false);
    app->add_option("--threshold", options->threshold, "Keys that must sign; default as it was");
  };
  add_role("root", "Change root keys, their threshold, or how long the root runs",
           "mpyd trust rotate root --remove lost.key.pub --add new.key.pub \\\n"
           "    --key root-1.key --key root-2.key --key new.key --root root.mpyd",
           run_trust_rotate_root);
  add_role("targets", "Change targets keys; begins a new epoch, which ends the policy in force",
           "mpyd trust rotate targets --remove stolen.key.pub --add new.key.pub \\\n"
           "    --key root.key --root root.mpyd",
           run_trust_rotate_targets);

  auto fleet = std::make_shared<FleetKeyOptions>();
  app = command(rotate, "fleet", "Make the next key that every enrolled device gets",
                "mpyd trust rotate fleet --out fleet.pub", fleet, run_trust_rotate_fleet);
  add_server_options(app, fleet->server);
  app->add_option("--out", fleet->out_file, "File for the new public key, for --seal-to");

  auto fleet_key = std::make_shared<FleetKeyOptions>();
  app = command(trust, "fleet-key", "Write the public key of the fleet, to seal packages to",
                "mpyd trust fleet-key --out fleet.pub", fleet_key, run_trust_fleet_key);
  add_server_options(app, fleet_key->server);
  app->add_option("--out", fleet_key->out_file, "File to write");

  auto restore = std::make_shared<TrustRestoreOptions>();
  app = command(trust, "restore", "Sign the first head of a new epoch from a policy you trust",
                "mpyd trust restore --base targets.key.head --key new.key --root root.mpyd",
                restore, run_trust_restore);
  add_signing_options(app, restore->signing, "--trust");
  app->add_option("--base", restore->kept_head,
                  "The policy kept beside the old targets key, OLDKEY.head");
  app->add_flag("--from-server", restore->from_server,
                "Take the policy that was in force when the epoch ended");

  auto renew = std::make_shared<SigningOptions>();
  app = command(trust, "renew", "Sign the policy in force again, before it expires",
                "mpyd trust renew --key targets.key --root root.mpyd", renew, run_trust_renew);
  add_signing_options(app, *renew);
}

void Program::add_exchange_commands(CLI::App* trust) {
  auto exported = std::make_shared<TrustExportOptions>();
  CLI::App* app =
      command(trust, "export", "Write the trust documents to a file, for signing off line",
              "mpyd trust export --root root.mpyd --key targets.key --out trust.mpyd", exported,
              run_trust_export);
  add_server_options(app, exported->server);
  add_root(app, exported->root_file)->required();
  app->add_option("--key", exported->key_files,
                  "Hold what the server hands out against the head kept beside this key file")
      ->allow_extra_args(false);
  app->add_option("--out", exported->out_file, "File to write");
  app->add_option("--newest-root", exported->newest_root_file,
                  "File for the newest root document, for who pins it");

  auto sign = std::make_shared<TrustSignOptions>();
  app = command(trust, "sign", "Show what a draft changes, and add a signature",
                "mpyd trust sign draft.mpyd --key targets-2.key --root root.mpyd", sign,
                run_trust_sign);
  app->add_option("file", sign->file, "Draft: what a change with --out wrote")->required();
  add_root(app, sign->root_file)->required();
  app->add_option("--key", sign->key_files, "Root or targets key file, as the draft needs")
      ->allow_extra_args(false)
      ->required();
  add_passphrase(app, sign->passphrase_file);
  add_out(app, sign->out_file);
  app->add_flag("--yes", sign->yes, "Sign without asking");

  auto imported = std::make_shared<TrustImportOptions>();
  app =
      command(trust, "import", "Send a signed draft to the server",
              "mpyd trust import draft.mpyd --token-file admin.token", imported, run_trust_import);
  app->add_option("file", imported->file, "Draft with all its signatures")->required();
  add_server_options(app, imported->server);
}

void Program::add_token_commands() {
  CLI::App* token = group("token", "Tokens of the admin API");
  auto create = std::make_shared<TokenCreateOptions>();
  CLI::App* app = command(token, "create", "Make a token; prints it, once",
                          "mpyd token create --name ci --scope publish --expires 30d > ci.token",
                          create, run_token_create);
  add_server_options(app, create->server);
  app->add_option("--name", create->name, "What the token is called in the audit log")->required();
  app->add_option("--scope", create->scopes, "What it may do; may be repeated")
      ->allow_extra_args(false)
      ->required();
  app->add_option("--expires", create->expires, "After 45m, 12h, 30d or 2w; default never");
  app->add_option("--uses", create->uses, "Good for so many uses; default any number")
      ->check(CLI::Range(1, 1'000'000'000));
  app->add_flag_callback(
      "--single-use", [create] { create->uses = 1; }, "The same as --uses 1");
  app->add_flag("--approve", create->approve,
                "Devices that it enrols wait for mpyd device approve");

  auto list = std::make_shared<ServerOptions>();
  app = command(token, "list", "List tokens, without their secrets", "mpyd token list", list,
                run_token_list);
  add_server_options(app, *list);

  auto revoke = std::make_shared<TokenRevokeOptions>();
  app = command(token, "revoke", "Take a token back", "mpyd token revoke ci", revoke,
                run_token_revoke);
  add_server_options(app, revoke->server);
  app->add_option("name", revoke->name, "Its name")->required();
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
                "mpyd inspect thermo-1.0.0-6.3-armv7m.mpkg", inspect, run_inspect);
  app->add_option("file", inspect->file, "A .mpy, .mpkg, EEPROM image, key or root document")
      ->required();
}

void Program::add_release_commands() {
  CLI::App* release = group("release", "Published releases");
  auto list = std::make_shared<ReleaseListOptions>();
  CLI::App* app = command(release, "list", "List releases and their variants",
                          "mpyd release list --name thermo", list, run_release_list);
  add_server_options(app, list->server);
  add_hardware_id(app, list->hardware_id);
  app->add_option("--name", list->driver_name, "Driver name");

  const auto add_yank = [&](const std::string& name, const std::string& what, auto execute) {
    auto options = std::make_shared<ReleaseYankOptions>();
    app = command(
        release, name, what,
        "mpyd release " + name + " --hardware-id hat:Meadow%20Instruments:0042 --version 1.0.0",
        options, execute);
    add_server_options(app, options->server);
    add_hardware_id(app, options->hardware_id)->required();
    app->add_option("--version", options->version, "Its version")->required();
    app->add_option("--abi", options->abi, "Only the variant for this ABI");
  };
  add_yank("yank", "Offer a release to no device any more", run_release_yank);
  add_yank("unyank", "Offer a yanked release again", run_release_unyank);
}

void Program::add_eeprom_commands() {
  CLI::App* eeprom = group("eeprom", "Images of ID EEPROMs");
  auto build = std::make_shared<EepromBuildOptions>();
  CLI::App* app = command(
      eeprom, "build", "Build images of HAT, HAT+, hexpansion or LIFE EEPROMs",
      "mpyd eeprom build --hardware-id hat:Meadow%20Instruments:0042 --revision 3 \\\n"
      "    --package thermo-1.0.0-6.3-armv7m.mpkg --size 8192 --reserve 4096 --out thermo.eep\n"
      "  mpyd eeprom build --hardware-id thex:cafe:0042 --friendly-name Thermo --size 8192 \\\n"
      "    --batch 50 --serial-start 100 --out 'images/{serial}.eep' > labels.tsv\n"
      "  mpyd eeprom build --hardware-id life:Blinky:leds --out blinky.eep",
      build, run_eeprom_build);
  add_hardware_id(app, build->hardware_id);
  app->add_option("--vendor", build->vendor, "Vendor, as it is written")->excludes("--hardware-id");
  app->add_option("--product-id", build->product_id, "Four hex digits")->excludes("--hardware-id");
  app->add_option("--product,--product-name", build->product_name, "Product, for people");
  app->add_option("--revision,--product-version", build->revision, "Board revision")
      ->capture_default_str();
  app->add_option("--serial,--uuid,--unique-id", build->serial,
                  "Of this board: a HAT's UUID, a hexpansion's number");
  app->add_option(
      "--format", build->format,
      "hat+ (the default) or hat, its version 1; hexpansion: 2024 (the default) or 2026");
  app->add_option("--friendly-name", build->friendly_name, "Of a hexpansion, <= 9 bytes");
  app->add_option("--current", build->current_ma, "What the board takes, in mA (HAT+)");
  app->add_option("--atom", build->atoms,
                  "Atom for other readers, TYPE:FILE, e.g. 2:gpio.bin; may be repeated")
      ->allow_extra_args(false);
  app->add_option("--config", build->config_file, "Configuration data for the driver, <= 1 KiB");
  app->add_option("--package", build->package_files,
                  ".mpkg to put on the board; may be repeated, one per ABI")
      ->allow_extra_args(false);
  app->add_option("--driver-data", build->driver_data_file, "Driver data of a LIFE add-on");
  app->add_option(
      "--reserve", build->reserve_bytes,
      "Room for packages stored in the field, in bytes: one and its key block, or twice "
      "that to keep the old one should power fail");
  app->add_option("--page-size", build->page_bytes,
                  "Of the EEPROM's pages, in bytes; by default as usual for its size");
  app->add_option("--size", build->size, "Pad with 0xff to this size of the EEPROM, in bytes");
  app->add_option("--batch", build->batch,
                  "Images of so many boards, each with a serial of its own (HAT: random UUIDs; "
                  "hexpansion: rising), and a line for each label: file, hardware ID, revision, "
                  "serial, separated by tabs")
      ->check(CLI::PositiveNumber);
  app->add_option("--serial-start", build->serial_start, "First serial of a batch of hexpansions")
      ->check(CLI::PositiveNumber);
  app->add_flag("--force", build->force, "A batch may replace files");
  app->add_option("--out", build->out_file,
                  "File to write; of a batch with {serial} or {n} in its name")
      ->required();

  auto identify = std::make_shared<EepromIdentifyOptions>();
  app = command(eeprom, "identify", "Say whose boards images belong to",
                "mpyd eeprom identify thermo.eep\n  mpyd eeprom identify --json images/*.eep\n"
                "  mpyd eeprom identify --bus /dev/i2c-1",
                identify, run_eeprom_identify);
  auto* const files = app->add_option("files", identify->files, "EEPROM images");
  files->excludes(add_bus(app, identify->device));

  const auto add_real = [&](const std::string& name, const std::string& what,
                            const std::string& example, auto options, auto execute) {
    app = command(eeprom, name, what, "mpyd eeprom " + name + example, options, execute);
    add_bus(app, options->device)->required();
  };
  auto read = std::make_shared<EepromReadOptions>();
  add_real("read", "Copy a real EEPROM into a file", " --bus /dev/i2c-1 --out board.eep", read,
           run_eeprom_read);
  app->add_option("--out", read->out_file, "File to write")->required();
  auto write = std::make_shared<EepromWriteOptions>();
  add_real("write", "Write an image to a real EEPROM, and read it back",
           " --bus /dev/i2c-1 thermo.eep\n"
           "  mpyd eeprom write --bus /dev/i2c-1 --width 2 --size 8192 thermo.eep   # a blank one",
           write, run_eeprom_write);
  app->add_option("file", write->file, "EEPROM image")->required();
  app->add_option("--page", write->device.page,
                  "Bytes that the part writes at once; default by size");
  app->add_flag("--yes", write->yes, "Overwrite without asking");
  auto verify = std::make_shared<EepromVerifyOptions>();
  add_real("verify", "Hold a real EEPROM against an image", " --bus /dev/i2c-1 thermo.eep", verify,
           run_eeprom_verify);
  app->add_option("file", verify->file, "EEPROM image")->required();
}

void Program::add_device_commands() {
  CLI::App* device = group("device", "Motherboards");
  auto provision = std::make_shared<DeviceProvisionOptions>();
  CLI::App* app =
      command(device, "provision", "Make a device's identity file and enrol it",
              "mpyd device provision --name bench-1 --out identity --root root.mpyd \\\n"
              "    --device-server 192.0.2.10:8780",
              provision, run_device_provision);
  add_server_options(app, provision->server);
  app->add_option("--name", provision->name, "What people call it; with --fleet its token's name");
  app->add_option("--out", provision->out_file, "Identity file to write; a secret")->required();
  add_root(app, provision->root_file)->required();
  app->add_option("--device-server", provision->device_server,
                  "HOST:PORT of the server as the device reaches it")
      ->required();
  app->add_flag("--fleet", provision->fleet,
                "One file for many motherboards: each makes its own key at its first start");
  app->add_option("--uses", provision->uses, "How many motherboards the fleet file enrols")
      ->check(CLI::Range(1, 1'000'000'000));
  app->add_flag("--approve", provision->approve, "Each of the fleet waits for mpyd device approve");
  app->add_option("--expires", provision->expires,
                  "The fleet file enrols nobody after 45m, 12h, 30d or 2w; default never");
  app->add_option("--with-policy", provision->with_policy,
                  "Hardware ID whose policy is in force before the first sync; may be repeated")
      ->allow_extra_args(false);
  app->add_option("--after-expiry", provision->after_expiry,
                  "Off line, when policy has expired: refuse what was not loaded before, or keep "
                  "on")
      ->capture_default_str();

  auto list = std::make_shared<DeviceListOptions>();
  app = command(device, "list", "List devices, and what is wrong with them", "mpyd device list",
                list, run_device_list);
  add_server_options(app, list->server);
  app->add_flag("--waiting", list->waiting, "Only those that wait for approval");

  const auto add_one = [&](const std::string& name, const std::string& what, auto execute) {
    auto options = std::make_shared<DeviceOptions>();
    app = command(device, name, what, "mpyd device " + name + " ID", options, execute);
    add_server_options(app, options->server);
    app->add_option("id", options->id, "Its ID, from mpyd device list")->required();
  };
  add_one("show", "Show a device and its boards", run_device_show);
  add_one("revoke", "Let a device sync no more", run_device_revoke);
  add_device_life_commands(device);
}

void Program::add_device_life_commands(CLI::App* device) {
  auto approve = std::make_shared<DeviceApproveOptions>();
  CLI::App* app = command(device, "approve", "Let devices in that wait for it",
                          "mpyd device approve ID", approve, run_device_approve);
  add_server_options(app, approve->server);
  app->add_option("id", approve->ids, "Their IDs, from mpyd device list --waiting");
  app->add_flag("--all", approve->all, "All that wait");
  app->add_flag("--yes", approve->yes, "Approve all without asking");

  auto replace = std::make_shared<DeviceReplaceOptions>();
  app = command(device, "replace", "Let a new motherboard take a dead one's place",
                "mpyd device replace OLD NEW", replace, run_device_replace);
  add_server_options(app, replace->server);
  app->add_option("old", replace->id, "ID of the dead one; its key is revoked")->required();
  app->add_option("new", replace->successor, "ID of the new one; it gets the name")->required();

  auto again = std::make_shared<DeviceTryAgainOptions>();
  app = command(device, "try-again", "Let a device load once more what it quarantined",
                "mpyd device try-again ID --slot 2", again, run_device_try_again);
  add_server_options(app, again->server);
  app->add_option("id", again->id, "Its ID, from mpyd device list")->required();
  app->add_option("--slot", again->slot, "The slot, from mpyd device show")->required();

  auto move = std::make_shared<DeviceMoveOptions>();
  app = command(device, "move", "Tell all devices where the server is from now on",
                "mpyd device move --to 192.0.2.20:8780", move, run_device_move);
  add_server_options(app, move->server);
  app->add_option("--to", move->to, "HOST:PORT as devices reach it; default: show what they hear");
  app->add_flag("--cancel", move->cancel, "Tell them no more");
}

void Program::add_answer_commands() {
  auto explain = std::make_shared<ExplainOptions>();
  CLI::App* app = command(
      &app_, "explain", "Say which package would be chosen, and why each other one is not",
      "mpyd explain --abi 6.3-armv7m --hardware-id hat:Meadow%20Instruments:0042 --revision 3",
      explain, run_explain);
  add_server_options(app, explain->server);
  app->add_option("--device", explain->device, "Device ID");
  app->add_option("--abi", explain->abi, "ABI of a motherboard, e.g. 6.3-armv7emsp");
  add_hardware_id(app, explain->hardware_id)->required();
  app->add_option("--revision", explain->revision, "Board revision")->capture_default_str();

  auto audit = std::make_shared<AuditOptions>();
  app = command(&app_, "audit", "Show who did what", "mpyd audit --limit 20", audit, run_audit);
  add_server_options(app, audit->server);
  app->add_option("--limit", audit->limit, "Lines at most")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app->add_option("--after", audit->after, "Only what came after this number");
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
  add_answer_commands();
  try {
    app_.parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app_.exit(help);
  } catch (const CLI::ParseError& error) {
    Output(json_).report(
        Failure(Error(Errc::invalid_argument, error.what()), "mpyd [COMMAND] --help shows how"));
    return kExitUsage;
  }
  const Output out(json_);
  const Outcome<void> done = command_(out);
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
