//! Whether a shell would understand a script: the grammar of bash, which holds that of `sh`.
//!
//! A parser by recursive descent that keeps nothing but places: what is open, what was closed, which
//! quotes there were. It stops at the first place where no shell could go on; [`super::blame`] works out
//! which line is at fault.

use super::Remark;
use super::word::{WordPosition, is_assignment, is_break, is_name};

/// Deepest nesting that is followed; what is deeper is not judged.
const DEEPEST: usize = 100;

/// What can be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    If,
    For,
    While,
    Case,
    Brace,
    Subshell,
    Test,
    Single,
    Double,
    Backtick,
    Substitution,
    Braces,
    Arithmetic,
    Subscript,
    Group,
    Array,
}

impl Kind {
    /// What closes it.
    pub(super) const fn closer(self) -> &'static str {
        match self {
            Self::If => "fi",
            Self::For | Self::While => "done",
            Self::Case => "esac",
            Self::Brace | Self::Braces => "}",
            Self::Subshell | Self::Substitution | Self::Group | Self::Array => ")",
            Self::Test => "]]",
            Self::Single => "'",
            Self::Double => "\"",
            Self::Backtick => "`",
            Self::Arithmetic => "))",
            Self::Subscript => "]",
        }
    }

    /// Closed by a word of its own, usually on a line of its own.
    pub(super) const fn is_block(self) -> bool {
        matches!(self, Self::If | Self::For | Self::While | Self::Case | Self::Brace | Self::Subshell)
    }
}

/// Something that was opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Open {
    pub start: usize,
    pub length: usize,
    pub kind: Kind,
}

/// Where a script stops to make sense.
#[derive(Debug)]
pub(super) struct Wrong {
    /// What was found there; nothing at the script's end.
    pub at: usize,
    pub end: usize,
    /// What had to come.
    pub wanted: Option<&'static str>,
    /// It was not read to the end: too deep, or too costly.
    pub gave_up: bool,
}

/// The state of reading one script.
#[derive(Debug)]
pub(super) struct Parser<'t> {
    pub text: &'t [u8],
    pub at: usize,
    /// Extended globs are words, since the script turns them on, or sources something that may.
    pub extglob: bool,
    /// Not bash: what only other shells take is not surely wrong.
    pub posix: bool,
    /// What is open, outermost first; kept as it was when something wrong was found.
    pub open: Vec<Open>,
    /// Blocks that were closed, with the place of what closed each, in the order of closing.
    pub closed: Vec<(Open, usize)>,
    /// Quotes, by the places of their two ends.
    pub quotes: Vec<(usize, usize)>,
    /// The end of the last token before the place that is looked at.
    pub last_end: usize,
    heredocs: Vec<Heredoc>,
    pub retries: usize,
    /// The last command was a compound one without redirections: a closing word may follow at once.
    pub after_compound: bool,
    pub remarks: Vec<Remark>,
}

#[derive(Debug)]
struct Heredoc {
    /// Where `<<` stands, and what is behind its word.
    place: (usize, usize),
    end: Vec<u8>,
    tabs: bool,
    quoted: bool,
}

const CLOSERS: [&str; 8] = ["then", "else", "elif", "fi", "do", "done", "esac", "}"];

impl<'t> Parser<'t> {
    pub(super) fn new(text: &'t str, posix: bool) -> Self {
        Self {
            text: text.as_bytes(),
            at: 0,
            extglob: text.contains("extglob"),
            posix,
            open: Vec::new(),
            closed: Vec::new(),
            quotes: Vec::new(),
            last_end: 0,
            heredocs: Vec::new(),
            retries: 0,
            after_compound: false,
            remarks: Vec::new(),
        }
    }

    /// Notes what bash understands and the shell that Debian calls `sh` does not: `dash -n` refuses it.
    pub(super) fn of_bash_only(&mut self, start: usize, end: usize, what: &str) {
        if self.posix {
            self.remarks.push(Remark {
                start,
                end,
                message: "`dash`, which is `/bin/sh` on Debian, does not understand this script",
                label: format!("{what} is bash's own"),
                help: "start the script with `#!/bin/bash -e`",
                posix_only: true,
            });
        }
    }

