-- The disk that an image was captured from; nothing for one that was built.
ALTER TABLE artifact ADD COLUMN captured TEXT;
