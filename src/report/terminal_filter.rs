//! What a guest may do to the terminal of the person who sits at its console: draw. An installer, an editor and a shell
//! need that; nobody needs a guest that sets the title, writes to the clipboard, sends a file, or moves the window.
//!
//! Control sequences are those of ECMA-48. Of its strings (OSC, DCS, APC, PM, SOS), in which all of that is said, none
//! passes. What makes a terminal answer passes: the answer goes to the guest like anything typed, and to nobody else.

/// Longest control sequence that is kept back until it is whole; no real one has as many bytes.
const LONGEST: usize = 64;

/// Lets drawing through, however the bytes are cut into pieces.
#[derive(Debug, Default)]
pub struct TerminalFilter {
    state: State,
    /// A control sequence that is not whole yet.
    kept: Vec<u8>,
    /// Nothing but text passes: neither sequences nor other controls than those of lines.
    only_text: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// Behind the first byte of a two-byte control of UTF-8.
    C1,
    /// Behind an escape.
    Escape,
    /// In a control sequence: parameters, then one letter.
    Sequence,
    /// In a string, which ends with BEL or ST.
    String,
    /// In one, behind an escape or the first byte of a two-byte ST.
    StringEnd,
}

impl TerminalFilter {
    /// One that leaves the text alone, as lines: for a log.
    #[must_use]
    pub fn only_text() -> Self {
        Self { only_text: true, ..Self::default() }
    }

    /// What of these bytes may be shown now.
    pub fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        for &byte in bytes {
            self.take(byte, &mut out);
        }
        out
    }

    fn take(&mut self, byte: u8, out: &mut Vec<u8>) {
        match self.state {
            State::Text => match byte {
                0x1B => self.keep(byte, State::Escape),
                0xC2 => self.keep(byte, State::C1),
                0..=0x1F | 0x7F if self.only_text && !matches!(byte, b'\n' | b'\t') => {}
                _ => out.push(byte),
            },
            State::C1 => match byte {
                // As ESC P, ESC X, ESC ], ESC ^ and ESC _.
                0x90 | 0x98 | 0x9D | 0x9E | 0x9F => self.drop_to(State::String),
                0x9B => {
                    self.kept = b"\x1B[".to_vec();
                    self.state = State::Sequence;
                }
                _ => self.release(byte, out),
            },
            State::Escape => match byte {
                b'P' | b'X' | b']' | b'^' | b'_' => self.drop_to(State::String),
                b'[' => self.keep(byte, State::Sequence),
                // Intermediate bytes, such as of a character set.
                b' '..=b'/' if self.kept.len() < LONGEST => self.kept.push(byte),
                0x1B => {}
                _ => self.release(byte, out),
            },
            State::Sequence => match byte {
                b' '..=b'?' if self.kept.len() < LONGEST => self.kept.push(byte),
                b't' if self.kept != b"\x1B[18" => self.drop_to(State::Text),
                b'@'..=b'~' => self.release(byte, out),
                0x1B => {
                    self.drop_to(State::Escape);
                    self.kept.push(byte);
                }
                // Nothing of what is none.
                _ => self.drop_to(State::Text),
            },
            State::String => match byte {
                0x07 => self.drop_to(State::Text),
                // CAN and SUB end a string, and so does a line: a guest that never ends one is still seen.
                0x18 | 0x1A | b'\n' => {
                    self.drop_to(State::Text);
                    out.push(byte);
                }
                0x1B | 0xC2 => self.state = State::StringEnd,
                _ => {}
            },
            State::StringEnd => match byte {
                b'\\' | 0x9C | 0x07 => self.drop_to(State::Text),
                0x1B | 0xC2 => {}
                _ => self.state = State::String,
            },
        }
    }

    fn keep(&mut self, byte: u8, state: State) {
        self.kept.push(byte);
        self.state = state;
    }

    fn drop_to(&mut self, state: State) {
        self.kept.clear();
        self.state = state;
    }

    fn release(&mut self, byte: u8, out: &mut Vec<u8>) {
        if self.only_text && self.state != State::C1 {
            self.kept.clear();
        } else {
            out.append(&mut self.kept);
            out.push(byte);
        }
        self.state = State::Text;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same whole, and byte by byte.
    fn passed(bytes: &[u8]) -> String {
        let whole = TerminalFilter::default().pass(bytes);
        let mut filter = TerminalFilter::default();
        let pieces: Vec<u8> = bytes.iter().flat_map(|byte| filter.pass(&[*byte])).collect();
        assert_eq!(whole, pieces);
        String::from_utf8_lossy(&whole).into_owned()
    }

    #[test]
    fn drawing_passes() {
        for text in [
            "a\r\nb\tc\x08 \x07",
            "\x1b[1;31mred\x1b[0m",
            "\x1b[2J\x1b[10;4H",
            "\x1b7x\x1b8",
            "\x1b(Bü€",
            "\x1b[?1049h",
            "\x1b[6n\x1b[18t",
        ] {
            assert_eq!(passed(text.as_bytes()), text, "{text:?}");
        }
    }

    #[test]
    fn what_reaches_beyond_the_screen_does_not() {
        for (bytes, shown) in [
            (&b"a\x1b]0;title\x07b"[..], "ab"),
            (b"a\x1b]52;c;c2VjcmV0\x1b\\b", "ab"),
            (b"a\xc2\x9d52;c;x\xc2\x9cb", "ab"),
            (b"a\x1bPq#0\x1b\\b\x1b_G\x1b\\c\x1b^x\x1b\\d\x1bXy\x1b\\e", "abcde"),
            (b"a\x1b[8;1;1tb\x1b[3;0;0tc", "abc"),
            (b"a\x1b]never ended\nb", "a\nb"),
            (b"a\x1b\x1b]0;t\x07b", "ab"),
            (b"a\x1b[1\x1b]0;t\x07b", "ab"),
            (b"a\xc2\x9b1mb", "a\x1b[1mb"),
        ] {
            assert_eq!(passed(bytes), shown, "{bytes:?}");
        }
    }

    #[test]
    fn of_a_log_the_text_is_left() {
        let mut filter = TerminalFilter::only_text();
        let line = "\x1b[0;32m[  OK  ]\x1b[0m \x1b[38:5:185mü€\x1b[K\x07\ta\x08\r\n\x1b(B\x1b7x";
        assert_eq!(String::from_utf8_lossy(&filter.pass(line.as_bytes())), "[  OK  ] ü€\ta\nx");
    }

    #[test]
    fn a_sequence_without_end_is_not_kept_for_ever() {
        let mut filter = TerminalFilter::default();
        filter.pass(b"\x1b[");
        for _ in 0..1000 {
            filter.pass(b"1;");
        }
        assert!(filter.kept.len() <= LONGEST);
        assert_eq!(filter.pass(b"x"), b"x");
    }
}
