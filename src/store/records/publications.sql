-- Where a content was published, and what came of it the last time.
CREATE TABLE publication (
  sha256  TEXT    NOT NULL,                -- of the artifact
  target  TEXT    NOT NULL,                -- as the user's configuration names it
  region  TEXT    NOT NULL,                -- empty where there are none
  name    TEXT    NOT NULL,                -- what it is called there
  id      TEXT,                            -- what the service calls it
  at      INTEGER,                         -- when it was seen there last, milliseconds since 1970
  failure TEXT,                            -- why the last attempt failed; none if it did not
  failed  INTEGER,                         -- when that was
  PRIMARY KEY (sha256, target, region, name)
) STRICT, WITHOUT ROWID;
