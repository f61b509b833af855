//! Commands with an end of their own: groups, loops, choices, `[[ ]]` and arithmetic.

use super::syntax::{Kind, Parser, Wrong};
use super::word::{WordPosition, is_break};

/// Most brackets that may turn out to be no arithmetic: each is read twice.
const MOST_RETRIES: usize = 200;

impl Parser<'_> {
    pub(super) fn function_body(&mut self) -> Result<(), Wrong> {
        self.blanks_and_lines()?;
        if self.compound()? {
            self.after_compound = !self.redirections()?;
            return Ok(());
        }
        // Other shells take any command.
        if self.posix && self.peek().is_some_and(|byte| !is_break(byte)) && self.closing_word().is_none() {
            return self.command();
        }
        Err(self.wanted("{"))
    }

    /// A command with an end of its own, if one starts here.
    pub(super) fn compound(&mut self) -> Result<bool, Wrong> {
        let start = self.at;
        if self.peek() == Some(b'(') {
            if self.peek_at(1) == Some(b'(') && self.arithmetic_or_not(start)? {
                return Ok(true);
            }
            self.deeper(start, 1, Kind::Subshell, |parser| {
                parser.at += 1;
                parser.list(false)?;
                parser.expect_byte(b')', ")")
            })?;
            return Ok(true);
        }
        let Some((word, kind)) = [
            ("if", Kind::If),
            ("for", Kind::For),
            ("select", Kind::For),
            ("while", Kind::While),
            ("until", Kind::While),
            ("case", Kind::Case),
            ("{", Kind::Brace),
            ("[[", Kind::Test),
        ]
        .into_iter()
        .find(|(word, _)| self.reserved(word)) else {
            return Ok(false);
        };
        if word == "select" {
            self.of_bash_only(start, start + word.len(), "`select`");
        }
        self.deeper(start, word.len(), kind, |parser| {
            parser.at += word.len();
            parser.last_end = parser.at;
            match kind {
                Kind::If => parser.conditional(),
                Kind::For => parser.loop_over(),
                Kind::While => {
                    parser.list(false)?;
                    parser.do_group()
                }
                Kind::Case => parser.choice(),
                Kind::Test => parser.test(),
                _ => {
                    parser.list(false)?;
                    parser.expect("}")
                }
            }
        })?;
        Ok(true)
    }

    /// [`Self::arithmetic`], which is tried only so often.
    pub(super) fn arithmetic_or_not(&mut self, open: usize) -> Result<bool, Wrong> {
        let depth = self.open.len();
        let found = self.arithmetic(open)?;
        if !found {
            self.open.truncate(depth);
            self.retries += 1;
            if self.retries > MOST_RETRIES {
                return Err(Wrong { gave_up: true, ..self.unexpected() });
            }
        }
        Ok(found)
    }

    fn conditional(&mut self) -> Result<(), Wrong> {
        self.list(false)?;
        self.expect("then")?;
        self.list(false)?;
        loop {
            if self.reserved("elif") {
                self.at += 4;
                self.list(false)?;
                self.expect("then")?;
                self.list(false)?;
            } else if self.reserved("else") {
                self.at += 4;
                self.list(false)?;
                return self.expect("fi");
            } else {
                return self.expect("fi");
            }
        }
    }

    fn do_group(&mut self) -> Result<(), Wrong> {
        self.expect("do")?;
        self.list(false)?;
        self.expect("done")
    }

    /// `for` and `select`.
    fn loop_over(&mut self) -> Result<(), Wrong> {
        self.blanks();
        if self.starts_with("((") {
            let start = self.at;
            if !self.arithmetic_or_not(start)? {
                return Err(self.wanted("))"));
            }
            self.of_bash_only(start, start + 2, "`for ((`");
            if self.text[start..self.at].split(|byte| *byte == b';').count() != 3 {
                self.at = start;
                return Err(self.wanted("two `;`"));
            }
            self.blanks();
            if self.peek() == Some(b';') && self.peek_at(1) != Some(b';') {
                self.at += 1;
            }
            self.blanks_and_lines()?;
            return self.loop_body();
        }
        if self.word(WordPosition::default())?.is_none() {
            return Err(self.wanted("a name"));
        }
        self.last_end = self.at;
        self.blanks();
        if self.peek() == Some(b';') && self.peek_at(1) != Some(b';') {
            self.at += 1;
            self.blanks_and_lines()?;
            return self.loop_body();
        }
        self.blanks_and_lines()?;
        if self.reserved("in") {
            self.at += 2;
            loop {
                self.last_end = self.at;
                self.blanks();
                match self.peek() {
                    Some(b';') if self.peek_at(1) != Some(b';') => {
                        self.at += 1;
                        break;
                    }
                    Some(b'\n') => break,
                    _ => {
                        if self.word(WordPosition::default())?.is_none() {
                            return Err(self.unexpected());
                        }
                    }
                }
            }
            self.blanks_and_lines()?;
        }
        self.loop_body()
    }

    fn loop_body(&mut self) -> Result<(), Wrong> {
        if self.reserved("{") {
            self.at += 1;
            self.list(false)?;
            return self.expect("}");
        }
        self.do_group()
    }

    fn choice(&mut self) -> Result<(), Wrong> {
        self.blanks();
        if self.word(WordPosition::default())?.is_none() {
            return Err(self.wanted("a word"));
        }
        self.last_end = self.at;
        self.blanks_and_lines()?;
        self.expect("in")?;
        loop {
            self.blanks_and_lines()?;
            if self.reserved("esac") {
                return self.expect("esac");
            }
            if self.peek() == Some(b'(') {
                self.at += 1;
                self.blanks();
            }
            loop {
                self.blanks();
                if self.word(WordPosition::default())?.is_none() {
                    return Err(self.unexpected());
                }
                self.last_end = self.at;
                self.blanks();
                if self.peek() == Some(b'|') {
                    self.at += 1;
                } else {
                    self.expect_byte(b')', ")")?;
                    break;
                }
            }
            self.list(true)?;
            match [";;&", ";;", ";&"].into_iter().find(|token| self.starts_with(token)) {
                Some(token) => {
                    if token != ";;" {
                        self.of_bash_only(self.at, self.at + token.len(), "going on to the next case");
                    }
                    self.at += token.len();
                    self.last_end = self.at;
                }
                None => return self.expect("esac"),
            }
        }
    }

    /// The inside of `[[ ]]`.
    fn test(&mut self) -> Result<(), Wrong> {
        self.test_or()?;
        self.blanks_and_lines()?;
        self.expect("]]")
    }

    fn test_or(&mut self) -> Result<(), Wrong> {
        loop {
            self.test_term()?;
            self.blanks_and_lines()?;
            if !self.starts_with("&&") && !self.starts_with("||") {
                return Ok(());
            }
            self.at += 2;
            self.last_end = self.at;
        }
    }

    fn test_term(&mut self) -> Result<(), Wrong> {
        const UNARY: &[u8] = b"abcdefghknoprstuvwxzGLNORS";
        const BINARY: [&str; 14] =
            ["==", "=~", "!=", "=", "-nt", "-ot", "-ef", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "<"];
        self.blanks_and_lines()?;
        while self.reserved("!") {
            self.at += 1;
            self.blanks_and_lines()?;
        }
        if self.peek() == Some(b'(') {
            let start = self.at;
            self.of_bash_only(start, start + 1, "a group in `[[`");
            return self.deeper(start, 1, Kind::Group, |parser| {
                parser.at += 1;
                parser.test_or()?;
                parser.blanks_and_lines()?;
                parser.expect_byte(b')', ")")
            });
        }
        if self.reserved("]]") {
            return Err(self.wanted("a test"));
        }
        let Some(left) = self.word(WordPosition::default())? else { return Err(self.wanted("a test")) };
        self.last_end = self.at;
        self.blanks_and_lines()?;
        if let &[b'-', letter] = &self.text[left.start..left.end]
            && UNARY.contains(&letter)
        {
            if self.reserved("]]") || self.word(WordPosition::default())?.is_none() {
                return Err(self.wanted("a word"));
            }
            self.last_end = self.at;
            return Ok(());
        }
        if self.reserved("]]")
            || self.peek() == Some(b')')
            || self.starts_with("&&")
            || self.starts_with("||")
        {
            return Ok(());
        }
        let Some(operator) = BINARY
            .into_iter()
            .find(|operator| self.reserved(operator) || matches!(*operator, "<") && self.peek() == Some(b'<'))
            .or_else(|| (self.peek() == Some(b'>')).then_some(">"))
        else {
            return Err(self.wanted("an operator such as `==`"));
        };
        self.at += operator.len();
        self.last_end = self.at;
        self.blanks();
        let pattern = matches!(operator, "==" | "=" | "!=");
        let place = WordPosition { pattern, regex: operator == "=~", ..WordPosition::default() };
        if self.reserved("]]") || self.word(place)?.is_none() {
            return Err(self.wanted("a word"));
        }
        self.last_end = self.at;
        Ok(())
    }
}
