//! What the person's terminal takes: colours, and which characters.

use std::ffi::OsString;
use std::sync::OnceLock;

/// When output is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Colour {
    /// On a terminal, unless `NO_COLOR` is set; also elsewhere if `FORCE_COLOR` is.
    Auto,
    Always,
    Never,
}

/// `--color`, which every command has. Set once, before the command runs.
static CHOSEN: OnceLock<Colour> = OnceLock::new();

/// What a command line asks for, as clap has it; one that is wrong is told by clap.
pub(super) fn asked_for(args: impl Iterator<Item = String>) -> clap::ColorChoice {
    let args: Vec<String> = args.collect();
    let apart = args.windows(2).filter(|pair| pair[0] == "--color").map(|pair| pair[1].as_str());
    let joined = args.iter().filter_map(|arg| arg.strip_prefix("--color="));
    match apart.chain(joined).last() {
        Some("always") => clap::ColorChoice::Always,
        Some("never") => clap::ColorChoice::Never,
        _ => clap::ColorChoice::Auto,
    }
}

pub(super) fn choose(colour: Colour) {
    // A process runs one command.
    let _ = CHOSEN.set(colour);
}

/// Whether to use colour on a stream.
pub(super) fn colour(terminal: bool) -> bool {
    let chosen = CHOSEN.get().copied().unwrap_or(Colour::Auto);
    coloured(chosen, terminal, |name| std::env::var_os(name))
}

fn coloured(chosen: Colour, terminal: bool, env: impl Fn(&str) -> Option<OsString>) -> bool {
    let set = |name| env(name).filter(|value| !value.is_empty());
    match chosen {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto if set("NO_COLOR").is_some() => false,
        Colour::Auto if set("FORCE_COLOR").is_some_and(|value| value != "0") => true,
        Colour::Auto => terminal && set("TERM").is_none_or(|term| term != "dumb"),
    }
}

/// Whether more than ASCII can be shown, as the C library chooses the locale's character set. Where nothing is
/// said, as in most containers, terminals and logs are UTF-8.
pub(super) fn unicode() -> bool {
    shows_unicode(|name| std::env::var_os(name))
}

fn shows_unicode(env: impl Fn(&str) -> Option<OsString>) -> bool {
    let set = |name| env(name).filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
    locale.is_none_or(|locale| {
        let locale = locale.to_string_lossy().to_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// A text of ours with the characters that we draw with, as the locale can show them. The user's own text stays.
pub(super) fn drawable(text: String) -> String {
    if unicode() { text } else { ascii(&text) }
}

fn ascii(text: &str) -> String {
    // What is said behind `= help:` may be typed; frames keep their width.
    let line = |line: &str| {
        let line: String =
            if line.starts_with("  = ") { line.replace('…', "...") } else { line.to_owned() };
        ascii_characters(&line)
    };
    text.split_inclusive('\n').map(line).collect()
}

fn ascii_characters(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '┌' | '├' | '└' | '✓' => '+',
            '─' | '—' | '–' => '-',
            '│' => '|',
            '·' => '.',
            '…' => '~',
            '→' => '>',
            '✗' => 'x',
            '\u{2018}' | '\u{2019}' => '\'',
            other => other,
        })
        .collect()
}

/// Columns of the terminal behind stdout; none if it is no terminal.
pub(super) fn width() -> Option<usize> {
    let terminal = console::Term::stdout();
    if !terminal.is_term() {
        return None;
    }
    terminal.size_checked().map(|(_, columns)| usize::from(columns)).filter(|columns| *columns > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(variables: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<OsString> {
        |name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
    }

    #[test]
    fn colour_follows_the_flag_then_no_color_then_force_color_then_the_terminal() {
        use Colour::{Always, Auto, Never};
        type Case = (Colour, bool, &'static [(&'static str, &'static str)], bool);
        let cases: [Case; 11] = [
            (Auto, true, &[], true),
            (Auto, false, &[], false),
            (Auto, true, &[("NO_COLOR", "1")], false),
            (Auto, true, &[("NO_COLOR", "")], true),
            (Auto, false, &[("FORCE_COLOR", "1")], true),
            (Auto, false, &[("FORCE_COLOR", "0")], false),
            (Auto, true, &[("FORCE_COLOR", "1"), ("NO_COLOR", "1")], false),
            (Auto, true, &[("TERM", "dumb")], false),
            (Auto, true, &[("TERM", "dumb"), ("FORCE_COLOR", "1")], true),
            (Always, false, &[("NO_COLOR", "1")], true),
            (Never, true, &[("FORCE_COLOR", "1")], false),
        ];
        for (chosen, terminal, variables, expected) in cases {
            let is = coloured(chosen, terminal, given(variables));
            assert_eq!(is, expected, "{chosen:?} {terminal} {variables:?}");
        }
    }

    #[test]
    fn the_first_variable_of_the_locale_that_is_set_counts() {
        for (variables, expected) in [
            (&[][..], true),
            (&[("LANG", "ko_KR.UTF-8")], true),
            (&[("LC_ALL", "C"), ("LANG", "en_GB.UTF-8")], false),
            (&[("LC_ALL", ""), ("LANG", "de_DE@utf8")], true),
            (&[("LANG", "de_DE.ISO-8859-1")], false),
            (&[("LANG", "POSIX")], false),
        ] {
            assert_eq!(shows_unicode(given(variables)), expected, "{variables:?}");
        }
    }

    #[test]
    fn what_we_draw_with_has_an_ascii_form_of_the_same_width() {
        assert_eq!(ascii("  ┌─ ImageFile:1:2\n3 │ 한…\n  ├─ ·"), "  +- ImageFile:1:2\n3 | 한~\n  +- .");
    }

    #[test]
    fn what_may_be_typed_is_no_tilde_and_frames_keep_their_width() {
        let text = "2 │ a…\n  = help: write `env A = \"…\"`\n";
        assert_eq!(ascii(text), "2 | a~\n  = help: write `env A = \"...\"`\n");
    }
}
