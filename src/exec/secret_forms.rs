//! The forms in which a secret may be printed: as it is, and as the usual programs encode it.

use std::collections::BTreeSet;

/// Lines of a secret that are shorter than this many bytes are masked only together with the rest of it: a
/// `}` of its own would make every log unreadable.
const SHORT_LINE: usize = 4;
/// An encoded form is hidden if it is at least so long: what is shorter is in every log by chance.
const SHORT_FORM: usize = 4;

/// Everything that stands for a secret, as it is and encoded; of a text of several lines also each line.
pub(super) fn all(value: &[u8]) -> BTreeSet<Vec<u8>> {
    let whole = value.trim_ascii();
    let lines = whole.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    let mut plain: BTreeSet<&[u8]> = lines.filter(|line| line.len() >= SHORT_LINE).collect();
    plain.insert(whole);
    let mut forms = BTreeSet::new();
    for text in plain.into_iter().filter(|text| !text.is_empty()) {
        forms.insert(text.to_vec());
        let encoded =
            base64(text).into_iter().chain(hex_forms(text)).chain(url(text)).chain([reversed(text)]);
        forms.extend(encoded.filter(|form| form.len() >= SHORT_FORM));
    }
    forms
}

fn reversed(text: &[u8]) -> Vec<u8> {
    // By characters where it is text, as `rev` does.
    match std::str::from_utf8(text) {
        Ok(text) => text.chars().rev().collect::<String>().into_bytes(),
        Err(_) => text.iter().rev().copied().collect(),
    }
}

fn hex_forms(text: &[u8]) -> [Vec<u8>; 2] {
    [hex::encode(text).into_bytes(), hex::encode_upper(text).into_bytes()]
}

/// A mark for: encode every byte. No encoder leaves this one out.
const EVERY: &str = "%";

/// Percent-encoded with either case of its digits, all that is not unreserved (as browsers, curl and Python see
/// that) or every byte, and with `+` for a blank.
fn url(text: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    for kept in ["-._~", "-._~/", "-_.!~*'()", "*-._", "", EVERY] {
        for (upper, plus) in [(true, false), (true, true), (false, false), (false, true)] {
            let mut form = Vec::new();
            for &byte in text {
                if kept != EVERY && (byte.is_ascii_alphanumeric() || kept.as_bytes().contains(&byte)) {
                    form.push(byte);
                } else if plus && byte == b' ' {
                    form.push(b'+');
                } else {
                    let digits = if upper { format!("%{byte:02X}") } else { format!("%{byte:02x}") };
                    form.extend(digits.into_bytes());
                }
            }
            forms.push(form);
        }
    }
    forms
}

/// The characters of base64 that only depend on the text, for each of the three places at which it may begin
/// in what is encoded; in the usual alphabet and the one for URLs.
fn base64(text: &[u8]) -> Vec<Vec<u8>> {
    const USUAL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const FOR_URLS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut forms = Vec::new();
    for before in 0..3 {
        let bits = text.len() * 8;
        // Bit `offset` of the text is the first that begins a character.
        let offset = (6 - before * 8 % 6) % 6;
        let whole = bits.saturating_sub(offset) / 6;
        let sextet = |nth: usize| {
            (0..6).fold(0usize, |value, bit| {
                let at = offset + nth * 6 + bit;
                value << 1 | usize::from(text[at / 8] >> (7 - at % 8) & 1)
            })
        };
        for alphabet in [USUAL, FOR_URLS] {
            forms.push((0..whole).map(|nth| alphabet[sextet(nth)]).collect());
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn has(value: &str, form: &str) -> bool {
        all(value.as_bytes()).contains(form.as_bytes())
    }

    #[test]
    fn the_usual_encodings_are_known() {
        // printf hunter2 | base64; printf 1hunter2 | base64; printf 12hunter2 | base64
        assert!("aHVudGVyMg==".contains("aHVudGVyM") && has("hunter2", "aHVudGVyM"));
        assert!("MWh1bnRlcjI=".contains("h1bnRlcj") && has("hunter2", "h1bnRlcj"));
        assert!("MTJodW50ZXIy".contains("odW50ZXIy") && has("hunter2", "odW50ZXIy"));
        assert!(has("a?>~~", "YT8-fn") && has("a?>~~", "YT8+fn"));
        assert!(has("hunter2", "68756e74657232") && has("kkkkk", "6B6B6B6B6B"));
        assert!(
            has("a b/c&d", "a%20b%2Fc%26d") && has("a b/c&d", "a+b%2fc%26d") && has("a b/c&d", "a%20b/c%26d")
        );
        assert!(has("hunter2\n", "2retnuh") && has("grün", "nürg"));
    }

    /// As a program would do it, with anything before and after.
    fn encoded(text: &[u8], alphabet: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for chunk in text.chunks(3) {
            let bytes = [chunk[0], *chunk.get(1).unwrap_or(&0), *chunk.get(2).unwrap_or(&0)];
            let number = u32::from(bytes[0]) << 16 | u32::from(bytes[1]) << 8 | u32::from(bytes[2]);
            for nth in 0..=chunk.len() {
                out.push(alphabet[(number >> (18 - 6 * nth) & 63) as usize]);
            }
        }
        out
    }

    proptest! {
        /// Wherever a secret stands in what is encoded, a form of it is in the result.
        #[test]
        fn base64_is_known_at_every_place(
            before in proptest::collection::vec(any::<u8>(), 0..7),
            secret in "[!-~]{6,20}",
            after in proptest::collection::vec(any::<u8>(), 0..7),
        ) {
            let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
            let text = encoded(&[before, secret.clone().into_bytes(), after].concat(), alphabet);
            let forms = base64(secret.as_bytes());
            prop_assert!(forms.iter().any(|form| text.windows(form.len()).any(|part| part == form)));
        }
    }
}
