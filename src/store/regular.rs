//! Files that a setting or a flag names: regular ones of a bounded size, and nothing that could be waited for.

use std::{
    fs::File,
    io::{Error, Read as _, Result},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use crate::check::Size;

/// Reads a whole file. A pipe, a device and whatever else is not a regular file is refused at once, and so is
/// a file of more than `limit` bytes.
pub fn read_regular(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // Files of /proc and /sys are regular, and their sizes say nothing.
    open_regular(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(Error::other(format!("it is larger than {}", Size(limit))));
    }
    Ok(bytes)
}

/// Opens a regular file, and nothing else.
pub fn open_regular(path: &Path) -> Result<File> {
    // Without waiting: opening a pipe would wait for somebody who writes to it.
    let file = File::options().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(Error::other("it is not a regular file")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_bounded_regular_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("small"), "hello").unwrap();
        nix::unistd::mkfifo(&path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(read_regular(&path("small"), 5).unwrap(), b"hello");
        let reason = |path: &Path, limit| read_regular(path, limit).unwrap_err().to_string();
        assert_eq!(reason(&path("small"), 4), "it is larger than 4B");
        assert_eq!(reason(&path("pipe"), 9), "it is not a regular file");
        assert_eq!(reason(Path::new("/dev/zero"), 9), "it is not a regular file");
        assert_eq!(reason(folder.path(), 9), "it is not a regular file");
    }
}
