//! What stands behind the interpreter of a shebang: the kernel hands all of it over as one argument.

use super::Checker;
use super::script::{ScriptText, is_shell};
use super::structure::short;
use crate::diagnostic::{Applicability, Diagnostic, codes};
use crate::text::Span;

/// Where programs lie: one blank too many makes one of these the interpreter.
const FOLDERS: [&str; 6] = ["/bin", "/bin/", "/usr/bin", "/usr/bin/", "/usr/local/bin", "/usr/local/bin/"];

impl Checker<'_> {
    /// More than one argument: execve(2), "Interpreter scripts". `env -S` splits its argument itself.
    pub(super) fn one_argument(&mut self, text: &ScriptText, asked: Span, words: &[String]) -> Option<()> {
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

fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
