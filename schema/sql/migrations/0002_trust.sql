-- Enrolment by fleets, fleet keys, packages nobody here could open, and refusals one can see.

-- uses_max: how many uses the token is good for, 0: any number. needs_approval: a device it enrols
-- waits for the operator.
ALTER TABLE tokens ADD COLUMN uses_max INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tokens ADD COLUMN uses INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tokens ADD COLUMN needs_approval INTEGER NOT NULL DEFAULT 0;
UPDATE tokens SET uses_max = 1, uses = (last_used_unix_s != 0) WHERE single_use != 0;
ALTER TABLE tokens DROP COLUMN single_use;

-- token_name: which token enrolled it; empty: the operator did. refusals: reports in a row that told
-- of something refused by trust. event_*: how many events of the hour (counted from 1970) are in the
-- audit log, and how many more there were.
ALTER TABLE devices ADD COLUMN token_name TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN refusals INTEGER NOT NULL DEFAULT 0;
ALTER TABLE devices ADD COLUMN event_hour INTEGER NOT NULL DEFAULT 0;
ALTER TABLE devices ADD COLUMN event_rows INTEGER NOT NULL DEFAULT 0;
ALTER TABLE devices ADD COLUMN event_drops INTEGER NOT NULL DEFAULT 0;

-- retries: so many answers more lift the quarantine of what this slot would load.
ALTER TABLE device_slots ADD COLUMN retries INTEGER NOT NULL DEFAULT 0;

-- unchecked: not sealed to this server, so nobody here saw what is in it.
ALTER TABLE variants ADD COLUMN unchecked INTEGER NOT NULL DEFAULT 0;

-- sealed_secret: nonce | secretbox under a key made from the server's secret key.
CREATE TABLE fleet_keys (
  generation     INTEGER NOT NULL PRIMARY KEY,
  public_key     BLOB NOT NULL CHECK (length(public_key) = 32),
  sealed_secret  BLOB NOT NULL,
  created_unix_s INTEGER NOT NULL
) STRICT;
