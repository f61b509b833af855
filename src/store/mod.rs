//! Content-addressed blobs, layers, images, build records.
