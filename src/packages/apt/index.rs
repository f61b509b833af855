//! One `Packages` file, reduced to what decides.
//!
//! A full index is mostly descriptions and tags. What is left after reading one is kept in a
//! compact text that the store caches, so that a second `lock` neither decompresses nor sorts
//! anything: first the names in the order in which apt would meet them (see
//! [`Universe`](super::Universe) for why that order counts), then the stanzas, one field a line
//! under a key of one letter.

use std::io::{BufRead, Read};

use super::super::index::STANZA_LIMIT;
use super::names::Names;
use super::relation::groups;
use super::{Index, IndexError};
use crate::packages::deb822::Stanza;

const HEADER: &str = "imgfile-index 3\n";

/// Names that matter, of the fields that matter, in the order apt reads them; `Replaces`,
/// `Suggests` and `Enhances` are here for the names they mention, not for what they say.
const RELATIONS: &[(&str, Option<char>)] = &[
    ("Pre-Depends", Some('d')),
    ("Depends", Some('D')),
    ("Conflicts", Some('C')),
    ("Breaks", Some('B')),
    ("Recommends", Some('R')),
    ("Suggests", None),
    ("Replaces", None),
    ("Enhances", None),
    ("Provides", Some('X')),
];

/// Reads a `Packages` file stanza by stanza, as it is unpacked: a whole one has 60 MB.
pub fn read_index(mut packages: impl BufRead) -> Result<Index, IndexError> {
    let mut names = Names::default();
    let mut body = String::new();
    let mut stanza = Vec::new();
    for number in 0.. {
        stanza.clear();
        if !next_stanza(&mut packages, number, &mut stanza)? {
            break;
        }
        let text = std::str::from_utf8(&stanza).map_err(|_| IndexError::NotUtf8)?;
        reduce(number, Stanza::new(text), &mut names, &mut body)?;
    }
    let mut head = String::from(HEADER);
    for name in names.iter() {
        head.push_str(name);
        head.push('\n');
    }
    head.push('\n');
    body.reserve_exact(head.len());
    body.insert_str(0, &head);
    body.shrink_to_fit();
    Ok(Index::new(body, head.len()))
}

/// Reads back what [`read_index`] gave, as it was [encoded](Index::encode).
pub fn kept_index(text: String) -> Result<Index, IndexError> {
    if !text.starts_with(HEADER) {
        return Err(IndexError::Stale);
    }
    match text.find("\n\n") {
        Some(at) => Ok(Index::new(text, at + 2)),
        None => Err(IndexError::Stale),
    }
}

/// All names of an index, in the order of their first mention.
pub(super) fn names(index: &Index) -> impl Iterator<Item = &str> {
    let head = index.text().get(HEADER.len()..index.head()).unwrap_or_default();
    head.lines().filter(|name| !name.is_empty())
}

/// Byte ranges of its stanzas.
pub(super) fn stanzas(index: &Index) -> impl Iterator<Item = (usize, usize)> + '_ {
    let mut at = index.head();
    std::iter::from_fn(move || {
        let rest = index.text().get(at..).filter(|rest| !rest.is_empty())?;
        let end = at + rest.find("\n\n").map_or(rest.len(), |end| end + 1);
        let range = (at, end);
        at = end + 1;
        Some(range)
    })
}

/// Appends the next stanza to `out`, without the blank lines around it; `false` at the end.
fn next_stanza(packages: &mut impl BufRead, number: usize, out: &mut Vec<u8>) -> Result<bool, IndexError> {
    let mut rest = packages.take(STANZA_LIMIT);
    loop {
        let start = out.len();
        rest.read_until(b'\n', out).map_err(|error| IndexError::Unpack(error.to_string()))?;
        let blank = out[start..].trim_ascii().is_empty();
        match (out.len() - start, start) {
            (0, _) if rest.limit() == 0 => return Err(IndexError::Endless(number)),
            (0, written) => return Ok(written > 0),
            (_, 0) if blank => out.clear(),
            _ if out[start..] == *b"\n" => return Ok(true),
            _ => {}
        }
    }
}

/// What the file of a package is called in Debian's archives: the version without its epoch.
pub(super) fn file_name(name: &str, version: &str, arch: &str) -> String {
    let version = version.split_once(':').map_or(version, |(_, rest)| rest);
    format!("{name}_{version}_{arch}.deb")
}

/// Whether a kept path is a folder, and the file in it called as usual.
pub(super) fn in_folder(path: &&str) -> bool {
    path.ends_with('/')
}

