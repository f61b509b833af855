//! The keywords, as a type: who does something of its own for one of them cannot misspell it.

use std::fmt;

use super::{Keyword, Place, STATEMENTS, StatementInfo};

macro_rules! keywords {
    ($($name:ident = $word:literal,)*) => {
        /// The first word of a statement.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Keyword {
            $(#[doc = concat!("`", $word, "`")] $name,)*
        }

        impl Keyword {
            /// As it is written.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }

            /// The keyword that is written so.
            #[must_use]
            pub fn of(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

impl Keyword {
    /// Its line of the table.
    #[must_use]
    pub const fn info(self) -> &'static StatementInfo {
        &STATEMENTS[self as usize]
    }

    /// Every keyword, in the order of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        STATEMENTS.iter().map(|info| info.keyword)
    }

    /// The keywords of one place.
    pub fn at(place: Place) -> impl Iterator<Item = Self> {
        Self::all().filter(move |keyword| keyword.info().place == place)
    }
}

impl fmt::Display for Keyword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
