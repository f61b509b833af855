//! Times for people: in files that travel to other machines universal time, in a terminal the user's own.

use chrono::{DateTime, Local, TimeZone};

/// `2026-11-21 03:44 UTC`, from milliseconds since 1970.
#[must_use]
pub fn utc(ms: i64) -> String {
    let time = DateTime::from_timestamp_millis(ms).unwrap_or_default();
    time.format("%Y-%m-%d %H:%M UTC").to_string()
}

/// `12:44 (2 h ago)`, or `2026-11-21 12:44 (3 days ago)`, on this machine's clock, from milliseconds since 1970.
#[must_use]
pub fn local(ms: i64) -> String {
    at(ms, Local::now())
}

/// `2 h ago`, from milliseconds since 1970.
#[must_use]
pub fn relative(ms: i64) -> String {
    let since = Local::now().timestamp_millis().saturating_sub(ms);
    ago(since.div_euclid(1000))
}

fn at<Z: TimeZone>(ms: i64, now: DateTime<Z>) -> String
where
    Z::Offset: std::fmt::Display,
{
    let Some(time) = now.timezone().timestamp_millis_opt(ms).single() else { return utc(ms) };
    // The day of what happened today goes without saying.
    let format = if time.date_naive() == now.date_naive() { "%H:%M" } else { "%Y-%m-%d %H:%M" };
    format!("{} ({})", time.format(format), ago(now.signed_duration_since(&time).num_seconds()))
}

fn ago(seconds: i64) -> String {
    match seconds {
        // A clock that was set back, or another machine's.
        ..0 => "in the future".to_owned(),
        0..60 => "just now".to_owned(),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86_400 => format!("{} h ago", seconds / 3600),
        86_400..172_800 => "1 day ago".to_owned(),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::{at, utc};

    #[test]
    fn a_time_is_of_the_readers_clock_and_says_how_long_ago_that_was() {
        let zone = chrono::FixedOffset::east_opt(9 * 3600).unwrap();
        let now = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap().with_timezone(&zone);
        for (before, text) in [
            (0, "17:00 (just now)"),
            (150, "16:57 (2 min ago)"),
            (7300, "14:58 (2 h ago)"),
            (90_000, "2027-01-14 16:00 (1 day ago)"),
            (864_000, "2027-01-05 17:00 (10 days ago)"),
            (-60, "17:01 (in the future)"),
        ] {
            assert_eq!(at((1_800_000_000 - before) * 1000, now), text);
        }
    }

    #[test]
    fn days_are_where_the_calendar_has_them() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_827_696, "2000-02-29 12:34 UTC"),
            (1_798_761_599, "2026-12-31 23:59 UTC"),
            (-1, "1969-12-31 23:59 UTC"),
        ] {
            assert_eq!(utc(seconds * 1000), text);
        }
    }
}
