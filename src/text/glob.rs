//! Patterns of the shell: `*`, `?` and `[a-z]`, for one part of a path.

/// Whether a pattern matches a name. A dot at the start has to be written.
#[must_use]
pub fn glob_matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    if name.first() == Some(&'.') && pattern.first() != Some(&'.') {
        return false;
    }
    // What follows the last `*`, and where it was tried: going back to it is enough.
    let mut retry: Option<(usize, usize)> = None;
    let (mut at, mut place) = (0, 0);
    while place < name.len() {
        match pattern.get(at) {
            Some('*') => {
                at += 1;
                retry = Some((at, place));
                continue;
            }
            Some(_) => {
                if let Some(length) = one(&pattern[at..], name[place]) {
                    at += length;
                    place += 1;
                    continue;
                }
            }
            None => {}
        }
        let Some((behind, tried)) = retry else { return false };
        retry = Some((behind, tried + 1));
        (at, place) = (behind, tried + 1);
    }
    pattern[at..].iter().all(|c| *c == '*')
}

/// How long the first element of a pattern is, if it matches a character.
fn one(pattern: &[char], c: char) -> Option<usize> {
    match pattern {
        ['?', ..] => Some(1),
        ['[', inner @ ..] => {
            let (not, first) = match inner.first() {
                Some('!' | '^') => (true, 1),
                _ => (false, 0),
            };
            // A `]` that comes first is one of the characters.
            let Some(end) = inner.iter().skip(first + 1).position(|c| *c == ']') else {
                return (c == '[').then_some(1);
            };
            let set = &inner[first..=first + end];
            let mut found = false;
            let mut at = 0;
            while let Some(from) = set.get(at) {
                let to = match set.get(at + 1..at + 3) {
                    Some(['-', to]) => *to,
                    _ => *from,
                };
                found |= (*from..=to).contains(&c);
                at += if to == *from { 1 } else { 3 };
            }
            (found != not).then_some(first + end + 3)
        }
        ['\\', literal, ..] => (*literal == c).then_some(2),
        [literal, ..] => (*literal == c).then_some(1),
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::glob_matches;

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, name) in [
            ("*.conf", "a.conf"),
            ("*", "a"),
            ("a?c", "abc"),
            ("[a-c]x", "bx"),
            ("[!a]x", "bx"),
            ("[]]x", "]x"),
            ("*a*b*", "xxaybz"),
            (".*", ".env"),
            ("[", "["),
            ("é*", "éa"),
        ] {
            assert!(glob_matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("*.conf", "a.con"),
            ("*", ".env"),
            ("a?c", "ac"),
            ("[a-c]x", "dx"),
            ("[!a]x", "ax"),
            ("a*b", "ac"),
            ("", "a"),
        ] {
            assert!(!glob_matches(pattern, name), "{pattern} {name}");
        }
        assert!(!glob_matches(&"*a".repeat(50), &"a".repeat(49)));
    }
}
