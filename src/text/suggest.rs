//! "did you mean": the nearest known name.

/// Longest word that is taken for a slip of another, in characters.
const LONGEST: usize = 255;

/// Shortest word that is taken for the beginning of another, in bytes.
const SHORTEST_BEGINNING: usize = 3;

/// The candidate nearest to `word`, if its edit distance is at most a third of the word's length; otherwise the only one
/// that begins with it, such as `boolean` for `bool`.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let chars = word.chars().count();
    if chars > LONGEST {
        return None;
    }
    let candidates: Vec<&str> = candidates.into_iter().collect();
    let limit = (chars / 3).max(1);
    let slip = candidates
        .iter()
        .copied()
        // Each character more or less is an edit, and comparing takes the product of both lengths.
        .filter(|candidate| {
            candidate.len() <= 4 * (chars + limit) && candidate.chars().count().abs_diff(chars) <= limit
        })
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(d, candidate)| *d <= limit && *d < candidate.chars().count())
        .min_by_key(|(d, _)| *d)
        .map(|(_, candidate)| candidate);
    slip.or_else(|| only_one_that_begins_with(word, &candidates))
}

fn only_one_that_begins_with<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    if word.len() < SHORTEST_BEGINNING {
        return None;
    }
    let begins = |candidate: &&&str| {
        candidate.get(..word.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(word))
    };
    let mut found = candidates.iter().filter(begins);
    found.next().copied().filter(|_| found.next().is_none())
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
    fn the_beginning_of_one_name_finds_it_and_that_of_two_none() {
        let types = ["string", "integer", "boolean", "version"];
        assert_eq!(nearest("int", types), Some("integer"));
        assert_eq!(nearest("Bool", types), Some("boolean"));
        assert_eq!(nearest("in", types), None);
        assert_eq!(nearest("post", ["postgresql", "postgresql-client"]), None);
        assert_eq!(nearest("größ", ["größe", "groß"]), Some("größe"));
    }

    #[test]
    fn text_of_any_length_costs_little() {
        let (long, other) = ("x".repeat(1_000_000), "y".repeat(1_000_000));
        assert_eq!(nearest(&long, [other.as_str()]), None);
        assert_eq!(nearest("ngnix", [long.as_str(), "nginx"]), Some("nginx"));
    }
}
