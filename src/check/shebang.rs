//! The first line of a script: the interpreter, and the one argument that the kernel hands to it.

use super::script_text::{ScriptText, is_shell};
use super::shown::short;
use super::{Checker, ImageSpec};
use crate::diagnostic::{Applicability, Diagnostic, codes};
use crate::text::Span;

/// Where programs lie: one blank too many makes one of these the interpreter.
const FOLDERS: [&str; 6] = ["/bin", "/bin/", "/usr/bin", "/usr/bin/", "/usr/local/bin", "/usr/local/bin/"];

impl Checker<'_> {
    /// The words of the first line behind `#!`.
    pub(super) fn shebang(&mut self, text: &ScriptText, asked: Span) -> Option<Vec<String>> {
        let first = text.content.split('\n').next().unwrap_or_default();
        let words: Vec<String> = match first.strip_prefix("#!") {
            // The kernel gives everything behind the interpreter as one argument.
            Some(rest) => rest
                .trim()
                .splitn(2, [' ', '\t'])
                .map(|word| word.trim().to_owned())
                .filter(|word| !word.is_empty())
                .collect(),
            None => Vec::new(),
        };
        if words.first().is_some_and(|program| program.starts_with('/')) {
            self.comment_behind(text, asked, &words)?;
            self.one_argument(text, asked, &words)?;
            return Some(words);
        }
        let shown = text.content.lines().position(|line| line.starts_with("#!"));
        let diagnostic = if text.content.trim().is_empty() {
            Diagnostic::new(codes::NO_SHEBANG, "this script is empty").label(asked, "nothing to run")
        } else if first.starts_with("#!") {
            Diagnostic::new(codes::NO_SHEBANG, "this shebang names no interpreter by its whole path")
                .label(text.span(0, first.len()), "expected a path such as `/bin/bash`")
                .label(asked, "run here")
        } else {
            if first.trim_start().starts_with("#!") {
                self.report(
                    Diagnostic::new(codes::NO_SHEBANG, "this script's first line is indented")
                        .label(text.span(0, first.len()), "`#!` counts only at the very start of a line")
                        .label(asked, "run here")
                        .help("indent all its lines alike, with blanks or with tabs: `<<-` takes off what they have in common"),
                );
                return None;
            }
            let diagnostic = Diagnostic::new(codes::NO_SHEBANG, "this script has no shebang")
                .label(text.span(0, first.len()), "the first line must say what runs it")
                .label(asked, "run here");
            match shown {
                Some(_) => {
                    diagnostic.note("there is one further below: it counts only as the very first line")
                }
                None => {
                    let start = text.span(0, 0);
                    let indent = self.indentation(start);
                    diagnostic.fix(
                        Applicability::Maybe,
                        "start it with `#!/bin/bash -e`",
                        start,
                        format!("#!/bin/bash -e\n{indent}"),
                    )
                }
            }
        };
        self.report(diagnostic.help("start it with `#!/bin/bash -e`"));
        None
    }

    /// A comment in a shebang: the kernel hands it to the interpreter as an argument.
    fn comment_behind(&mut self, text: &ScriptText, asked: Span, words: &[String]) -> Option<()> {
        let Some(argument) = words.get(1) else { return Some(()) };
        let comment = argument.starts_with('#').then_some(0).or_else(|| argument.find(" #").map(|at| at + 1));
        // `env -S` splits its argument itself, and knows comments.
        if comment.is_none() || argument.starts_with("-S") || argument.starts_with("--split-string") {
            return Some(());
        }
        let first = text.content.split('\n').next().unwrap_or_default();
        let at = first.find(" #").map_or(first.len(), |at| at + 1);
        let line = text.span(0, first.len());
        let program = words.first().map_or("", String::as_str);
        let (before, comment) = first.split_at(at);
        let indent = self.indentation(text.span(0, 0));
        self.report(
            Diagnostic::new(
                codes::SHEBANG_COMMENT,
                format!("`{}` would get this comment as an argument", short(program)),
            )
            .label(text.span(at, first.len()), "not a comment: a shebang has none")
            .label(asked, "run here")
            .help("write the comment on the next line")
            .fix(
                Applicability::Safe,
                "write it on the next line",
                line,
                format!("{}\n{indent}{comment}", before.trim_end()),
            ),
        );
        None
    }

    /// An interpreter that a server image lacks unless something brings it.
    pub(super) fn interpreter(&mut self, text: &ScriptText, program: &str, image: &ImageSpec) {
        const COMMON: [&str; 10] =
            ["sh", "bash", "dash", "perl", "python3", "awk", "mawk", "sed", "env", "true"];
        if COMMON.contains(&program) {
            return;
        }
        let stem = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        // Debian's `python3` brings no `python`.
        let related = |name: &str| match program {
            "python" => name == "python-is-python3",
            _ => name.starts_with(stem) || stem == "node" && name.starts_with("node"),
        };
        let brought = image.packages.iter().any(|package| related(&package.name))
            || image.apps.iter().any(|app| related(&app.name.value));
        if brought {
            return;
        }
        let first = text.content.split('\n').next().unwrap_or_default().len();
        let help = match program {
            "python" => "Debian and Ubuntu have `python3` only; `packages [\"python-is-python3\"]` gives it this name too".to_owned(),
            "node" => "install it: `app nodejs`".to_owned(),
            _ if first_word_has_option(program) => {
                format!("write a blank before `-`: `{}`", program.replacen('-', " -", 1))
            }
            _ => "name the package that brings it in `packages`".to_owned(),
        };
        self.report(
            Diagnostic::new(
                codes::UNUSUAL_INTERPRETER,
                format!("nothing in this image brings the interpreter `{}`", short(program)),
            )
            .label(text.span(0, first), "not part of a usual base")
            .help(help),
        );
    }

    /// More than one argument: execve(2), "Interpreter scripts". `env -S` splits its argument itself.
    fn one_argument(&mut self, text: &ScriptText, asked: Span, words: &[String]) -> Option<()> {
        if let Some(interpreter) = words.first().filter(|path| FOLDERS.contains(&path.as_str())) {
            let first = text.content.split('\n').next().unwrap_or_default();
            let line = text.span(0, first.len());
            self.report(
                Diagnostic::new(codes::NO_SHEBANG, format!("`{interpreter}` is a folder, and runs nothing"))
                    .label(line, "expected a path such as `/bin/bash`")
                    .label(asked, "run here")
                    .help("write `#!/usr/bin/env bash`, without a blank behind `bin/`"),
            );
            return None;
        }
        if let Some(option) = takes_the_script(words) {
            self.taken_for_a_value(text, asked, words, option);
            return None;
        }
        let [interpreter, argument] = words else {
            return if words.len() == 1 && name(&words[0]) == "env" {
                self.no_program(text, asked)
            } else {
                Some(())
            };
        };
        let first = argument.split_whitespace().next().unwrap_or_default();
        let splits = first.starts_with("--split-string")
            || first.starts_with('-') && !first.starts_with("--") && first.contains('S');
        let counts = matches!(name(interpreter), "env" | "python3" | "zsh") || is_shell(name(interpreter));
        if splits || !counts || !argument.contains([' ', '\t']) {
            return Some(());
        }
        let first = text.content.split('\n').next().unwrap_or_default();
        let line = text.span(0, first.len());
        let meant = if name(interpreter) == "env" {
            format!("#!{interpreter} -S {argument}")
        } else {
            format!("#!/usr/bin/env -S {interpreter} {argument}")
        };
        let at = first.find(argument.as_str()).unwrap_or(0);
        self.report(
            Diagnostic::new(
                codes::SHEBANG_ARGUMENTS,
                format!("`{}` would get `{}` as one argument", short(interpreter), short(argument)),
            )
            .label(text.span(at, at + argument.len()), "a shebang gives no more than one argument")
            .label(asked, "run here")
            .help(format!("write `{meant}`, or options of a shell as `set` on the next line"))
            .fix(Applicability::Safe, "let `env -S` split it", line, meant),
        );
        None
    }

    fn taken_for_a_value(&mut self, text: &ScriptText, asked: Span, words: &[String], option: char) {
        let first = text.content.split('\n').next().unwrap_or_default();
        let last = words.get(1).and_then(|argument| argument.split_whitespace().last()).unwrap_or_default();
        let at = first.rfind(last).unwrap_or(0);
        let takes = if option == 'c' { "commands" } else { "the name of an option" };
        let letters: String = last.chars().filter(|letter| *letter != option).collect();
        let rest = first[..at].trim_end();
        let help = match (option, letters.trim_end_matches('-')) {
            ('c', _) => format!("leave out `-{option}`"),
            (_, "") => "write `set -o …` on the next line".to_owned(),
            (_, letters) => format!("write `{rest} {letters}`, and `set -o …` on the next line"),
        };
        self.report(
            Diagnostic::new(
                codes::SHEBANG_ARGUMENTS,
                format!("`-{option}` would take this script's own path for {takes}"),
            )
            .label(text.span(at, at + last.len()), format!("`-{option}` wants a word behind it"))
            .label(asked, "run here")
            .help(help),
        );
    }

    fn no_program(&mut self, text: &ScriptText, asked: Span) -> Option<()> {
        let first = text.content.split('\n').next().unwrap_or_default();
        self.report(
            Diagnostic::new(codes::NO_SHEBANG, "this shebang names no interpreter")
                .label(text.span(0, first.len()), "`env` runs what stands behind it")
                .label(asked, "run here")
                .help("write `#!/usr/bin/env bash`"),
        );
        None
    }
}

