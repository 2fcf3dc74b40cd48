-- Key blocks that boards carry, and boards that are in two places at once.

-- Made once per package for the newest fleet key, so that a board that a motherboard writes the
-- package to opens on the whole fleet. Emptied when the fleet gets another key.
CREATE TABLE fleet_key_blocks (
  package    BLOB NOT NULL PRIMARY KEY REFERENCES packages (digest),
  generation INTEGER NOT NULL REFERENCES fleet_keys (generation),
  key_block  BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- board_since_unix_s: when the server first heard that this very board is in this slot, and since
-- then of no moment without it.
ALTER TABLE device_slots ADD COLUMN board_since_unix_s INTEGER NOT NULL DEFAULT 0;
UPDATE device_slots SET board_since_unix_s =
  (SELECT last_seen_unix_s FROM devices WHERE devices.id = device_slots.device_id);
CREATE INDEX device_slots_serial ON device_slots (hardware_id, serial) WHERE length(serial) > 0;

-- Which alarms of one serial in two places are in the audit log; none is older than a day for long.
CREATE TABLE clone_alarms (
  hardware_id TEXT NOT NULL,
  serial      BLOB NOT NULL,
  places      TEXT NOT NULL,
  time_unix_s INTEGER NOT NULL,
  PRIMARY KEY (hardware_id, serial, places)
) STRICT, WITHOUT ROWID;
CREATE INDEX clone_alarms_time ON clone_alarms (time_unix_s);