    /// Reads the whole script.
    pub(super) fn script(&mut self) -> Result<(), Wrong> {
        self.list(true)?;
        if self.at < self.text.len() { Err(self.unexpected()) } else { Ok(()) }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    pub(super) fn peek_at(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    pub(super) fn starts_with(&self, token: &str) -> bool {
        self.text[self.at..].starts_with(token.as_bytes())
    }

    /// Runs `read` with something open, and closes it.
    pub(super) fn deeper(
        &mut self,
        start: usize,
        length: usize,
        kind: Kind,
        read: impl FnOnce(&mut Self) -> Result<(), Wrong>,
    ) -> Result<(), Wrong> {
        if self.open.len() >= DEEPEST {
            return Err(Wrong { gave_up: true, ..self.unexpected() });
        }
        let open = Open { start, length, kind };
        self.open.push(open);
        read(self)?;
        self.open.pop();
        if kind.is_block() {
            self.closed.push((open, self.at - kind.closer().len()));
        }
        Ok(())
    }

    /// What stands here cannot stand here.
    pub(super) fn unexpected(&self) -> Wrong {
        let mut end = self.at;
        if let Some(first) = self.text.get(end) {
            end += 1;
            if is_break(*first) {
                end += usize::from(matches!(first, b';' | b'&' | b'|') && self.text.get(end) == Some(first));
            } else {
                while self.text.get(end).is_some_and(|byte| !is_break(*byte)) {
                    end += 1;
                }
            }
        }
        Wrong { at: self.at, end, wanted: None, gave_up: false }
    }

    pub(super) fn wanted(&self, wanted: &'static str) -> Wrong {
        Wrong { wanted: Some(wanted), ..self.unexpected() }
    }

    /// Something that was opened here has no end.
    pub(super) fn never_closed(&mut self, start: usize, length: usize, kind: Kind) -> Wrong {
        self.open.push(Open { start, length, kind });
        self.at = self.text.len();
        self.unexpected()
    }

    /// Passes over blanks, lines that go on, and a comment.
    pub(super) fn blanks(&mut self) {
        loop {
            match self.peek() {
                Some(b' ' | b'\t') => self.at += 1,
                Some(b'\\') if self.peek_at(1) == Some(b'\n') => self.at += 2,
                Some(b'#') => {
                    while self.peek().is_some_and(|byte| byte != b'\n') {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    /// Passes over what parts commands, the texts of here-documents included.
    pub(super) fn blanks_and_lines(&mut self) -> Result<(), Wrong> {
        loop {
            self.blanks();
            if self.peek() != Some(b'\n') {
                return Ok(());
            }
            self.at += 1;
            for heredoc in std::mem::take(&mut self.heredocs) {
                self.heredoc_body(&heredoc);
            }
        }
    }

    /// Up to the line that ends it; a shell takes the script's end as well.
    fn heredoc_body(&mut self, heredoc: &Heredoc) {
        let mut goes_on = false;
        let mut nearly = None;
        while self.at < self.text.len() {
            let rest = &self.text[self.at..];
            let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            let line = &rest[..length];
            let tabs = if heredoc.tabs { line.iter().take_while(|byte| **byte == b'\t').count() } else { 0 };
            let shown = &line[tabs..];
            if !goes_on && shown == heredoc.end {
                self.at = (self.at + length + 1).min(self.text.len());
                return;
            }
            if nearly.is_none() && line.trim_ascii() == heredoc.end {
                nearly = Some((self.at, self.at + length));
            }
            // `EOF)`: bash takes the substitution's end for the document's.
            let behind = shown.strip_prefix(&heredoc.end[..]).filter(|rest| rest.starts_with(b")"));
            if behind.is_some() && self.open.iter().any(|open| open.kind == Kind::Substitution) {
                self.at += tabs + heredoc.end.len();
                return;
            }
            let backslashes = line.iter().rev().take_while(|byte| **byte == b'\\').count();
            goes_on = !heredoc.quoted && backslashes % 2 == 1;
            self.at = (self.at + length + 1).min(self.text.len());
        }
        // A shell takes the script's end for the document's, and says so at most.
        let end = String::from_utf8_lossy(&heredoc.end).into_owned();
        let (start, behind) = nearly.unwrap_or(heredoc.place);
        self.remarks.push(Remark {
            start,
            end: behind,
            message: "all that follows belongs to this here-document",
            label: match nearly {
                Some(_) if heredoc.tabs => {
                    format!(
                        "`{end}` with blanks around it does not end it: a shell's `<<-` takes off tabs only"
                    )
                }
                Some(_) => format!("`{end}` with blanks around it does not end it"),
                None => format!("no line `{end}` ends it"),
            },
            help: "write the closing word at the very start of its line, with nothing behind it",
            posix_only: false,
        });
    }

    /// A reserved word at this place, if it is `word`.
    pub(super) fn reserved(&self, word: &str) -> bool {
        self.starts_with(word) && self.peek_at(word.len()).is_none_or(is_break)
    }

    pub(super) fn closing_word(&self) -> Option<&'static str> {
        CLOSERS.into_iter().find(|word| self.reserved(word))
    }

    pub(super) fn expect(&mut self, word: &'static str) -> Result<(), Wrong> {
        if self.reserved(word) {
            self.at += word.len();
            self.last_end = self.at;
            return Ok(());
        }
        Err(self.wanted(word))
    }

    fn at_end_of_list(&self) -> bool {
        matches!(self.peek(), None | Some(b')'))
            || self.starts_with(";;")
            || self.starts_with(";&")
            || self.closing_word().is_some()
    }

    /// Commands up to something that can only follow commands.
    pub(super) fn list(&mut self, may_be_empty: bool) -> Result<(), Wrong> {
        self.blanks_and_lines()?;
        if self.at_end_of_list() {
            return if may_be_empty { Ok(()) } else { Err(self.wanted("a command")) };
        }
        loop {
            self.and_or()?;
            self.blanks();
            match self.peek() {
                None | Some(b')') => return Ok(()),
                Some(b'\n') => self.blanks_and_lines()?,
                Some(b';') if matches!(self.peek_at(1), Some(b';' | b'&')) => return Ok(()),
                Some(b';') => {
                    self.at += 1;
                    self.blanks_and_lines()?;
                }
                Some(b'&') if self.peek_at(1) != Some(b'&') => {
                    self.at += 1;
                    self.blanks_and_lines()?;
                }
                _ if self.after_compound && self.closing_word().is_some() => return Ok(()),
                _ => return Err(self.unexpected()),
            }
            if self.at_end_of_list() {
                return Ok(());
            }
        }
    }

    fn and_or(&mut self) -> Result<(), Wrong> {
        loop {
            self.pipeline()?;
            self.blanks();
            if !self.starts_with("&&") && !self.starts_with("||") {
                return Ok(());
            }
            self.at += 2;
            self.last_end = self.at;
            self.blanks_and_lines()?;
        }
    }

    fn pipeline(&mut self) -> Result<(), Wrong> {
        loop {
            self.blanks();
            while self.reserved("!") || self.reserved("time") {
                let time = self.peek() == Some(b't');
                self.at += if time { 4 } else { 1 };
                self.blanks();
                if time && self.reserved("-p") {
                    self.at += 2;
                    self.blanks();
                }
                if matches!(self.peek(), None | Some(b'\n' | b';')) {
                    return Ok(());
                }
            }
            self.command()?;
            self.blanks();
            if self.peek() != Some(b'|') || self.peek_at(1) == Some(b'|') {
                return Ok(());
            }
            if self.peek_at(1) == Some(b'&') {
                self.of_bash_only(self.at, self.at + 2, "`|&`");
            }
            self.at += if self.peek_at(1) == Some(b'&') { 2 } else { 1 };
            self.last_end = self.at;
            self.blanks_and_lines()?;
        }
    }

    pub(super) fn command(&mut self) -> Result<(), Wrong> {
        self.blanks();
        self.after_compound = false;
        if self.closing_word().is_some() {
            return Err(self.unexpected());
        }
        if self.compound()? {
            self.after_compound = !self.redirections()?;
            return Ok(());
        }
        if self.reserved("function") {
            let keyword = self.at;
            self.at += 8;
            self.blanks();
            let before = self.at;
            if self.word(WordPosition::default())?.is_none() {
                self.at = before;
                return if self.posix { Ok(()) } else { Err(self.wanted("a name")) };
            }
            self.of_bash_only(keyword, keyword + 8, "`function`");
            self.last_end = self.at;
            self.blanks();
            if self.peek() == Some(b'(') {
                self.at += 1;
                self.blanks();
                self.expect_byte(b')', ")")?;
            }
            return self.function_body();
        }
        if self.reserved("coproc") {
            self.at += 6;
            self.blanks();
            if self.compound()? {
                self.after_compound = !self.redirections()?;
                return Ok(());
            }
            let before = self.at;
            self.word(WordPosition::default())?;
            self.blanks();
            if self.compound()? {
                self.after_compound = !self.redirections()?;
                return Ok(());
            }
            self.at = before;
        }
        self.simple()
    }

    pub(super) fn expect_byte(&mut self, byte: u8, shown: &'static str) -> Result<(), Wrong> {
        if self.peek() == Some(byte) {
            self.at += 1;
            self.last_end = self.at;
            return Ok(());
        }
        Err(self.wanted(shown))
    }

    /// Redirections; whether there were any.
    pub(super) fn redirections(&mut self) -> Result<bool, Wrong> {
        let mut any = false;
        loop {
            self.last_end = self.at;
            let before = self.at;
            self.blanks();
            if !self.redirection()? {
                if self.peek() != Some(b'\n') {
                    self.at = before;
                }
                return Ok(any);
            }
            any = true;
        }
    }

    fn redirection(&mut self) -> Result<bool, Wrong> {
        let digits = self.text[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let mut ahead = digits;
        if self.peek() == Some(b'{') {
            let rest = &self.text[self.at + 1..];
            let name = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
            if name > 0 && rest.get(name) == Some(&b'}') {
                ahead = name + 2;
            }
        }
        let rest = &self.text[self.at + ahead..];
        let operator = ["&>>", "&>", "<<<", "<<-", "<<", "<&", "<>", "<", ">>", ">&", ">|", ">"]
            .into_iter()
            .find(|operator| rest.starts_with(operator.as_bytes()));
        let Some(operator) = operator else { return Ok(false) };
        if ahead > 0 && operator.starts_with('&') {
            return Ok(false);
        }
        if matches!(operator, "<" | ">") && rest.get(1) == Some(&b'(') {
            return Ok(false);
        }
        if operator == "<<<" {
            self.of_bash_only(self.at + ahead, self.at + ahead + operator.len(), "`<<<`");
        }
        self.at += ahead + operator.len();
        self.last_end = self.at;
        self.blanks();
        let Some(word) = self.word(WordPosition::default())? else { return Err(self.wanted("a file")) };
        self.last_end = self.at;
        if matches!(operator, "<<" | "<<-") {
            let raw = &self.text[word.start..word.end];
            let quoted = raw.iter().any(|byte| matches!(byte, b'\'' | b'"' | b'\\'));
            let mut end = Vec::with_capacity(raw.len());
            let mut bytes = raw.iter();
            let mut single = false;
            while let Some(byte) = bytes.next() {
                match byte {
                    b'\'' => single = !single,
                    b'"' => {}
                    b'\\' if !single => end.extend(bytes.next()),
                    byte => end.push(*byte),
                }
            }
            let place = (word.start - operator.len(), word.end);
            self.heredocs.push(Heredoc { place, end, tabs: operator == "<<-", quoted });
        }
        Ok(true)
    }

    /// Assignments, a command and its arguments, redirections anywhere among them; or a function.
    fn simple(&mut self) -> Result<(), Wrong> {
        /// Builtins whose arguments are assignments.
        const ASSIGN: [&[u8]; 8] =
            [b"declare", b"typeset", b"local", b"export", b"readonly", b"alias", b"eval", b"let"];
        // Assignments and redirections; words.
        let (mut others, mut words, mut assignment) = (false, 0_u32, true);
        loop {
            self.blanks();
            if self.redirection()? {
                others = true;
                continue;
            }
            match self.peek() {
                // A name and its brackets: what follows is the function's body.
                Some(b'(') if words == 1 && !others => {
                    let bracket = self.at;
                    self.at += 1;
                    self.blanks();
                    if self.peek() != Some(b')') {
                        self.at = bracket;
                        return Err(self.unexpected());
                    }
                    self.at += 1;
                    self.last_end = self.at;
                    return self.function_body();
                }
                Some(b'(') => return Err(self.unexpected()),
                _ => {}
            }
            let Some(word) = self.word(WordPosition { assignment, ..WordPosition::default() })? else {
                break;
            };
            self.last_end = self.at;
            let written = &self.text[word.start..word.end];
            if words == 0 && is_prefix(written) {
                others = true;
                continue;
            }
            words += 1;
            if words == 1 {
                assignment = ASSIGN.contains(&written);
            }
        }
        if others || words > 0 { Ok(()) } else { Err(self.unexpected()) }
    }
}

/// Whether a word is an assignment before a command.
fn is_prefix(word: &[u8]) -> bool {
    let name = word.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    if !is_name(&word[..name]) {
        return false;
    }
    match word.get(name) {
        Some(b'[') => {
            word.windows(2).any(|pair| pair == b"]=") || word.windows(3).any(|three| three == b"]+=")
        }
        Some(b'=' | b'+') => {
            let end = name + if word[name] == b'+' { 2 } else { 1 };
            word.get(..end).is_some_and(is_assignment)
        }
        _ => false,
    }
}
