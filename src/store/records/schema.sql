-- One `imgfile build`: it may build several images.
CREATE TABLE build (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  project      TEXT    NOT NULL,           -- folder of the ImageFile, absolute
  version      TEXT    NOT NULL,           -- of imgfile
  state        TEXT    NOT NULL,
  began        INTEGER NOT NULL,           -- milliseconds since 1970
  elapsed      INTEGER,                    -- milliseconds; none while it runs
  message      TEXT,                       -- why it failed
  pid          INTEGER NOT NULL,
  pid_started  INTEGER NOT NULL,
  host_boot    TEXT    NOT NULL,
  cancel_asked INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE image (
  build   INTEGER NOT NULL REFERENCES build ON DELETE CASCADE,
  name    TEXT    NOT NULL,
  state   TEXT    NOT NULL,
  began   INTEGER NOT NULL,                -- milliseconds since the build began
  elapsed INTEGER,
  message TEXT,
  plan    TEXT,                            -- JSON
  PRIMARY KEY (build, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE step (
  id      INTEGER PRIMARY KEY,
  build   INTEGER NOT NULL REFERENCES build ON DELETE CASCADE,
  image   TEXT    NOT NULL,                -- empty for what concerns the whole build
  name    TEXT    NOT NULL,
  state   TEXT    NOT NULL,
  began   INTEGER NOT NULL,
  elapsed INTEGER,
  exit    TEXT,                            -- how its command ended
  output  INTEGER NOT NULL DEFAULT 0,      -- bytes it printed
  tail    TEXT    NOT NULL DEFAULT ''      -- the last lines of that
) STRICT;
CREATE INDEX step_of_build ON step (build);

-- A disk image that was made. It outlives the record of its build.
CREATE TABLE artifact (
  id        INTEGER PRIMARY KEY AUTOINCREMENT,
  build     INTEGER REFERENCES build ON DELETE SET NULL,
  image     TEXT    NOT NULL,
  path      TEXT    NOT NULL,              -- absolute
  sha256    TEXT    NOT NULL,
  size      INTEGER NOT NULL,              -- bytes
  plan_key  TEXT    NOT NULL,
  lock      TEXT,                          -- sha256 of the lock it was built by
  labels    TEXT    NOT NULL,              -- JSON
  made      INTEGER NOT NULL,              -- milliseconds since 1970
  protected INTEGER NOT NULL DEFAULT 0,
  gone      INTEGER NOT NULL DEFAULT 0     -- removed, or replaced by a later build
) STRICT;
CREATE UNIQUE INDEX artifact_path ON artifact (path) WHERE gone = 0;
