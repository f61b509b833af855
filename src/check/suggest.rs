//! "did you mean", for names that a project makes up itself: there may be any number of them.

use std::cell::Cell;

use crate::text::nearest;

/// Most names that are looked at for one that was meant.
const MOST_NAMES: usize = 500;

/// What all comparisons of a check may cost together, in pairs of bytes: some thousand wrong names in a
/// project of hundreds, and less than a fifth of a second. Nobody reads on behind that many mistakes.
const MOST_WORK: usize = 1 << 25;

/// Finds names that were meant, until that has cost enough.
#[derive(Debug, Default)]
pub(super) struct Suggester {
    spent: Cell<usize>,
}

impl Suggester {
    /// The known name that is nearest to `word`, if it is near enough; of very many the first are looked at.
    pub fn nearest<'n>(&self, word: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
        if self.spent.get() > MOST_WORK {
            return None;
        }
        nearest(
            word,
            known.into_iter().take(MOST_NAMES).inspect(|name| {
                self.spent.set(self.spent.get().saturating_add(word.len().saturating_mul(name.len())));
            }),
        )
    }

    /// What the comparisons have cost so far.
    #[cfg(test)]
    pub fn spent(&self) -> usize {
        self.spent.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_work_is_bounded_however_many_names_are_wrong() {
        let known: Vec<String> = (0..5_000).map(|nth| format!("profile-{nth}")).collect();
        let suggester = Suggester::default();
        let find = |word: &str| suggester.nearest(word, known.iter().map(String::as_str)).map(str::to_owned);
        assert_eq!(find("profil-77").as_deref(), Some("profile-77"));
        for nth in 0..5_000 {
            find(&format!("other-{nth}"));
        }
        let one = "other-5000".len() * "profile-5000".len() * MOST_NAMES;
        assert!(suggester.spent() <= MOST_WORK + one, "{}", suggester.spent());
        assert_eq!(find("profil-77"), None, "nobody reads so far");
    }
}
