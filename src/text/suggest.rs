//! "did you mean": the nearest known name.

/// Longest word that is taken for a slip of another, in characters.
const LONGEST: usize = 255;

/// The candidate nearest to `word`, if its edit distance is at most a third of the word's length.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let chars = word.chars().count();
    if chars > LONGEST {
        return None;
    }
    let limit = (chars / 3).max(1);
    candidates
        .into_iter()
        // Each character more or less is an edit, and comparing takes the product of both lengths.
        .filter(|candidate| {
            candidate.len() <= 4 * (chars + limit) && candidate.chars().count().abs_diff(chars) <= limit
        })
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(d, candidate)| *d <= limit && *d < candidate.chars().count())
        .min_by_key(|(d, _)| *d)
        .map(|(_, candidate)| candidate)
}

/// Optimal string alignment distance, ignoring ASCII case: a swap of neighbours counts once.
#[must_use]
pub fn distance(a: &str, b: &str) -> usize {
    strsim::osa_distance(&a.to_ascii_lowercase(), &b.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_finds_its_name() {
        let apps = ["nginx", "apache2", "redis"];
        assert_eq!(nearest("ngnix", apps), Some("nginx"));
        assert_eq!(nearest("apache", apps), Some("apache2"));
        assert_eq!(nearest("postgres", apps), None);
    }

    #[test]
    fn text_of_any_length_costs_little() {
        let (long, other) = ("x".repeat(1_000_000), "y".repeat(1_000_000));
        assert_eq!(nearest(&long, [other.as_str()]), None);
        assert_eq!(nearest("ngnix", [long.as_str(), "nginx"]), Some("nginx"));
    }
}
