//! Characters that a reader does not see as they are: what a terminal acts on, and what changes the order or the
//! look of the text around it.

/// Whether a character is to be shown by another one. Line ends and tabs are not.
///
/// Beside controls these are Unicode's `Default_Ignorable_Code_Point` (DerivedCoreProperties.txt), what separates lines and
/// annotates, and the empty pattern of Braille.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        c if c.is_ascii() => c.is_ascii_control(),
        c => {
            c.is_control()
                || matches!(c,
                    '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}'
                    | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
                    | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}'
                    | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}'
                    | '\u{E0000}'..='\u{E0FFF}')
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_hidden;

    #[test]
    fn what_nobody_sees_is_hidden_and_what_everybody_reads_is_not() {
        for c in "\u{1b}\r\u{7f}\u{9b}\u{AD}\u{34F}\u{115F}\u{1160}\u{17B4}\u{200B}\u{202E}\u{2066}\u{2800}\u{3164}\u{FE0F}\u{FFA0}\u{E0100}\u{E01EF}".chars() {
            assert!(is_hidden(c), "{c:?}");
        }
        for c in "aß é中한ん…–“„\u{a0}→✓🙂\n\t".chars() {
            assert!(!is_hidden(c), "{c:?}");
        }
    }
}
