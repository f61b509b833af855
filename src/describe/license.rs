//! Licences of packages as SPDX expressions.
//!
//! Debian's machine-readable copyright files (DEP-5) name licences by short names of their own; those that SPDX knows
//! under another name are translated here, by Debian's copyright-format 1.0, section 7.2, and the names that packages
//! really use. What SPDX does not know becomes a `LicenseRef-`, and what cannot be understood nothing at all: nothing
//! is guessed from a licence's text.

use std::collections::BTreeSet;

use crate::packages::stanzas;

/// Debian's short names, in lower case, and SPDX's for the same. Those that only differ in case are not here.
const NAMES: &[(&str, &str)] = &[
    ("agpl-3", "AGPL-3.0-only"),
    ("agpl-3+", "AGPL-3.0-or-later"),
    ("apache-2", "Apache-2.0"),
    ("artistic", "Artistic-1.0-Perl"),
    ("artistic-2", "Artistic-2.0"),
    ("boost-1.0", "BSL-1.0"),
    ("bsd-2-clauses", "BSD-2-Clause"),
    ("bsd-3-clauses", "BSD-3-Clause"),
    ("bsd-4-clauses", "BSD-4-Clause"),
    ("cc0", "CC0-1.0"),
    ("cc0-1", "CC0-1.0"),
    ("cc-by-3", "CC-BY-3.0"),
    ("cc-by-4", "CC-BY-4.0"),
    ("cc-by-sa-3", "CC-BY-SA-3.0"),
    ("cc-by-sa-4", "CC-BY-SA-4.0"),
    ("cddl", "CDDL-1.0"),
    ("epl-1", "EPL-1.0"),
    ("epl-2", "EPL-2.0"),
    ("expat", "MIT"),
    ("gfdl-1.1", "GFDL-1.1-only"),
    ("gfdl-1.1+", "GFDL-1.1-or-later"),
    ("gfdl-1.2", "GFDL-1.2-only"),
    ("gfdl-1.2+", "GFDL-1.2-or-later"),
    ("gfdl-1.3", "GFDL-1.3-only"),
    ("gfdl-1.3+", "GFDL-1.3-or-later"),
    ("gfdl-niv-1.2+", "GFDL-1.2-no-invariants-or-later"),
    ("gfdl-niv-1.3", "GFDL-1.3-no-invariants-only"),
    ("gfdl-niv-1.3+", "GFDL-1.3-no-invariants-or-later"),
    ("gpl-1", "GPL-1.0-only"),
    ("gpl-1+", "GPL-1.0-or-later"),
    ("gpl-2", "GPL-2.0-only"),
    ("gpl-2+", "GPL-2.0-or-later"),
    ("gpl-3", "GPL-3.0-only"),
    ("gpl-3+", "GPL-3.0-or-later"),
    ("gpl2", "GPL-2.0-only"),
    ("gpl2+", "GPL-2.0-or-later"),
    ("gpl3", "GPL-3.0-only"),
    ("gpl3+", "GPL-3.0-or-later"),
    ("lgpl-2", "LGPL-2.0-only"),
    ("lgpl-2+", "LGPL-2.0-or-later"),
    ("lgpl-2.1", "LGPL-2.1-only"),
    ("lgpl-2.1+", "LGPL-2.1-or-later"),
    ("lgpl-3", "LGPL-3.0-only"),
    ("lgpl-3+", "LGPL-3.0-or-later"),
    ("lgpl2.1", "LGPL-2.1-only"),
    ("lgpl2.1+", "LGPL-2.1-or-later"),
    ("mpl-1.1", "MPL-1.1"),
    ("mpl-2", "MPL-2.0"),
    ("ofl-1.1", "OFL-1.1"),
    ("perl", "Artistic-1.0-Perl OR GPL-1.0-or-later"),
    ("psf", "PSF-2.0"),
    ("psf-2", "PSF-2.0"),
    ("public-domain", "LicenseRef-public-domain"),
    ("python", "Python-2.0"),
    ("qpl-1.0", "QPL-1.0"),
    ("w3c-software", "W3C"),
    ("zope-2.1", "ZPL-2.1"),
];

/// Licences of one package; what has more is told of no further.
const MOST: usize = 64;

