//! Extracting a tar stream into the image: ustar with the extensions of GNU (long names) and POSIX
//! (`path`, `linkpath`, `size`, `uname`, `gname`, extended attributes).
#![allow(unsafe_code)] // lsetxattr has no safe wrapper

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, lchown, symlink};
use std::path::{Component, Path, PathBuf};

use imgfile_agent::protocol::message::Answer;
use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{Mode, SFlag, UtimensatFlags, makedev, mknod, utimensat};
use nix::sys::time::TimeSpec;

use crate::chroot::{Chroot, inside};
use crate::error::{AgentError, At, Result};
use crate::files::Accounts;

const BLOCK: usize = 512;
/// Longest extension record: names and attributes, never content.
const EXTENSION_LIMIT: u64 = 1024 * 1024;

/// Extracts below `root`; answers the number of entries.
pub fn extract(root: &Path, stream: &mut impl Read, mut chroot: Option<&mut Chroot>) -> Result<Answer> {
    inside(root, || {
        let accounts = Accounts::read();
        let mut folders = Vec::new();
        let mut entries = 0;
        while let Some(entry) = Entry::next(stream)? {
            let path = entry.relative()?;
            if let Some(chroot) = &mut chroot {
                chroot.lift(&path)?;
            }
            entry.write(&path, stream, &accounts, &mut folders)?;
            entries += 1;
        }
        for (folder, time) in folders.iter().rev() {
            set_time(folder, *time)?;
        }
        Ok(Answer::Number { value: entries })
    })
}

/// One entry's header, extensions applied.
struct Entry {
    kind: u8,
    path: String,
    link: String,
    mode: u32,
    /// A folder that is there already keeps its owner and mode.
    if_new: bool,
    size: u64,
    time: i64,
    ids: (u32, u32),
    names: (String, String),
    device: (u64, u64),
    attributes: Vec<(String, Vec<u8>)>,
}

impl Entry {
    /// Reads up to the next entry's content; none at the end of the archive.
    fn next(stream: &mut impl Read) -> Result<Option<Self>> {
        let mut extended = Extended::default();
        loop {
            let mut header = [0; BLOCK];
            if !fill(stream, &mut header)? || header.iter().all(|&byte| byte == 0) {
                return Ok(None);
            }
            let sum: u32 = header
                .iter()
                .zip(0..)
                .map(|(&b, at)| if (148..156).contains(&at) { 32 } else { u32::from(b) })
                .sum();
            if number(&header[148..156]) != u64::from(sum) {
                return Err(AgentError::new("a broken tar stream"));
            }
            let size = number(&header[124..136]);
            match header[156] {
                b'x' => extended.read_posix(&content(stream, size)?),
                b'L' => extended.path = Some(text(&content(stream, size)?)),
                b'K' => extended.link = Some(text(&content(stream, size)?)),
                b'g' => drop(content(stream, size)?),
                kind => return Ok(Some(Self::new(&header, kind, size, extended))),
            }
        }
    }

    fn new(header: &[u8; BLOCK], kind: u8, size: u64, extended: Extended) -> Self {
        let mut path = text(&header[..100]);
        let prefix = text(&header[345..500]);
        if header[257..263] == *b"ustar\0" && !prefix.is_empty() {
            path = format!("{prefix}/{path}");
        }
        let small = |field: &[u8]| u32::try_from(number(field)).unwrap_or(0);
        Self {
            kind,
            path: extended.path.unwrap_or(path),
            link: extended.link.unwrap_or_else(|| text(&header[157..257])),
            mode: small(&header[100..108]) & 0o7777,
            if_new: small(&header[100..108]) & 0o10000 != 0,
            size: extended.size.unwrap_or(size),
            time: extended.time.unwrap_or_else(|| i64::try_from(number(&header[136..148])).unwrap_or(0)),
            ids: (
                extended.uid.unwrap_or_else(|| small(&header[108..116])),
                extended.gid.unwrap_or_else(|| small(&header[116..124])),
            ),
            names: (
                extended.user.unwrap_or_else(|| text(&header[265..297])),
                extended.group.unwrap_or_else(|| text(&header[297..329])),
            ),
            device: (number(&header[329..337]), number(&header[337..345])),
            attributes: extended.attributes,
        }
    }

    /// The path without its leading `/` and `./`; one with `..` is refused.
    fn relative(&self) -> Result<PathBuf> {
        relative(&self.path)
    }

