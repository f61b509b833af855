//! Quoted text: escapes and `${…}`.

/// A piece of a quoted text, offsets in bytes from behind the opening quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Text(&'a str),
    Char(char),
    /// `${name}`: place and length of the whole, and the name.
    Param {
        at: usize,
        len: usize,
        name: &'a str,
    },
    /// `${` without its `}`; the name it may have begun with.
    Unclosed {
        at: usize,
        name: &'a str,
    },
    /// A backslash with something it cannot stand before.
    BadEscape {
        at: usize,
        len: usize,
    },
}

/// Takes the inside of a quoted text apart.
pub(super) fn decode<'a>(inner: &'a str, mut piece: impl FnMut(Piece<'a>)) {
    let mut plain = 0;
    let mut at = 0;
    // Looked for once: without it nothing that opens a brace is closed, however many do.
    let last_close = inner.rfind('}').unwrap_or(0);
    let bytes = inner.as_bytes();
    while at < bytes.len() {
        // Both are ASCII, so an offset at one is never inside a character.
        if !matches!(bytes[at], b'\\' | b'$') {
            at += 1;
            continue;
        }
        let rest = &inner[at..];
        let (found, len) = if bytes[at] == b'\\' {
            escape(rest, at, at < last_close)
        } else if rest.starts_with("$${") {
            (Piece::Text("${"), 3)
        } else if let Some(named) = rest.strip_prefix("${") {
            match (at < last_close).then(|| named.split_once('}')).flatten() {
                Some((name, _)) => (Piece::Param { at, len: name.len() + 3, name }, name.len() + 3),
                None => (Piece::Unclosed { at, name: name_at_start(named) }, 2),
            }
        } else {
            at += 1;
            continue;
        };
        if plain < at {
            piece(Piece::Text(&inner[plain..at]));
        }
        piece(found);
        at += len;
        plain = at;
    }
    if plain < inner.len() {
        piece(Piece::Text(&inner[plain..]));
    }
}

fn name_at_start(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')));
    &text[..end.unwrap_or(text.len())]
}

/// What a backslash begins; `closes` says whether a `}` comes behind it.
fn escape(rest: &str, at: usize, closes: bool) -> (Piece<'_>, usize) {
    let mut chars = rest.chars();
    chars.next();
    let plain = |c| (Piece::Char(c), 2);
    match chars.next() {
        Some('n') => plain('\n'),
        Some('t') => plain('\t'),
        Some('"') => plain('"'),
        Some('\\') => plain('\\'),
        Some('u') => {
            let opened = rest[2..].strip_prefix('{').filter(|_| closes);
            let digits = opened.and_then(|rest| rest.split_once('}')).map(|(digits, _)| digits);
            let hex = digits.filter(|digits| {
                (1..=6).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit())
            });
            match hex.and_then(|hex| u32::from_str_radix(hex, 16).ok()).and_then(char::from_u32) {
                Some(c) => (Piece::Char(c), 4 + digits.map_or(0, str::len)),
                None => {
                    let len = digits.map_or(2, |digits| 4 + digits.len());
                    (Piece::BadEscape { at, len }, len)
                }
            }
        }
        Some(other) => {
            let len = 1 + other.len_utf8();
            (Piece::BadEscape { at, len }, len)
        }
        None => (Piece::BadEscape { at, len: 1 }, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(inner: &str) -> Vec<Piece<'_>> {
        let mut out = Vec::new();
        decode(inner, |piece| out.push(piece));
        out
    }

    #[test]
    fn escapes_and_params() {
        assert_eq!(pieces(r"a\nb"), [Piece::Text("a"), Piece::Char('\n'), Piece::Text("b")]);
        assert_eq!(
            pieces("$${x} ${y}"),
            [Piece::Text("${"), Piece::Text("x} "), Piece::Param { at: 6, len: 4, name: "y" }]
        );
        assert_eq!(pieces(r"\u{1F600}"), [Piece::Char('😀')]);
        assert_eq!(pieces(r"\u{110000}"), [Piece::BadEscape { at: 0, len: 10 }]);
        assert_eq!(pieces(r"\é"), [Piece::BadEscape { at: 0, len: 3 }]);
        assert_eq!(pieces("5$ and ${"), [Piece::Text("5$ and "), Piece::Unclosed { at: 7, name: "" }]);
        assert_eq!(
            pieces("${a.b c"),
            [Piece::Unclosed { at: 0, name: "a.b" }, Piece::Text("a.b c")],
            "what follows is text"
        );
    }
}
