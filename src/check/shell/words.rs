//! Words of a shell script: quotes, expansions and substitutions, nested as they may be.

use super::syntax::{Kind, Parser, Wrong};
use super::word::{WordPosition, is_assignment, is_break, is_name};

/// What a scanned word was made of.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Word {
    pub start: usize,
    pub end: usize,
}

impl Parser<'_> {
    /// Scans a word; `None` if none starts here.
    pub(super) fn word(&mut self, place: WordPosition) -> Result<Option<Word>, Wrong> {
        let start = self.at;
        while let Some(byte) = self.peek() {
            match byte {
                b'\\' => {
                    self.at = (self.at + 2).min(self.text.len());
                }
                b'\'' => {
                    self.single()?;
                }
                b'"' => {
                    self.double()?;
                }
                b'`' => {
                    self.backtick()?;
                }
                b'$' => {
                    self.dollar(false)?;
                }
                b'<' | b'>' if self.peek_at(1) == Some(b'(') && !place.regex => {
                    let opener = self.at;
                    self.of_bash_only(opener, opener + 2, "a process substitution");
                    self.at += 2;
                    self.substitution(opener)?;
                }
                b'(' | b'|' if place.regex => {
                    if byte == b'(' {
                        self.group(b'(', b')', Kind::Group)?;
                    } else if self.peek_at(1) == Some(b'|') {
                        break;
                    } else {
                        self.at += 1;
                    }
                }
                b'(' if self.at > start
                    && (place.pattern || self.extglob)
                    && matches!(self.text[self.at - 1], b'?' | b'*' | b'+' | b'@' | b'!') =>
                {
                    self.group(b'(', b')', Kind::Group)?;
                }
                b'(' if place.assignment && is_assignment(&self.text[start..self.at]) => {
                    self.array()?;
                }
                b'[' if place.assignment && self.at > start && is_name(&self.text[start..self.at]) => {
                    self.group(b'[', b']', Kind::Subscript)?;
                }
                byte if is_break(byte) => break,
                _ => self.at += 1,
            }
        }
        Ok((self.at > start).then_some(Word { start, end: self.at }))
    }

    /// `'…'`
    fn single(&mut self) -> Result<(), Wrong> {
        let opener = self.at;
        match self.text[self.at + 1..].iter().position(|byte| *byte == b'\'') {
            Some(length) => {
                self.at += length + 2;
                self.quotes.push((opener, self.at - 1));
                Ok(())
            }
            None => Err(self.never_closed(opener, 1, Kind::Single)),
        }
    }

    /// `$'…'`, in which a backslash escapes.
    fn ansi(&mut self, opener: usize) -> Result<(), Wrong> {
        while let Some(byte) = self.peek() {
            match byte {
                b'\\' => self.at = (self.at + 2).min(self.text.len()),
                b'\'' => {
                    self.at += 1;
                    self.quotes.push((opener, self.at - 1));
                    return Ok(());
                }
                _ => self.at += 1,
            }
        }
        Err(self.never_closed(opener, 2, Kind::Single))
    }

    /// `"…"`
    fn double(&mut self) -> Result<(), Wrong> {
        let opener = self.at;
        self.at += 1;
        while let Some(byte) = self.peek() {
            match byte {
                b'\\' => self.at = (self.at + 2).min(self.text.len()),
                b'"' => {
                    self.at += 1;
                    self.quotes.push((opener, self.at - 1));
                    return Ok(());
                }
                b'`' => self.backtick()?,
                b'$' => self.dollar(true)?,
                _ => self.at += 1,
            }
        }
        Err(self.never_closed(opener, 1, Kind::Double))
    }

    /// A command between backticks: no shell looks into it before it runs.
    fn backtick(&mut self) -> Result<(), Wrong> {
        let opener = self.at;
        self.at += 1;
        while let Some(byte) = self.peek() {
            match byte {
                b'\\' => self.at = (self.at + 2).min(self.text.len()),
                b'`' => {
                    self.at += 1;
                    self.quotes.push((opener, self.at - 1));
                    return Ok(());
                }
                _ => self.at += 1,
            }
        }
        Err(self.never_closed(opener, 1, Kind::Backtick))
    }

    /// What starts with `$`.
    fn dollar(&mut self, in_quotes: bool) -> Result<(), Wrong> {
        let opener = self.at;
        match self.peek_at(1) {
            Some(b'(') if self.peek_at(2) == Some(b'(') => {
                if !self.arithmetic_or_not(opener + 1)? {
                    self.at = opener + 2;
                    self.substitution(opener)?;
                }
                Ok(())
            }
            Some(b'(') => {
                self.at += 2;
                self.substitution(opener)
            }
            Some(b'{') => self.braces(in_quotes),
            // Arithmetic, in bash alone.
            Some(b'[') if !self.posix => {
                self.at += 1;
                self.group(b'[', b']', Kind::Subscript)
            }
            Some(b'\'') if !in_quotes => {
                self.at += 2;
                self.ansi(opener)
            }
            Some(b'"') if !in_quotes => {
                self.at += 1;
                self.double()
            }
            // `$$` and the like: the second is no start of another.
            Some(b'$' | b'!' | b'?' | b'#' | b'*' | b'@' | b'-') => {
                self.at += 2;
                Ok(())
            }
            _ => {
                self.at += 1;
                Ok(())
            }
        }
    }

    /// `$( … )` and `<( … )`, behind the bracket.
    pub(super) fn substitution(&mut self, opener: usize) -> Result<(), Wrong> {
        self.deeper(opener, 2, Kind::Substitution, |parser| {
            parser.list(true)?;
            if parser.peek() == Some(b')') {
                parser.at += 1;
                return Ok(());
            }
            Err(parser.unexpected())
        })
    }

    /// `((…))` from its first bracket on; `false`, and nothing read, if it is no arithmetic.
    pub(super) fn arithmetic(&mut self, open: usize) -> Result<bool, Wrong> {
        self.at = open + 1;
        let quotes = self.quotes.len();
        match self.group(b'(', b')', Kind::Arithmetic) {
            Ok(()) if self.peek() == Some(b')') => {
                self.at += 1;
                Ok(true)
            }
            Err(wrong) if wrong.gave_up => Err(wrong),
            _ => {
                self.quotes.truncate(quotes);
                self.at = open;
                Ok(false)
            }
        }
    }

    /// From an opening bracket behind the one that closes it, quotes and expansions in it honoured.
    pub(super) fn group(&mut self, open: u8, close: u8, kind: Kind) -> Result<(), Wrong> {
        let opener = self.at;
        self.deeper(opener, 1, kind, |parser| {
            parser.at += 1;
            let mut depth = 1_usize;
            while let Some(byte) = parser.peek() {
                match byte {
                    b'\\' => parser.at = (parser.at + 2).min(parser.text.len()),
                    b'\'' => parser.single()?,
                    b'"' => parser.double()?,
                    b'`' => parser.backtick()?,
                    b'$' => parser.dollar(false)?,
                    _ => {
                        parser.at += 1;
                        depth = depth + usize::from(byte == open) - usize::from(byte == close);
                        if depth == 0 {
                            return Ok(());
                        }
                    }
                }
            }
            Err(parser.unexpected())
        })
    }

    /// `${…}`
    fn braces(&mut self, in_quotes: bool) -> Result<(), Wrong> {
        /// How far a parameter expansion is.
        #[derive(PartialEq, Eq)]
        enum Part {
            Name,
            /// Behind `:-` and the like: text as around it.
            Text,
            /// Behind `#`, `%`, `/`, `^`, `,`: a pattern, in which single quotes count.
            Pattern,
        }
        let opener = self.at;
        self.deeper(opener, 2, Kind::Braces, |parser| {
            parser.at += 2;
            let first = parser.at;
            let mut part = Part::Name;
            while let Some(byte) = parser.peek() {
                if part == Part::Name && parser.at > first {
                    match byte {
                        b'%' | b'#' | b'/' | b'^' | b',' => part = Part::Pattern,
                        b':' | b'-' | b'=' | b'?' | b'+' | b'~' => part = Part::Text,
                        _ => {}
                    }
                }
                match byte {
                    b'}' => {
                        parser.at += 1;
                        return Ok(());
                    }
                    b'\\' => parser.at = (parser.at + 2).min(parser.text.len()),
                    b'\'' if !in_quotes || part == Part::Pattern => parser.single()?,
                    b'"' => parser.double()?,
                    b'`' => parser.backtick()?,
                    // `${$}` and `${#$}` name the process.
                    b'$' if parser.peek_at(1) == Some(b'}') && part == Part::Name => parser.at += 1,
                    b'$' => parser.dollar(in_quotes)?,
                    b'<' | b'>' if !in_quotes && parser.peek_at(1) == Some(b'(') => {
                        let opener = parser.at;
                        parser.at += 2;
                        parser.substitution(opener)?;
                    }
                    _ => parser.at += 1,
                }
            }
            Err(parser.unexpected())
        })
    }

    /// The words of `name=( … )`, comments and new lines between them.
    fn array(&mut self) -> Result<(), Wrong> {
        let opener = self.at;
        self.of_bash_only(opener, opener + 1, "an array");
        self.deeper(opener, 1, Kind::Array, |parser| {
            parser.at += 1;
            loop {
                parser.blanks_and_lines()?;
                if parser.peek() == Some(b')') {
                    parser.at += 1;
                    return Ok(());
                }
                if parser.peek() == Some(b'[') {
                    // `[key]=value`: the key may hold blanks.
                    parser.group(b'[', b']', Kind::Subscript)?;
                    if parser.peek() == Some(b'(') {
                        return Err(parser.unexpected());
                    }
                    parser.word(WordPosition::default())?;
                    continue;
                }
                if parser.word(WordPosition::default())?.is_none() {
                    return Err(parser.unexpected());
                }
            }
        })
    }
}
