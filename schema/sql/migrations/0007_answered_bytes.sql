-- What the answers kept for a token take, told without reading them.

ALTER TABLE answered_requests ADD COLUMN body_bytes INTEGER NOT NULL DEFAULT 0;
UPDATE answered_requests SET body_bytes = length(body);
CREATE INDEX answered_requests_token ON answered_requests (token, time_unix_s, body_bytes);
