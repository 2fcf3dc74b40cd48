-- Releases that are deprecated, tokens that are limited, releases pinned for one motherboard.

-- Why people should take another one, in their words; empty: they need not.
ALTER TABLE releases ADD COLUMN deprecated TEXT NOT NULL DEFAULT '';

-- Patterns of the hardware IDs it is limited to, separated by blanks; empty: it is not.
ALTER TABLE tokens ADD COLUMN hardware TEXT NOT NULL DEFAULT '';

-- Releases that one motherboard gets for a hardware ID, and no other.
CREATE TABLE device_pins (
  device_id    TEXT NOT NULL REFERENCES devices (id),
  hardware_id  TEXT NOT NULL,
  release      INTEGER NOT NULL,
  since_unix_s INTEGER NOT NULL,
  PRIMARY KEY (device_id, hardware_id)
) STRICT, WITHOUT ROWID;
