-- The schema after the last migration, for reading. Databases are made by the migrations; a test
-- holds both against each other.
-- Everything a server keeps. Plaintext and unsealed keys are never stored.

-- needs_version: the oldest mpyd that may open this database, for the message of an older one.
-- write_probe_unix_s: when it was last tried whether the database can be written to.
-- device_server: HOST:PORT where devices find this server from now on.
CREATE TABLE meta (
  name  TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Every root from 1 on, as signed; devices walk them one by one.
CREATE TABLE roots (
  version  INTEGER NOT NULL PRIMARY KEY,
  document BLOB NOT NULL
) STRICT;

-- Every targets head that was in force; the newest by (epoch, version) is.
CREATE TABLE heads (
  epoch    INTEGER NOT NULL,
  version  INTEGER NOT NULL,
  document BLOB NOT NULL,
  PRIMARY KEY (epoch, version)
) STRICT, WITHOUT ROWID;

-- The policy entries under the newest head, exactly the bytes that were hashed.
CREATE TABLE policy_entries (
  hardware_id TEXT NOT NULL PRIMARY KEY,
  entry       BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Ciphertext and sealed keys, named by the SHA-256 of `bytes`. Never changed, never deleted while a
-- variant names them.
CREATE TABLE packages (
  id        INTEGER NOT NULL PRIMARY KEY,
  digest    BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
  bytes     BLOB NOT NULL,
  key_block BLOB NOT NULL
) STRICT;

-- deprecated: why people should take another one, in their words; empty: they need not.
CREATE TABLE releases (
  id             INTEGER NOT NULL PRIMARY KEY,
  hardware_id    TEXT NOT NULL,
  driver_name    TEXT NOT NULL,
  version        TEXT NOT NULL,
  release        INTEGER NOT NULL,
  revision_min   INTEGER NOT NULL,
  revision_max   INTEGER NOT NULL,
  created_unix_s INTEGER NOT NULL,
  deprecated     TEXT NOT NULL DEFAULT '',
  UNIQUE (hardware_id, release),
  UNIQUE (hardware_id, version)
) STRICT;

-- abi_text names the variant for people and keeps it unique; the numbers are what Abi::accepts reads.
-- unchecked: not sealed to this server, so nobody here saw what is in it.
CREATE TABLE variants (
  release_id     INTEGER NOT NULL REFERENCES releases (id),
  abi_text       TEXT NOT NULL,
  mpy_version    INTEGER NOT NULL,
  sub_version    INTEGER NOT NULL,
  arch           INTEGER NOT NULL,
  arch_flags     INTEGER NOT NULL,
  small_int_bits INTEGER NOT NULL,
  float_abi      INTEGER NOT NULL,
  object_repr    INTEGER NOT NULL,
  digest         BLOB NOT NULL REFERENCES packages (digest),
  package_bytes  INTEGER NOT NULL,
  encryption     INTEGER NOT NULL,
  withdrawn      INTEGER NOT NULL DEFAULT 0,
  unchecked      INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (release_id, abi_text)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX variants_digest ON variants (digest);

-- id: the first 16 hex digits of SHA-256(public_key). state: 0 enrolled, 1 revoked,
-- 2 waiting for approval, 3 replaced by another motherboard. ABI and firmware: as of the last sync.
-- token_name: which token enrolled it; empty: the operator did. refusals: reports in a row that told
-- of something refused by trust. event_*: how many events of the hour (counted from 1970) are in the
-- audit log, and how many more there were.
CREATE TABLE devices (
  id               TEXT NOT NULL PRIMARY KEY,
  public_key       BLOB NOT NULL UNIQUE CHECK (length(public_key) = 32),
  name             TEXT NOT NULL,
  state            INTEGER NOT NULL DEFAULT 0,
  enrolled_unix_s  INTEGER NOT NULL,
  last_counter     INTEGER NOT NULL DEFAULT 0,
  last_seen_unix_s INTEGER NOT NULL DEFAULT 0,
  mpy_version      INTEGER NOT NULL DEFAULT 0,
  sub_version      INTEGER NOT NULL DEFAULT 0,
  arch             INTEGER NOT NULL DEFAULT 0,
  arch_flags       INTEGER NOT NULL DEFAULT 0,
  small_int_bits   INTEGER NOT NULL DEFAULT 0,
  float_abi        INTEGER NOT NULL DEFAULT 0,
  object_repr      INTEGER NOT NULL DEFAULT 0,
  core             INTEGER NOT NULL DEFAULT 0,
  firmware         TEXT NOT NULL DEFAULT '',
  agent_version    TEXT NOT NULL DEFAULT '',
  token_name       TEXT NOT NULL DEFAULT '',
  refusals         INTEGER NOT NULL DEFAULT 0,
  event_hour       INTEGER NOT NULL DEFAULT 0,
  event_rows       INTEGER NOT NULL DEFAULT 0,
  event_drops      INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- What a device last said of its occupied slots. state: the agent's SlotState; error: Errc.
-- retries: so many answers more lift the quarantine of what this slot would load.
-- board_since_unix_s: when the server first heard that this very board is in this slot, and since
-- then of no moment without it.
CREATE TABLE device_slots (
  device_id     TEXT NOT NULL REFERENCES devices (id),
  slot          INTEGER NOT NULL,
  hardware_id   TEXT NOT NULL,
  revision      INTEGER NOT NULL,
  serial        BLOB NOT NULL,
  state         INTEGER NOT NULL,
  error         INTEGER NOT NULL,
  eeprom_digest BLOB NOT NULL,
  loaded_digest BLOB NOT NULL,
  since_unix_s  INTEGER NOT NULL,
  retries       INTEGER NOT NULL DEFAULT 0,
  board_since_unix_s INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (device_id, slot)
) STRICT, WITHOUT ROWID;
CREATE INDEX device_slots_serial ON device_slots (hardware_id, serial) WHERE length(serial) > 0;

-- Releases that one motherboard gets for a hardware ID, and no other.
CREATE TABLE device_pins (
  device_id    TEXT NOT NULL REFERENCES devices (id),
  hardware_id  TEXT NOT NULL,
  release      INTEGER NOT NULL,
  since_unix_s INTEGER NOT NULL,
  PRIMARY KEY (device_id, hardware_id)
) STRICT, WITHOUT ROWID;

-- Which alarms of one serial in two places are in the audit log; none is older than a day for long.
CREATE TABLE clone_alarms (
  hardware_id TEXT NOT NULL,
  serial      BLOB NOT NULL,
  places      TEXT NOT NULL,
  time_unix_s INTEGER NOT NULL,
  PRIMARY KEY (hardware_id, serial, places)
) STRICT, WITHOUT ROWID;
CREATE INDEX clone_alarms_time ON clone_alarms (time_unix_s);

-- hash: SHA-256 of the token, which is stored nowhere. scopes: names separated by blanks.
-- uses_max: how many uses the token is good for, 0: any number. needs_approval: a device it enrols
-- waits for the operator. hardware: patterns of the hardware IDs it is limited to, separated by
-- blanks (server/domain/hardware_reach.hpp); empty: it is not.
CREATE TABLE tokens (
  hash             BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
  name             TEXT NOT NULL UNIQUE,
  scopes           TEXT NOT NULL,
  created_unix_s   INTEGER NOT NULL,
  expires_unix_s   INTEGER NOT NULL DEFAULT 0,
  last_used_unix_s INTEGER NOT NULL DEFAULT 0,
  uses_max         INTEGER NOT NULL DEFAULT 0,
  uses             INTEGER NOT NULL DEFAULT 0,
  needs_approval   INTEGER NOT NULL DEFAULT 0,
  hardware         TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;

-- Only ever appended to, numbered without gaps. detail: a JSON object. previous: the hash of the row
-- before, 32 zero bytes in the first; hash: this row's, by the rule of schema/audit.md.
CREATE TABLE audit (
  id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  time_unix_s INTEGER NOT NULL,
  actor       TEXT NOT NULL,
  action      TEXT NOT NULL,
  subject     TEXT NOT NULL,
  detail      TEXT NOT NULL,
  previous    BLOB NOT NULL DEFAULT x'',
  hash        BLOB NOT NULL DEFAULT x''
) STRICT;

-- Keys that every enrolled device gets. sealed_secret: nonce | secretbox under a key made from the
-- server's secret key.
CREATE TABLE fleet_keys (
  generation     INTEGER NOT NULL PRIMARY KEY,
  public_key     BLOB NOT NULL CHECK (length(public_key) = 32),
  sealed_secret  BLOB NOT NULL,
  created_unix_s INTEGER NOT NULL
) STRICT;

-- Made once per package for the newest fleet key, so that a board that a motherboard writes the
-- package to opens on the whole fleet. Emptied when the fleet gets another key.
CREATE TABLE fleet_key_blocks (
  package    BLOB NOT NULL PRIMARY KEY REFERENCES packages (digest),
  generation INTEGER NOT NULL REFERENCES fleet_keys (generation),
  key_block  BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- What was answered to a POST with an Idempotency-Key, for whoever repeats it within a day. token: the
-- bearer's hash. request: SHA-256 over method, target and body. status 0: it was carried out, but the
-- answer is not kept: it held a secret, was too long, or the server was stopped before. body_bytes: what
-- the body takes, for an index that tells it of all of a token's rows.
CREATE TABLE answered_requests (
  token        BLOB NOT NULL CHECK (length(token) = 32),
  key          TEXT NOT NULL,
  request      BLOB NOT NULL CHECK (length(request) = 32),
  time_unix_s  INTEGER NOT NULL,
  status       INTEGER NOT NULL,
  content_type TEXT NOT NULL,
  body         BLOB NOT NULL,
  body_bytes   INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (token, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX answered_requests_time ON answered_requests (time_unix_s);
CREATE INDEX answered_requests_token ON answered_requests (token, time_unix_s, body_bytes);
