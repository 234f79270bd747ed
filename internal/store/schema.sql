-- One SQL text for SQLite now and PostgreSQL later: $1 placeholders, TEXT, BIGINT and BYTEA, ids made by the program.
-- Times are Unix milliseconds.

CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL);

-- Every alert that was handled, known by the SHA-256 of its line. A second arrival of the same line is dropped.
CREATE TABLE IF NOT EXISTS alerts (
  key       BYTEA PRIMARY KEY,
  alert_id  TEXT NOT NULL,
  node      TEXT NOT NULL,
  at        BIGINT NOT NULL, -- the alert's own timestamp
  source    TEXT NOT NULL,   -- which way came first
  kind      TEXT NOT NULL,
  rule_id   TEXT NOT NULL,
  level     BIGINT NOT NULL,
  agent     TEXT NOT NULL,
  cluster   TEXT NOT NULL,
  subject   TEXT NOT NULL,
  outcome   TEXT NOT NULL,   -- decided, own, refused: one of a closed set
  incident  TEXT NOT NULL,
  decision  TEXT NOT NULL,   -- JSON, empty for what was not decided
  identity  TEXT NOT NULL,   -- JSON, empty likewise
  kept      BIGINT NOT NULL  -- when it was handled: what is forgotten goes by this, since its own time may be anything
);
CREATE INDEX IF NOT EXISTS alerts_kept ON alerts (kept);

-- How far each source was read, in the words of package follow.
CREATE TABLE IF NOT EXISTS bookmarks (
  source TEXT PRIMARY KEY,
  mark   TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS incidents (
  id       TEXT PRIMARY KEY,
  cluster  TEXT NOT NULL,
  subject  TEXT NOT NULL,
  name     TEXT NOT NULL,
  opened   BIGINT NOT NULL,
  last     BIGINT NOT NULL,
  alerts   BIGINT NOT NULL,
  highest  TEXT NOT NULL,
  rule     TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS incidents_subject ON incidents (cluster, subject, last);

-- Events on their way to analysisd: pending, sent, seen (met again in alerts.json) or fault.
CREATE TABLE IF NOT EXISTS outbox (
  event_id   TEXT PRIMARY KEY,
  seq        BIGINT NOT NULL, -- the order of sending, counted by the program: clocks are set back
  agent_id   TEXT NOT NULL,
  agent_name TEXT NOT NULL,
  agent_ip   TEXT NOT NULL,
  body       BYTEA NOT NULL,
  state      TEXT NOT NULL,
  attempts   BIGINT NOT NULL,
  created    BIGINT NOT NULL,
  due        BIGINT NOT NULL, -- when it is to be sent again; 0 while it is pending
  sent       BIGINT NOT NULL,
  seen       BIGINT NOT NULL,
  fault      TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS outbox_due ON outbox (due, seq) WHERE state IN ('pending', 'sent');
CREATE INDEX IF NOT EXISTS outbox_done ON outbox (created) WHERE state IN ('seen', 'fault');
CREATE INDEX IF NOT EXISTS outbox_fault ON outbox (created) WHERE state = 'fault';

-- Decisions to act: waiting, planned or dropped.
CREATE TABLE IF NOT EXISTS intents (
  id        TEXT PRIMARY KEY,
  cluster   TEXT NOT NULL,
  action    TEXT NOT NULL,
  severity  BIGINT NOT NULL,
  created   BIGINT NOT NULL,
  state     TEXT NOT NULL,
  reason    TEXT NOT NULL, -- why it was dropped
  detail    TEXT NOT NULL  -- JSON: the decision, its alert, its incident
);
CREATE INDEX IF NOT EXISTS intents_waiting ON intents (severity, created) WHERE state = 'waiting';

-- What was done about intents. A plan is written before anything is sent.
CREATE TABLE IF NOT EXISTS plans (
  id       TEXT PRIMARY KEY,
  intent   TEXT NOT NULL UNIQUE,
  cluster  TEXT NOT NULL,
  action   TEXT NOT NULL,
  state    TEXT NOT NULL, -- running, closed, partly, failed
  started  BIGINT NOT NULL,
  deadline BIGINT NOT NULL,
  ended    BIGINT NOT NULL,
  detail   TEXT NOT NULL  -- JSON: nodes, what they were told, what they answered
);
CREATE INDEX IF NOT EXISTS plans_cluster ON plans (cluster, started);

-- Request ids of our own answers from Vault: an audit record with one of them is our own doing.
CREATE TABLE IF NOT EXISTS own_requests (
  id TEXT PRIMARY KEY,
  at BIGINT NOT NULL
);
CREATE INDEX IF NOT EXISTS own_requests_at ON own_requests (at);

-- Requests with our own token that wait for the id of an answer of ours, as JSON of their alert.
CREATE TABLE IF NOT EXISTS suspects (
  key   BYTEA PRIMARY KEY,
  until BIGINT NOT NULL,
  alert TEXT NOT NULL
);
