-- A step of the schema that no released mpyd has: columns come, and every row gets a value.
ALTER TABLE releases ADD COLUMN next_mark TEXT NOT NULL DEFAULT 'next';
CREATE INDEX releases_by_next_mark ON releases (next_mark);