    fn write(
        &self,
        path: &Path,
        stream: &mut impl Read,
        accounts: &Accounts,
        folders: &mut Vec<(PathBuf, i64)>,
    ) -> Result<()> {
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent).at(format_args!("/{}", parent.display()))?;
        }
        let shown = format!("/{}", path.display());
        match self.kind {
            b'5' => {
                let there = path.as_os_str().is_empty() || path.is_dir();
                if !there {
                    fs::create_dir(path).at(&shown)?;
                }
                if self.mode == 0 || (there && self.if_new) {
                    return Ok(());
                }
                let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
                folders.push((path.to_owned(), self.time));
                // Follows a link on purpose: /lib of a merged /usr is a link, and stays one.
                let owner = self.owner(accounts)?;
                std::os::unix::fs::chown(path, Some(owner.0), Some(owner.1)).at(&shown)?;
                fs::set_permissions(path, fs::Permissions::from_mode(self.mode)).at(&shown)?;
                return self.set_attributes(path);
            }
            b'0' | 0 | b'7' => self.write_file(path, stream).at(&shown)?,
            b'2' => {
                clear(path).at(&shown)?;
                symlink(&self.link, path).at(&shown)?;
            }
            b'1' => {
                clear(path).at(&shown)?;
                return fs::hard_link(relative(&self.link)?, path).at(&shown);
            }
            b'3' | b'4' | b'6' => {
                clear(path).at(&shown)?;
                let kind = match self.kind {
                    b'3' => SFlag::S_IFCHR,
                    b'4' => SFlag::S_IFBLK,
                    _ => SFlag::S_IFIFO,
                };
                mknod(path, kind, Mode::from_bits_truncate(self.mode), makedev(self.device.0, self.device.1))
                    .at(&shown)?;
            }
            other => return Err(AgentError::new(format!("{shown}: an entry of unknown kind {other}"))),
        }
        let owner = self.owner(accounts)?;
        lchown(path, Some(owner.0), Some(owner.1)).at(&shown)?;
        if self.kind != b'2' {
            // After chown, which takes set-user-id bits and capabilities off.
            fs::set_permissions(path, fs::Permissions::from_mode(self.mode)).at(&shown)?;
            self.set_attributes(path)?;
        }
        set_time(path, self.time)
    }

    fn write_file(&self, path: &Path, stream: &mut impl Read) -> Result<()> {
        clear(path)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let copied = copy(&mut stream.take(self.size), &mut file)?;
        if copied != self.size {
            return Err(AgentError::new("the tar stream ends early"));
        }
        skip_padding(stream, self.size)
    }

    fn owner(&self, accounts: &Accounts) -> Result<(u32, u32)> {
        let unknown = |kind: &str, name: &str| {
            AgentError::new(format!(
                "/{}: the image has no {kind} `{name}`",
                self.path.trim_start_matches(['.', '/'])
            ))
        };
        let uid = match self.names.0.as_str() {
            "" => self.ids.0,
            "root" => 0,
            name => accounts.account(name).ok_or_else(|| unknown("user", name))?.uid,
        };
        let gid = match self.names.1.as_str() {
            "" => self.ids.1,
            "root" => 0,
            name => accounts.group(name).ok_or_else(|| unknown("group", name))?,
        };
        Ok((uid, gid))
    }

    fn set_attributes(&self, path: &Path) -> Result<()> {
        for (name, value) in &self.attributes {
            let c_path = CString::new(path.as_os_str().as_encoded_bytes()).map_err(io::Error::from)?;
            let c_name = CString::new(name.as_str()).map_err(io::Error::from)?;
            // SAFETY: both strings end in NUL and the value's length is its own.
            let result = unsafe {
                nix::libc::lsetxattr(c_path.as_ptr(), c_name.as_ptr(), value.as_ptr().cast(), value.len(), 0)
            };
            if result < 0 {
                return Err(io::Error::last_os_error()).at(format_args!("/{}: {name}", path.display()));
            }
        }
        Ok(())
    }
}

/// What extension records say of the next entry.
#[derive(Default)]
struct Extended {
    path: Option<String>,
    link: Option<String>,
    size: Option<u64>,
    time: Option<i64>,
    uid: Option<u32>,
    gid: Option<u32>,
    user: Option<String>,
    group: Option<String>,
    attributes: Vec<(String, Vec<u8>)>,
}

