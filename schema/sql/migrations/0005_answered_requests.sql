-- Requests that are carried out once, however often they are sent.

-- What was answered to a POST with an Idempotency-Key, for whoever repeats it within a day. token: the
-- bearer's hash. request: SHA-256 over method, target and body. status 0: it was carried out, but the
-- answer is not kept: it held a secret, was too long, or the server was stopped before.
CREATE TABLE answered_requests (
  token        BLOB NOT NULL CHECK (length(token) = 32),
  key          TEXT NOT NULL,
  request      BLOB NOT NULL CHECK (length(request) = 32),
  time_unix_s  INTEGER NOT NULL,
  status       INTEGER NOT NULL,
  content_type TEXT NOT NULL,
  body         BLOB NOT NULL,
  PRIMARY KEY (token, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX answered_requests_time ON answered_requests (time_unix_s);