/// Numbers a name that nobody mentioned before.
fn mention(names: &mut Names, name: &str) {
    if names.find(name).is_none() {
        names.push(name);
    }
}

fn reduce<'a>(
    number: usize,
    stanza: Stanza<'a>,
    names: &mut Names,
    out: &mut String,
) -> Result<(), IndexError> {
    let mut fields = Fields::default();
    for (name, value) in stanza.fields() {
        fields.take(name, value);
    }
    let need = |value: Option<&'a str>, field| {
        value.filter(|value| is_token(value)).ok_or(IndexError::Incomplete(number, field))
    };
    let name = need(fields.package, "Package")?;
    mention(names, name);
    let mut line = |key: char, value: &str| {
        out.push(key);
        // A folded field becomes one line; a stanza stays free of blank ones.
        for (part, text) in value.lines().enumerate() {
            if part > 0 {
                out.push(' ');
            }
            out.push_str(text.trim());
        }
        out.push('\n');
    };
    line('P', name);
    let version = need(fields.version, "Version")?;
    line('V', version);
    let arch = need(fields.architecture, "Architecture")?;
    line('A', arch);
    let path = need(fields.filename, "Filename")?;
    line('F', path.strip_suffix(&*file_name(name, version, arch)).filter(in_folder).unwrap_or(path));
    // One digest is enough; SHA-256 is what files are kept by.
    let (key, sum, field, length) = match fields.sha512 {
        Some(sha512) if fields.sha256.is_none() => ('h', sha512, "SHA512", 128),
        _ => ('H', need(fields.sha256, "SHA256")?, "SHA256", 64),
    };
    if sum.len() != length || !sum.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(IndexError::Malformed(number, field));
    }
    line(key, sum);
    let size = need(fields.size, "Size")?;
    size.parse::<u64>().map_err(|_| IndexError::Malformed(number, "Size"))?;
    line('Z', size);
    for (key, value) in [
        ('I', fields.installed_size),
        ('S', fields.source),
        ('p', fields.priority),
        ('M', fields.multi_arch.filter(|value| *value != "no")),
        ('E', fields.essential),
        ('Y', fields.protected),
    ] {
        if let Some(value) = value {
            line(key, value);
        }
    }
    for ((_, key), value) in RELATIONS.iter().zip(fields.relations) {
        let Some(value) = value else { continue };
        for alternative in groups(value).flatten() {
            mention(names, alternative.name);
        }
        if let Some(key) = key {
            line(*key, value);
        }
    }
    out.push('\n');
    Ok(())
}

/// Whether a value is one word: nothing that could break a line or climb out of a folder.
fn is_token(value: &str) -> bool {
    !value.is_empty()
        && !value.contains(|c: char| c.is_whitespace() || c.is_control())
        && !value.split('/').any(|part| part == "..")
}

#[derive(Default)]
struct Fields<'a> {
    package: Option<&'a str>,
    version: Option<&'a str>,
    architecture: Option<&'a str>,
    filename: Option<&'a str>,
    sha256: Option<&'a str>,
    sha512: Option<&'a str>,
    size: Option<&'a str>,
    installed_size: Option<&'a str>,
    source: Option<&'a str>,
    priority: Option<&'a str>,
    multi_arch: Option<&'a str>,
    essential: Option<&'a str>,
    protected: Option<&'a str>,
    relations: [Option<&'a str>; RELATIONS.len()],
}

impl<'a> Fields<'a> {
    fn take(&mut self, name: &str, value: &'a str) {
        let place = match name {
            "Package" => &mut self.package,
            "Version" => &mut self.version,
            "Architecture" => &mut self.architecture,
            "Filename" => &mut self.filename,
            "SHA256" => &mut self.sha256,
            "SHA512" => &mut self.sha512,
            "Size" => &mut self.size,
            "Installed-Size" => &mut self.installed_size,
            "Source" => &mut self.source,
            "Priority" => &mut self.priority,
            "Multi-Arch" => &mut self.multi_arch,
            "Essential" => &mut self.essential,
            "Protected" | "Important" => &mut self.protected,
            _ => match RELATIONS.iter().position(|(field, _)| *field == name) {
                Some(at) => &mut self.relations[at],
                None => return,
            },
        };
        *place = Some(value);
    }
}

#[cfg(test)]
mod tests {
    use super::{IndexError, kept_index, names, read_index, stanzas};

