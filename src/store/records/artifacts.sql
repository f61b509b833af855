-- What people say of an image; as the ImageFile had it, unless it was changed since.
ALTER TABLE artifact ADD COLUMN description TEXT;
-- What its first step stands on: what that is called, and its key. Of an image on another one, `parent` is that one's
-- name, and the key is its `plan_key`.
ALTER TABLE artifact ADD COLUMN base TEXT;
ALTER TABLE artifact ADD COLUMN base_key TEXT;
ALTER TABLE artifact ADD COLUMN parent TEXT;
-- The machine that a package of it describes, JSON.
ALTER TABLE artifact ADD COLUMN appliance TEXT;
-- The lock it was built by, absolute.
ALTER TABLE artifact ADD COLUMN lock_path TEXT;
-- Since when the rules of its project let it go; milliseconds since 1970.
ALTER TABLE artifact ADD COLUMN deprecated INTEGER;

-- What a file of a project is called besides its name: one file at a time.
CREATE TABLE tag (
  project  TEXT    NOT NULL,
  name     TEXT    NOT NULL,
  artifact INTEGER NOT NULL REFERENCES artifact ON DELETE CASCADE,
  PRIMARY KEY (project, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX tag_of_artifact ON tag (artifact);

-- Images that nobody is to use any more, whatever their files: by the key of their content.
CREATE TABLE revocation (
  plan_key TEXT    PRIMARY KEY,
  image    TEXT    NOT NULL,               -- what it was called when that was said
  at       INTEGER NOT NULL,               -- milliseconds since 1970
  why      TEXT
) STRICT, WITHOUT ROWID;