impl Extended {
    /// Records of the form `LENGTH KEY=VALUE\n`, the length counting all of it.
    fn read_posix(&mut self, mut records: &[u8]) {
        while let Some(blank) = records.iter().position(|&byte| byte == b' ') {
            let len = std::str::from_utf8(&records[..blank]).ok().and_then(|text| text.parse::<usize>().ok());
            let Some(record) = len.and_then(|len| records.get(blank + 1..len)) else { return };
            records = &records[record.len() + blank + 1..];
            let record = record.strip_suffix(b"\n").unwrap_or(record);
            let Some(equals) = record.iter().position(|&byte| byte == b'=') else { continue };
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            let text = || String::from_utf8_lossy(value).into_owned();
            match key {
                b"path" => self.path = Some(text()),
                b"linkpath" => self.link = Some(text()),
                b"size" => self.size = text().parse().ok(),
                b"mtime" => self.time = text().split('.').next().and_then(|whole| whole.parse().ok()),
                b"uid" => self.uid = text().parse().ok(),
                b"gid" => self.gid = text().parse().ok(),
                b"uname" => self.user = Some(text()),
                b"gname" => self.group = Some(text()),
                _ => {
                    if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                        self.attributes.push((String::from_utf8_lossy(name).into_owned(), value.to_vec()));
                    }
                }
            }
        }
    }
}

fn relative(path: &str) -> Result<PathBuf> {
    let mut clean = PathBuf::new();
    for part in Path::new(path).components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => return Err(AgentError::new(format!("{path}: `..` in an archive"))),
            _ => {}
        }
    }
    Ok(clean)
}

/// Makes way for an entry; a folder with something in it stays.
fn clear(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    }
}

fn set_time(path: &Path, seconds: i64) -> Result<()> {
    let time = TimeSpec::new(seconds, 0);
    utimensat(AT_FDCWD, path, &time, &time, UtimensatFlags::NoFollowSymlink).at(path.display())
}

fn fill(stream: &mut impl Read, buffer: &mut [u8]) -> Result<bool> {
    let mut filled = 0;
    while filled < buffer.len() {
        match stream.read(&mut buffer[filled..])? {
            0 if filled == 0 => return Ok(false),
            0 => return Err(AgentError::new("the tar stream ends early")),
            len => filled += len,
        }
    }
    Ok(true)
}

fn content(stream: &mut impl Read, size: u64) -> Result<Vec<u8>> {
    if size > EXTENSION_LIMIT {
        return Err(AgentError::new("a tar extension of absurd length"));
    }
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
    fill(stream, &mut bytes)?;
    skip_padding(stream, size)?;
    Ok(bytes)
}

fn skip_padding(stream: &mut impl Read, size: u64) -> Result<()> {
    let over = usize::try_from(size % BLOCK as u64).unwrap_or(0);
    if over > 0 {
        fill(stream, &mut [0; BLOCK][over..])?;
    }
    Ok(())
}

/// Writes what `from` holds; where it holds nothing but zeroes for a while, the file gets a hole.
fn copy(from: &mut impl Read, to: &mut File) -> io::Result<u64> {
    let mut buffer = vec![0; 64 * 1024];
    let mut copied = 0;
    loop {
        let mut len = 0;
        while len < buffer.len() {
            match from.read(&mut buffer[len..])? {
                0 => break,
                read => len += read,
            }
        }
        if len == 0 {
            to.set_len(copied)?;
            return Ok(copied);
        }
        if buffer[..len].iter().all(|&byte| byte == 0) {
            to.seek(SeekFrom::Current(i64::try_from(len).unwrap_or(0)))?;
        } else {
            to.write_all(&buffer[..len])?;
        }
        copied += len as u64;
    }
}

/// Octal digits, or GNU's binary form for large values.
fn number(field: &[u8]) -> u64 {
    if field.first().is_some_and(|first| first & 0x80 != 0) {
        return field[1..]
            .iter()
            .fold(u64::from(field[0] & 0x7f), |value, &byte| value << 8 | u64::from(byte));
    }
    let digits =
        field.iter().skip_while(|&&byte| byte == b' ').take_while(|byte| (b'0'..=b'7').contains(byte));
    digits.fold(0, |value, &digit| value << 3 | u64::from(digit - b'0'))
}

fn text(field: &[u8]) -> String {
    let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}
