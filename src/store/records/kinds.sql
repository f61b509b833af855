-- What a record is of: a build, or a run of the tests of what was built.
ALTER TABLE build ADD COLUMN kind TEXT NOT NULL DEFAULT 'build';
-- The project whose build made it; it outlives the record of the build.
ALTER TABLE artifact ADD COLUMN project TEXT NOT NULL DEFAULT '';
UPDATE artifact SET project = coalesce((SELECT project FROM build WHERE build.id = artifact.build), '');
-- The commit that was checked out, if the project is a git repository.
ALTER TABLE build ADD COLUMN commit_id TEXT;
-- What was shown to the person when it failed, with the places in their files.
ALTER TABLE build ADD COLUMN diagnosis TEXT;
