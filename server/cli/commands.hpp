// Every command: its options, as cli.cpp fills them, and the function that runs it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "protocol/trust/documents.hpp"
#include "server/app/app.hpp"
#include "server/cli/admin_client.hpp"
#include "server/cli/output.hpp"
#include "server/cli/settings.hpp"

namespace mpyd::server::cli {

struct InitOptions {
  std::string data_dir;
  std::string keys_dir;
  std::string passphrase_file;  // of the new keys; empty: none
  bool with_publisher = false;  // also a publisher key, for who makes boards of his own
  unsigned root_keys = 1;
  unsigned root_threshold = 0;  // root keys that must sign; 0: more than half
};
Outcome<void> run_init(const InitOptions& options, const Output& out);

Outcome<void> run_serve(const ServeConfig& config, const Output& out);

struct KeygenOptions {
  std::string role;
  std::string out_file;
  std::string passphrase_file;
};
Outcome<void> run_keygen(const KeygenOptions& options, const Output& out);

struct TrustShowOptions {
  ServerOptions server;
  std::string root_file;  // empty: trust what the server says of itself, and say so
};
Outcome<void> run_trust_show(const TrustShowOptions& options, const Output& out);

// What every command needs that signs a new targets head.
struct SigningOptions {
  ServerOptions server;
  std::string root_file;
  std::vector<std::string> key_files;  // targets keys
  std::string passphrase_file;
  std::uint32_t base_version = 0;  // the signer accepts this newer head, signed by others, as base
  unsigned expires_days = 365;
  bool yes = false;
  std::string base_file;  // trust documents from a file: nothing is asked of a server
  std::string out_file;   // what is signed goes into a file, with all its base
};
struct TrustDelegateOptions {
  SigningOptions signing;
  std::string hardware_id;
  std::string driver_name;
  std::vector<std::string> publishers;  // .pub files or hex
  // What is absent stays as it was, or is as help says.
  std::optional<std::uint32_t> threshold;
  std::optional<std::uint32_t> floor;
  std::optional<bool> eeprom_packages;
  std::optional<bool> unchecked_packages;
};
Outcome<void> run_trust_delegate(const TrustDelegateOptions& options, const Output& out);

struct TrustFloorOptions {
  SigningOptions signing;
  std::string hardware_id;
  std::uint32_t release = 0;
};
Outcome<void> run_trust_floor(const TrustFloorOptions& options, const Output& out);

struct TrustApproveOptions {
  SigningOptions signing;
  std::string hardware_id;
  std::vector<std::string> digests;
  std::optional<trust::ReleaseMode> mode;  // absent: as it was
};
Outcome<void> run_trust_approve(const TrustApproveOptions& options, const Output& out);

struct TrustRefuseOptions {
  SigningOptions signing;
  std::string hardware_id;
  bool lift = false;
};
Outcome<void> run_trust_refuse(const TrustRefuseOptions& options, const Output& out);

struct TrustPinOptions {
  SigningOptions signing;
  std::string hardware_id;
  std::vector<std::string> digests;
  std::uint32_t release = 0;  // all packages of this release; 0: none
  bool none = false;          // the end of pinning
};
Outcome<void> run_trust_pin(const TrustPinOptions& options, const Output& out);

// A publisher's key, for all hardware IDs; or packages of one hardware ID.
struct TrustRevokeOptions {
  SigningOptions signing;
  std::string publisher;  // .pub file or hex
  std::string hardware_id;
  std::vector<std::string> digests;
};
Outcome<void> run_trust_revoke(const TrustRevokeOptions& options, const Output& out);

struct TrustRestoreOptions {
  SigningOptions signing;
  std::string kept_head;  // OLDKEY.head
  bool from_server = false;
};
Outcome<void> run_trust_restore(const TrustRestoreOptions& options, const Output& out);
Outcome<void> run_trust_renew(const SigningOptions& options, const Output& out);

// What every command needs that makes a new root.
struct RootSigningOptions {
  ServerOptions server;
  std::string root_file;
  std::vector<std::string> key_files;  // root keys, of the old and of the new root
  std::string passphrase_file;
  std::optional<unsigned> expires_days;  // 0: never; absent: as it was
  bool yes = false;
  std::string base_file;
  std::string out_file;
};
struct RotateServerOptions {
  RootSigningOptions signing;
  std::string server_key;  // .pub file or hex; empty: the server is asked
};
Outcome<void> run_trust_rotate_server(const RotateServerOptions& options, const Output& out);
struct RotateRoleOptions {
  RootSigningOptions signing;
  std::vector<std::string> add;     // .pub files or hex
  std::vector<std::string> remove;  // the same
  std::optional<std::uint32_t> threshold;
};
Outcome<void> run_trust_rotate_root(const RotateRoleOptions& options, const Output& out);
Outcome<void> run_trust_rotate_targets(const RotateRoleOptions& options, const Output& out);

struct TrustExportOptions {
  ServerOptions server;
  std::string root_file;
  std::vector<std::string> key_files;  // whose kept heads the server's is held against
  std::string out_file;
  std::string newest_root_file;
};
Outcome<void> run_trust_export(const TrustExportOptions& options, const Output& out);
struct TrustSignOptions {
  std::string file;
  std::string root_file;
  std::vector<std::string> key_files;
  std::string passphrase_file;
  std::string out_file;  // empty: in place
  bool yes = false;
};
Outcome<void> run_trust_sign(const TrustSignOptions& options, const Output& out);
struct TrustImportOptions {
  ServerOptions server;
  std::string file;
};
Outcome<void> run_trust_import(const TrustImportOptions& options, const Output& out);

struct DoctorOptions {
  std::string data_dir;         // empty: not looked at
  std::string keys_dir;         // empty: not looked at
  std::string backups_dir;      // empty: the data directory and beside it
  ServerOptions server;         // its address empty: not asked
  bool is_server_named = true;  // on the command line; else a root must be there to ask it
  std::string root_file;
};
Outcome<void> run_doctor(const DoctorOptions& options, const Output& out);

struct TokenCreateOptions {
  ServerOptions server;
  std::string name;
  std::vector<std::string> scopes;
  std::string expires;                     // 30d, 12h ...; empty: never
  std::uint32_t uses = 0;                  // 0: any number
  bool approve = false;                    // devices it enrols wait for the operator
  std::vector<std::string> hardware = {};  // patterns it may publish; empty: any
  std::string out_file = {};               // empty: the token is printed
};
Outcome<void> run_token_create(const TokenCreateOptions& options, const Output& out);
Outcome<void> run_token_list(const ServerOptions& options, const Output& out);
struct TokenRevokeOptions {
  ServerOptions server;
  std::string name;
};
Outcome<void> run_token_revoke(const TokenRevokeOptions& options, const Output& out);

struct TokenRescueOptions {
  std::string data_dir;
  std::string name = "rescue";
  std::string out_file;
};
Outcome<void> run_token_rescue(const TokenRescueOptions& options, const Output& out);

// What pack and publish say of a driver.
struct DriverOptions {
  std::vector<std::string> files;  // FILE.mpy[:float=soft,repr=C], FILE.mpkg or a folder
  std::string hardware_id;
  std::string revisions;  // A-B, A or A-; empty: all
  std::string name;
  std::string version;
  std::uint32_t release = 0;  // 0: the next one
  std::vector<std::string> required_modules;
  std::uint32_t ram_bytes = 0;         // 0: estimated
  std::vector<std::string> key_files;  // publisher keys; all sign
  std::string passphrase_file;
  std::string root_file;
  bool is_public = false;
  std::vector<std::string> seal_to;  // .pub files of fleets and of other servers
};
struct PackOptions {
  DriverOptions driver;
  std::string out_dir = ".";
};
Outcome<void> run_pack(const PackOptions& options, const Output& out);
struct PublishOptions {
  DriverOptions driver;
  ServerOptions server;
  bool dry_run = false;
  bool unchecked = false;  // also what this server cannot open
};
Outcome<void> run_publish(const PublishOptions& options, const Output& out);

struct InspectOptions {
  std::string file;
};
Outcome<void> run_inspect(const InspectOptions& options, const Output& out);

struct EepromBuildOptions {
  std::string hardware_id;  // hat:, thex: or life:; of a HAT also vendor and product_id
  std::string vendor;
  std::string product_name;
  std::string product_id;  // four hex digits
  std::uint32_t revision = 0;
  std::string serial;              // a HAT's UUID, a hexpansion's unique id; empty: none
  std::string format;              // hat+ or hat, 2024 or 2026; empty: the first of them
  std::string friendly_name;       // of a hexpansion
  std::uint32_t current_ma = 0;    // 0: not said
  std::vector<std::string> atoms;  // TYPE:FILE
  std::vector<std::string> package_files;
  std::string config_file;
  std::string driver_data_file;     // of a LIFE add-on
  std::uint32_t reserve_bytes = 0;  // for packages stored in the field; 0: none
  std::uint32_t page_bytes = 0;     // of the EEPROM; 0: by its size
  std::uint32_t size = 0;           // pad with 0xff to this size; 0: not padded
  std::string out_file;             // of a batch: with {n} or {serial} in it
  std::uint32_t batch = 0;          // so many boards, each with a serial of its own; 0: one
  std::uint32_t serial_start = 0;   // 0: 1
  bool force = false;               // a batch may replace files
};
Outcome<void> run_eeprom_build(const EepromBuildOptions& options, const Output& out);
// A real EEPROM, on a bus of this computer.
struct EepromDeviceOptions {
  std::string bus;         // /dev/i2c-1
  std::string address;     // 0x50; empty: the one that is there
  std::string mux;         // 0x70:3; empty: none
  unsigned width = 0;      // address bytes, 1 or 2; 0: found out by reading
  std::uint32_t size = 0;  // bytes; 0: likewise
  std::uint32_t page = 0;  // bytes; 0: by the size
};
struct EepromIdentifyOptions {
  std::vector<std::string> files;  // or
  EepromDeviceOptions device;
};
Outcome<void> run_eeprom_identify(const EepromIdentifyOptions& options, const Output& out);
Outcome<void> identify_real_eeprom(const EepromDeviceOptions& options, const Output& out);
struct EepromReadOptions {
  EepromDeviceOptions device;
  std::string out_file;
};
Outcome<void> run_eeprom_read(const EepromReadOptions& options, const Output& out);
struct EepromWriteOptions {
  EepromDeviceOptions device;
  std::string file;
  bool yes = false;
};
Outcome<void> run_eeprom_write(const EepromWriteOptions& options, const Output& out);
struct EepromVerifyOptions {
  EepromDeviceOptions device;
  std::string file;
};
Outcome<void> run_eeprom_verify(const EepromVerifyOptions& options, const Output& out);

struct DeviceProvisionOptions {
  ServerOptions server;
  std::string name;
  std::string out_file;
  std::string root_file;
  std::string device_server;             // host:port, as the device reaches it
  std::vector<std::string> with_policy;  // hardware IDs whose policy is in force from the start
  std::string after_expiry = "refuse";   // or keep: what goes on off line after policy expired
  bool fleet = false;                    // one file for many motherboards:
  std::uint32_t uses = 0;                // so many
  bool approve = false;                  // each waits for the operator
  std::string expires;                   // of its token
};
Outcome<void> run_device_provision(const DeviceProvisionOptions& options, const Output& out);
struct DeviceOptions {
  ServerOptions server;
  std::string id;
};
struct DeviceListOptions {
  ServerOptions server;
  bool waiting = false;  // only those that wait for approval
  // Only those with ...; empty: any.
  std::string state;
  std::string name;         // its start
  std::string token;        // that enrolled it
  std::string hardware_id;  // of a board that is plugged in
  std::string unseen;       // for how long at least
  bool trouble = false;
  std::string sort;
};
Outcome<void> run_device_list(const DeviceListOptions& options, const Output& out);
Outcome<void> run_device_show(const DeviceOptions& options, const Output& out);
Outcome<void> run_device_revoke(const DeviceOptions& options, const Output& out);
struct DeviceApproveOptions {
  ServerOptions server;
  std::vector<std::string> ids;
  bool all = false;
  bool yes = false;
};
Outcome<void> run_device_approve(const DeviceApproveOptions& options, const Output& out);
struct DeviceReplaceOptions {
  ServerOptions server;
  std::string id;
  std::string successor;
};
Outcome<void> run_device_replace(const DeviceReplaceOptions& options, const Output& out);
struct DeviceTryAgainOptions {
  ServerOptions server;
  std::string id;
  std::uint32_t slot = 0;
};
Outcome<void> run_device_try_again(const DeviceTryAgainOptions& options, const Output& out);
struct DeviceMoveOptions {
  ServerOptions server;
  std::string to;  // HOST:PORT; empty: show
  bool cancel = false;
};
struct DevicePinOptions {
  ServerOptions server;
  std::string id;
  std::string hardware_id;
  std::uint32_t release = 0;  // 0: by its version
  std::string version;
};
Outcome<void> run_device_pin(const DevicePinOptions& options, const Output& out);
Outcome<void> run_device_unpin(const DevicePinOptions& options, const Output& out);
Outcome<void> run_device_move(const DeviceMoveOptions& options, const Output& out);

struct FleetKeyOptions {
  ServerOptions server;
  std::string out_file;  // .pub; empty: only print
};
Outcome<void> run_trust_fleet_key(const FleetKeyOptions& options, const Output& out);
Outcome<void> run_trust_rotate_fleet(const FleetKeyOptions& options, const Output& out);

struct ReleaseListOptions {
  ServerOptions server;
  std::string hardware_id;
  std::string driver_name;
  bool yanked = false;
  bool deprecated = false;
};
Outcome<void> run_release_list(const ReleaseListOptions& options, const Output& out);
struct ReleaseYankOptions {
  ServerOptions server;
  std::string hardware_id;
  std::string version;
  std::string abi;  // empty: all variants
};
Outcome<void> run_release_yank(const ReleaseYankOptions& options, const Output& out);
Outcome<void> run_release_unyank(const ReleaseYankOptions& options, const Output& out);
struct ReleaseDeprecateOptions {
  ServerOptions server;
  std::string hardware_id;
  std::string version;
  std::string message;  // what people should do instead
  bool undo = false;
};
Outcome<void> run_release_deprecate(const ReleaseDeprecateOptions& options, const Output& out);
struct InventoryOptions {
  ServerOptions server;
  std::string hardware_id;
  std::string device;
  std::string error;
  std::string state;
};
Outcome<void> run_inventory(const InventoryOptions& options, const Output& out);
Outcome<void> run_stats(const ServerOptions& options, const Output& out);

// What is published, to look at and to take away.
struct SearchOptions {
  ServerOptions server;
  std::string text;  // empty: everything
};
Outcome<void> run_search(const SearchOptions& options, const Output& out);
struct InfoOptions {
  ServerOptions server;
  std::string name;       // NAME or HARDWARE_ID, @VERSION
  std::string root_file;  // empty: policy as the server tells it
};
Outcome<void> run_info(const InfoOptions& options, const Output& out);
struct DiffOptions {
  ServerOptions server;
  std::string a;  // a file, or NAME@VERSION
  std::string b;
};
Outcome<void> run_diff(const DiffOptions& options, const Output& out);
struct PullOptions {
  ServerOptions server;
  std::string name;               // NAME or HARDWARE_ID, @VERSION, or a digest
  std::vector<std::string> abis;  // empty: all
  std::string root_file;
  std::string out_dir = ".";
};
Outcome<void> run_pull(const PullOptions& options, const Output& out);

struct ExplainOptions {
  ServerOptions server;
  std::string device;
  std::string abi;
  std::string hardware_id;
  std::string revision;  // empty: as the device reports it, otherwise 0
};
Outcome<void> run_explain(const ExplainOptions& options, const Output& out);

struct AuditOptions {
  ServerOptions server;
  std::uint32_t limit = 50;
  std::uint64_t after = 0;
  std::string actor;
  std::string action;
  std::string since;     // how long ago
  std::string data_dir;  // of verify and head: read instead of asking the server; empty: ask
  std::string head;      // of verify: NUMBER:HASH, noted earlier; empty: none
};
Outcome<void> run_audit(const AuditOptions& options, const Output& out);
Outcome<void> run_audit_verify(const AuditOptions& options, const Output& out);
Outcome<void> run_audit_head(const AuditOptions& options, const Output& out);

struct BackupOptions {
  std::string data_dir;
  std::string out_file;
  std::string passphrase_file;
  bool without_keys = false;
};
Outcome<void> run_backup(const BackupOptions& options, const Output& out);
struct RestoreOptions {
  std::string file;
  std::string data_dir;
  std::string passphrase_file;
  std::string server_key;  // of a backup without keys
};
Outcome<void> run_restore(const RestoreOptions& options, const Output& out);

// Profiles of the user's configuration file. `profile` is its name, there or not.
struct LoginOptions {
  ServerOptions server;
  std::string profile;
};
Outcome<void> run_login(const LoginOptions& options, const Output& out);
Outcome<void> run_logout(const std::string& profile, const Output& out);
// `profile`: empty: none is in use.
Outcome<void> run_whoami(const ServerOptions& options, const std::string& profile,
                         const std::vector<Setting>& settings, const Output& out);

}  // namespace mpyd::server::cli
