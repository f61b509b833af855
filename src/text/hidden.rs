//! Characters that a reader does not see as they are: what a terminal acts on, and what changes the order or the
//! look of the text around it.

/// Whether a character is to be shown by another one. Line ends and tabs are not.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        c if c.is_ascii() => c.is_ascii_control(),
        c => {
            c.is_control()
                || matches!(c,
                    '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
                    | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}'
                    | '\u{E0000}'..='\u{E007F}')
        }
    }
}