/// The licences of a machine-readable copyright file: of all its files together, joined by `AND`. None for a file that
/// is not machine-readable, or names no licence.
pub(super) fn of_copyright(text: &str) -> Option<String> {
    let text = text.trim_start_matches(['\u{feff}', '\n', '\r', ' ']);
    let mut paragraphs = stanzas(text);
    let format = paragraphs.next()?.get("Format")?;
    if !format.contains("copyright-format") && !format.contains("dep5") && !format.contains("dep/5") {
        return None;
    }
    // A paragraph without `Files` only has the text of a licence that others name.
    let of_files = stanzas(text).filter(|paragraph| paragraph.get("Files").is_some());
    let named: BTreeSet<String> = of_files
        .filter_map(|paragraph| paragraph.get("License")?.lines().next().map(str::to_owned))
        .filter(|line| !line.trim().is_empty())
        .take(MOST)
        .filter_map(|line: String| of_debian(&line))
        .collect();
    let several = named.len() > 1;
    let grouped =
        named.into_iter().map(|one| if several && one.contains(" OR ") { format!("({one})") } else { one });
    let all = grouped.collect::<Vec<_>>().join(" AND ");
    (!all.is_empty()).then_some(all)
}

/// The licence of an apk package: an SPDX expression, or nearly one.
pub(super) fn of_apk(text: &str) -> Option<String> {
    if spdx::Expression::parse(text).is_ok() {
        return Some(text.to_owned());
    }
    expression(&text.split_whitespace().collect::<Vec<_>>())
}

/// One `License:` line: `GPL-2+ or Expat, and BSD-3-clause`, where `or` binds more loosely than `and`, and a comma
/// before either of them more loosely still (copyright-format 1.0, section 7.2).
fn of_debian(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let comma = words.iter().position(|word| word.ends_with(','));
    let Some(at) = comma.filter(|at| is_joiner(words.get(at + 1))) else {
        return expression(&words);
    };
    let joiner = words[at + 1].to_ascii_uppercase();
    let head: Vec<&str> = words[..=at].iter().map(|word| word.trim_end_matches(',')).collect();
    let (head, rest) = (expression(&head)?, of_debian(&words[at + 2..].join(" "))?);
    Some(format!("{} {joiner} {}", grouped(head), grouped(rest)))
}

fn grouped(expression: String) -> String {
    if expression.contains(' ') { format!("({expression})") } else { expression }
}

fn is_joiner(word: Option<&&str>) -> bool {
    word.is_some_and(|word| word.eq_ignore_ascii_case("or") || word.eq_ignore_ascii_case("and"))
}

/// Names joined by `and`, `or` and `with`, without brackets.
fn expression(words: &[&str]) -> Option<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut name: Vec<&str> = Vec::new();
    for word in words {
        if is_joiner(Some(word)) {
            parts.push(one(&std::mem::take(&mut name))?);
            parts.push(word.to_ascii_uppercase());
        } else {
            name.push(word.trim_matches(|c| matches!(c, ',' | '(' | ')')));
        }
    }
    parts.push(one(&name)?);
    if parts.len() > 1 {
        // Debian's `Perl` stands for two licences.
        parts =
            parts.into_iter().map(|part| if part.contains(" OR ") { grouped(part) } else { part }).collect();
    }
    let joined = parts.join(" ");
    spdx::Expression::parse(&joined).is_ok().then_some(joined)
}

/// One licence, with an exception perhaps.
fn one(words: &[&str]) -> Option<String> {
    let with = words.iter().position(|word| word.eq_ignore_ascii_case("with"));
    let (name, exception) = words.split_at(with.unwrap_or(words.len()));
    let base = name.join(" ");
    if base.trim().is_empty() {
        return None;
    }
    let exception = exception.get(1..).unwrap_or_default();
    if exception.is_empty() {
        return Some(identifier(&base));
    }
    // Debian names exceptions as SPDX does only by chance: `with OpenSSL exception`.
    let known = spdx::exception_id(&exception.join("-")).map(|id| id.name);
    match known {
        Some(known) if spdx::license_id(&identifier(&base)).is_some() => {
            Some(format!("{} WITH {known}", identifier(&base)))
        }
        _ => Some(reference(&words.join(" "))),
    }
}

