//! The signed table of contents of an archive's suite: `InRelease`, or `Release` with `Release.gpg`.

use std::collections::BTreeMap;

use super::super::openpgp::CLOCKS_DIFFER;
use super::{Keyring, Moment, ReleaseError, ReleaseFile, Signed};
use crate::packages::deb822::Stanza;
use crate::text::Checksum;

/// Checks a suite's signature and reads what it says.
pub fn verify_release(signed: &Signed, keys: &Keyring, moment: Moment) -> Result<ReleaseFile, ReleaseError> {
    let text = keys.verify(signed, moment)?;
    read_release(&text, moment)
}

/// What the text of such a file says, whoever wrote it.
pub(super) fn read_release(text: &str, moment: Moment) -> Result<ReleaseFile, ReleaseError> {
    let text = text.replace("\r\n", "\n");
    let stanza = Stanza::new(&text);
    let field = |name| stanza.get(name).unwrap_or_default().to_owned();
    let words = |name| field(name).split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let time = |field: &'static str, text: &str| {
        unix_time(text).ok_or_else(|| ReleaseError::NoDate { field, text: text.to_owned() })
    };
    let written = field("Date");
    let date = time("Date", &written)?;
    let (Moment::Now(now) | Moment::WhenMade(now)) = moment;
    if date > now + CLOCKS_DIFFER {
        return Err(ReleaseError::FromTheFuture { text: written });
    }
    let valid_until = stanza.get("Valid-Until").map(|text| time("Valid-Until", text)).transpose()?;
    // SHA-256 where there is one: it is what files are kept by.
    let mut files = sums(&field("SHA512"));
    files.extend(sums(&field("SHA256")));
    if files.is_empty() {
        return Err(ReleaseError::NoDigests);
    }
    let priority = match (stanza.flag("NotAutomatic"), stanza.flag("ButAutomaticUpgrades")) {
        (false, _) => 500,
        (true, true) => 100,
        (true, false) => 1,
    };
    let without_all = words("No-Support-for-Architecture-all").iter().any(|what| what == "Packages");
    Ok(ReleaseFile {
        suite: field("Suite"),
        codename: field("Codename"),
        components: words("Components"),
        date,
        valid_until,
        by_hash: stanza.flag("Acquire-By-Hash"),
        all_apart: !without_all && words("Architectures").iter().any(|arch| arch == "all"),
        priority,
        files,
    })
}

/// The lines `DIGEST SIZE PATH` of a field.
fn sums(field: &str) -> BTreeMap<String, (Checksum, u64)> {
    let sum = |line: &str| {
        let mut words = line.split_whitespace();
        let (sum, size, path) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
        Some((path.to_owned(), (Checksum::parse(sum)?, size)))
    };
    field.lines().filter_map(sum).collect()
}

/// Seconds since 1970 of a date as release files have it: `Sat, 12 Sep 2026 07:55:41 UTC`.
fn unix_time(date: &str) -> Option<u64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let mut words = date.split_once(',')?.1.split_whitespace();
    let (day, month, year) = (words.next()?, words.next()?, words.next()?);
    let time: Vec<u64> = words.next()?.split(':').map(str::parse).collect::<Result<_, _>>().ok()?;
    let (&[hour, minute, second], "UTC" | "GMT" | "+0000") = (&time[..], words.next()?) else { return None };
    let (day, year): (u64, u64) = (day.parse().ok()?, year.parse().ok()?);
    let month = MONTHS.find(month).filter(|at| at % 3 == 0 && month.len() == 3)? as u64 / 3 + 1;
    if !(1970..10_000).contains(&year) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60
    {
        return None;
    }
    // Days of the civil calendar, the year starting in March (H. Hinnant's algorithm).
    let shifted = if month > 2 { year } else { year - 1 };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + day_of_year - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::{ReleaseFile, unix_time};

    #[test]
    fn dates_of_release_files() {
        assert_eq!(unix_time("Thu, 01 Jan 1970 00:00:00 UTC"), Some(0));
        assert_eq!(unix_time("Sat, 12 Sep 2026 07:55:41 UTC"), Some(1_789_199_741));
        assert_eq!(unix_time("Thu, 29 Feb 2024 23:59:59 GMT"), Some(1_709_251_199));
        for nonsense in [
            "",
            "tomorrow",
            "Sat, 12 Foo 2026 07:55:41 UTC",
            "Sat, 12 Sep 2026 07:55 UTC",
            "Sat, 99 Sep 2026 07:55:41 UTC",
        ] {
            assert_eq!(unix_time(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn a_suite_answers_to_both_its_names() {
        let file = |suite: &str, codename: &str| ReleaseFile {
            suite: suite.to_owned(),
            codename: codename.to_owned(),
            ..ReleaseFile::default()
        };
        let security = file("stable-security", "trixie-security");
        assert!(security.is_suite("trixie-security").is_ok() && security.is_suite("stable-security").is_ok());
        let error = security.is_suite("trixie").unwrap_err().to_string();
        assert_eq!(error, "it is of another suite: it calls itself `stable-security` and `trixie-security`");
        assert!(file("stable", "trixie").is_suite("trixie-security").is_err());
        assert!(file("stable", "stable").is_suite("deb/").is_ok(), "a folder has no name");
        assert!(file("", "").is_suite("stable").is_ok());
    }
}