/// `bash-e`: an option that lacks the blank before it.
fn first_word_has_option(program: &str) -> bool {
    program.split_once('-').is_some_and(|(shell, rest)| is_shell(shell) && rest.len() <= 3)
}

/// The program a shebang runs, seen through `env`.
pub(super) fn program(interpreter: &[String]) -> Option<&str> {
    let first = name(interpreter.first()?);
    if first != "env" {
        return Some(first);
    }
    let mut words = interpreter.get(1)?.split_whitespace();
    loop {
        match words.next()? {
            // The names of a variable and a folder.
            "-u" | "--unset" | "-C" | "--chdir" => _ = words.next(),
            word if word.starts_with('-') || word.contains('=') => {}
            word => return Some(name(word)),
        }
    }
}

/// The option of a shell that stands last and takes a word: that would be the script's own name. bash(1), "OPTIONS".
fn takes_the_script(interpreter: &[String]) -> Option<char> {
    program(interpreter).filter(|program| is_shell(program))?;
    let last = interpreter.get(1)?.split_whitespace().last()?;
    let letters = last.strip_prefix('-').filter(|letters| !letters.starts_with('-'))?;
    // `env -S`, with nothing behind it, is no shell's.
    letters.chars().find(|letter| matches!(letter, 'o' | 'O' | 'c'))
}

fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
