//! A file of the user's, written anew in its place.

use crate::store::ProjectFolder;

/// As a whole: an interrupted write leaves the old file. A link within the project stays one, and so does the mode; what
/// leads out of the project, or comes to do so meanwhile, is not written to.
///
/// # Errors
/// What is in the way, in words without the name of a file that nobody knows.
pub fn rewrite(files: &ProjectFolder, path: &str, text: &str) -> Result<(), String> {
    let (folder, name) = files.place_of(path).map_err(|error| error.to_string())?;
    folder.write(name, text.as_bytes()).map_err(|error| error.kind().to_string())
}