    const SAMPLE: &str = "\
Package: b
Version: 1.0-1
Architecture: amd64
Depends: c (>= 2), d | e:any
Suggests: f
Provides: g (= 3)
Description: some
 words
Filename: pool/b.deb
Size: 10
SHA256: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef

Package: a
Version: 2
Architecture: all
Filename: pool/a.deb
Size: 11
SHA256: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
";

    #[test]
    fn names_come_in_the_order_of_first_mention() {
        let index = read_index(SAMPLE.as_bytes()).unwrap();
        assert_eq!(names(&index).collect::<Vec<_>>(), ["b", "c", "d", "e:any", "f", "g", "a"]);
        assert_eq!(stanzas(&index).count(), 2);
    }

    #[test]
    fn the_compact_form_reads_back() {
        let index = read_index(SAMPLE.as_bytes()).unwrap();
        let again = kept_index(index.encode().to_owned()).unwrap();
        assert_eq!(again.encode(), index.encode());
        assert_eq!(stanzas(&again).collect::<Vec<_>>(), stanzas(&index).collect::<Vec<_>>());
        assert_eq!(kept_index(SAMPLE.to_owned()).unwrap_err(), IndexError::Stale);
        let empty = read_index(&b""[..]).unwrap();
        assert_eq!(stanzas(&kept_index(empty.encode().to_owned()).unwrap()).count(), 0);
    }

    #[test]
    fn blank_lines_part_stanzas_and_nothing_else_does() {
        let index = read_index(format!("\n \n\n{SAMPLE}\n\n\n").as_bytes()).unwrap();
        assert_eq!(index.encode(), read_index(SAMPLE.as_bytes()).unwrap().encode());
        assert_eq!(stanzas(&read_index(&b"\n \n"[..]).unwrap()).count(), 0);
        let endless = std::io::BufReader::new(std::io::repeat(b'x'));
        assert_eq!(read_index(endless).unwrap_err(), IndexError::Endless(0));
        assert_eq!(read_index(&b"Package: \xFF\n"[..]).unwrap_err(), IndexError::NotUtf8);
    }

    #[test]
    fn a_file_called_as_usual_is_kept_as_its_folder() {
        for (path, kept) in [
            ("pool/main/b/b/b_1.0-1_amd64.deb", "Fpool/main/b/b/"),
            ("pool/b/xb_1.0-1_amd64.deb", "Fpool/b/xb_1.0-1_amd64.deb"),
            ("b_1.0-1_amd64.deb", "Fb_1.0-1_amd64.deb"),
            ("pool/b.deb", "Fpool/b.deb"),
        ] {
            let text = SAMPLE.replace("1.0-1", "3:1.0-1").replace("pool/b.deb", path);
            let index = read_index(text.as_bytes()).unwrap();
            assert!(index.encode().lines().any(|line| line == kept), "{path}: {}", index.encode());
            let source =
                crate::packages::IndexSource { archive: "a".into(), priority: 500, release: None, index };
            let universe = crate::packages::apt::Universe::new("amd64", &[source]);
            let found = universe.find("b", &"3:1.0-1".parse().unwrap()).unwrap();
            assert_eq!(found.origin.path, path);
        }
    }

    #[test]
    fn what_cannot_be_unpacked_is_not_taken_for_its_end() {
        let whole = read_index(SAMPLE.as_bytes()).unwrap();
        let packed = {
            use std::io::Write as _;
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packer.write_all(SAMPLE.as_bytes()).unwrap();
            packer.finish().unwrap()
        };
        let unpacked =
            |bytes: &[u8]| read_index(std::io::BufReader::new(flate2::read::GzDecoder::new(bytes)));
        assert_eq!(unpacked(&packed).unwrap().encode(), whole.encode());
        let cut = unpacked(&packed[..packed.len() / 2]).unwrap_err();
        assert!(matches!(cut, IndexError::Unpack(_)), "{cut}");
    }

    #[test]
    fn a_stanza_without_what_it_needs_is_refused() {
        let missing = SAMPLE.replace("Version: 2\n", "");
        assert_eq!(read_index(missing.as_bytes()).unwrap_err(), IndexError::Incomplete(1, "Version"));
        let climbing = SAMPLE.replace("pool/b.deb", "../../b.deb");
        assert_eq!(read_index(climbing.as_bytes()).unwrap_err(), IndexError::Incomplete(0, "Filename"));
        let short = SAMPLE.replacen("SHA256: 0123", "SHA256: ", 1);
        assert_eq!(read_index(short.as_bytes()).unwrap_err(), IndexError::Malformed(0, "SHA256"));
    }
}