/// What SPDX calls a licence, or a reference of our own to it.
fn identifier(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    // Some say `.0` where others do not: `GPL-2.0+`.
    let short = lower.replacen(".0", "", 1);
    let known = NAMES.iter().find(|(debian, _)| *debian == lower || *debian == short);
    if let Some((_, known)) = known {
        return (*known).to_owned();
    }
    let id = spdx::license_id(name).filter(|id| !id.is_gnu() || !name.ends_with('+'));
    let id = id.or_else(|| {
        spdx::identifiers::LICENSES
            .iter()
            .find(|one| one.name.eq_ignore_ascii_case(name))
            .and_then(|one| spdx::license_id(one.name))
    });
    id.map_or_else(|| reference(name), |id| id.name.to_owned())
}

/// A name that means this licence in this document only (SPDX 2.3, annex D: letters, digits, `.` and `-`).
fn reference(name: &str) -> String {
    let idstring: String =
        name.chars().take(80).map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
    let idstring = idstring.trim_matches('-');
    if let Some(already) = name.strip_prefix("LicenseRef-").filter(|rest| *rest == idstring) {
        return format!("LicenseRef-{already}");
    }
    format!("LicenseRef-{}", if idstring.is_empty() { "unnamed" } else { idstring })
}

/// The references of an expression, which an SPDX document has to list.
pub(super) fn references(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split([' ', '(', ')']);
    words.filter(|word| word.starts_with("LicenseRef-"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn short_names_of_debian_become_those_of_spdx() {
        let cases = [
            ("Expat", "MIT"),
            ("GPL-2+", "GPL-2.0-or-later"),
            ("GPL-2.0+", "GPL-2.0-or-later"),
            ("LGPL-2.1", "LGPL-2.1-only"),
            ("BSD-3-clause", "BSD-3-Clause"),
            ("zlib", "Zlib"),
            ("public-domain", "LicenseRef-public-domain"),
            ("GPL-2+ or Expat", "GPL-2.0-or-later OR MIT"),
            ("GPL-2 and BSD-2-clause or Expat", "GPL-2.0-only AND BSD-2-Clause OR MIT"),
            (
                "GPL-2+ or Artistic-2.0, and BSD-3-clause",
                "(GPL-2.0-or-later OR Artistic-2.0) AND BSD-3-Clause",
            ),
            ("GPL-3+ with Autoconf exception", "LicenseRef-GPL-3--with-Autoconf-exception"),
            ("custom: see below", "LicenseRef-custom--see-below"),
            ("Perl", "Artistic-1.0-Perl OR GPL-1.0-or-later"),
            ("Perl and Expat", "(Artistic-1.0-Perl OR GPL-1.0-or-later) AND MIT"),
        ];
        for (debian, spdx) in cases {
            assert_eq!(of_debian(debian).as_deref(), Some(spdx), "{debian}");
        }
        assert_eq!(of_debian("or"), None);
    }

    #[test]
    fn a_copyright_file_says_what_all_its_files_are_under() {
        let text = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nSource: x\n\n\
                    Files: *\nCopyright: A\nLicense: GPL-2+ or Expat\n text\n\n\
                    Files: debian/*\nLicense: BSD-3-clause\n\nLicense: Apache-2.0\n only a text\n";
        assert_eq!(of_copyright(text).as_deref(), Some("BSD-3-Clause AND (GPL-2.0-or-later OR MIT)"));
        assert_eq!(of_copyright("This is free software\n\nLicense: GPL\n"), None);
        assert_eq!(of_copyright("Format: http://copyright-format/1.0\n\nFiles: *\nCopyright: A\n"), None);
        assert_eq!(of_copyright(""), None);
    }

    #[test]
    fn every_name_of_the_table_is_one_of_spdx() {
        for (debian, spdx) in NAMES {
            assert!(spdx::Expression::parse(spdx).is_ok(), "{debian}: {spdx}");
            assert_eq!(*debian, debian.to_ascii_lowercase());
        }
    }

    #[test]
    fn references_are_found_in_an_expression() {
        let found: Vec<_> = references("(MIT OR LicenseRef-a) AND LicenseRef-b").collect();
        assert_eq!(found, ["LicenseRef-a", "LicenseRef-b"]);
    }

    proptest! {
        /// Whatever a stranger's file says, what comes out is an expression.
        #[test]
        fn any_line_is_an_expression_or_nothing(line in "\\PC{0,60}", apk in "\\PC{0,40}") {
            for found in [of_debian(&line), of_apk(&apk)].into_iter().flatten() {
                prop_assert!(spdx::Expression::parse(&found).is_ok(), "{found}");
            }
        }
    }
}
