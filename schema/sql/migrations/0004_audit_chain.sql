-- The audit log becomes a chain: each row carries the hash of the one before it and its own, by the
-- rule of schema/audit.md. The rows that are there are chained by the migration's code, since SQL
-- knows no SHA-256.
ALTER TABLE audit ADD COLUMN previous BLOB NOT NULL DEFAULT x'';
ALTER TABLE audit ADD COLUMN hash BLOB NOT NULL DEFAULT x'';
