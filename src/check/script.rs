//! User scripts are looked into: shebang, encoding, `-e`, and what their environment lacks.

use std::collections::HashSet;

use super::operands::Text;
use super::outputs::scripts;
use super::script_text::{ScriptText, is_shell, to_u32};
use super::shebang::program;
use super::shown::short;
use super::{Checker, EnvVar, FileKind, ImageSpec, Script, ScriptBody, shell};
use crate::diagnostic::{Applicability, Diagnostic, Edit, Fix, codes};
use crate::syntax::Heredoc;
use crate::text::{Span, Spanned};

/// Largest script that is looked at and sent to the guest, in bytes.
pub const SCRIPT_LIMIT: u64 = 4 << 20;

/// A script as it was found.
#[derive(Debug)]
pub(super) struct Origin {
    pub body: ScriptBody,
    /// The path as written, or the heredoc's tag.
    pub written: String,
    /// Absent if it is not text.
    pub text: Option<ScriptText>,
}

/// A script to examine once its whole image is known.
#[derive(Debug)]
pub(super) struct Pending {
    pub text: ScriptText,
    pub script: Script,
    /// The image's name, as its identity.
    pub image: Span,
}

impl Checker<'_> {
    pub(super) fn heredoc_script(&mut self, heredoc: &Heredoc) -> Option<Origin> {
        let text = ScriptText::of_heredoc(heredoc, self.input.sources.get(heredoc.body.source));
        let interpreter = self.shebang(&text, heredoc.marker)?;
        let body = ScriptBody {
            content: text.content.clone().into_bytes(),
            path: None,
            interpreter,
            source: text.source,
            start: heredoc.body.start,
        };
        let written = self.slice(heredoc.tag).to_owned();
        Some(Origin { body, written, text: Some(text) })
    }

    pub(super) fn script_file(&mut self, path: Text) -> Option<Origin> {
        let written = path.value.clone();
        let path = self.project_path(path)?;
        let (source, bytes) = match self.input.script_sources.get(&path.value) {
            Some((source, bytes)) => (*source, bytes.clone()),
            None => {
                if !matches!(self.kind_of(&path)?, FileKind::File { .. }) {
                    self.misfit(
                        codes::WRONG_KIND,
                        path.span,
                        &path.value,
                        "a script",
                        "it is no file; a script is a file that starts with `#!`",
                    );
                    return None;
                }
                let bytes = match self.input.files.read(&path.value, SCRIPT_LIMIT) {
                    Ok(bytes) => bytes,
                    Err(error) => {
                        self.no_file(&path, &error);
                        return None;
                    }
                };
                let source =
                    self.input.sources.add(path.value.clone(), String::from_utf8_lossy(&bytes).into_owned());
                self.input.script_sources.insert(path.value.clone(), (source, bytes.clone()));
                (source, bytes)
            }
        };
        let file = self.input.sources.get(source);
        let text = ScriptText::of_file(source, &file.text);
        let is_text = std::str::from_utf8(&bytes).is_ok();
        self.encoding(&path, &text)?;
        if self.merge_conflicts(source) {
            return None;
        }
        let interpreter = self.shebang(&text, path.span)?;
        self.line_ends(&path, &text, &interpreter)?;
        let body = ScriptBody { content: bytes, path: Some(path.value), interpreter, source, start: 0 };
        Some(Origin { body, written, text: is_text.then_some(text) })
    }

    /// A byte-order mark or carriage returns, with which no kernel finds the interpreter.
    fn encoding(&mut self, path: &Spanned<String>, text: &ScriptText) -> Option<()> {
        if text.content.starts_with('\u{FEFF}') {
            let bom = Span::new(text.source, 0, 3);
            self.report(
                Diagnostic::new(
                    codes::SCRIPT_ENCODING,
                    format!("the script `{}` starts with a byte-order mark", short(&path.value)),
                )
                .label(bom, "this invisible character stands before `#!`")
                .label(path.span, "run here")
                .fix(Applicability::Safe, "remove the byte-order mark", bom, ""),
            );
            return None;
        }
        let first = text.content.split('\n').next().unwrap_or_default();
        if first.starts_with("#!")
            && let Some(at) = first.find('\r')
        {
            let label = "the system would look for an interpreter whose name ends in a carriage return";
            self.carriage_returns(path, text, at, label);
            return None;
        }
        Some(())
    }

    /// Carriage returns behind the first line, which a shell takes for part of the words before them.
    fn line_ends(&mut self, path: &Spanned<String>, text: &ScriptText, interpreter: &[String]) -> Option<()> {
        if !program(interpreter).is_some_and(is_shell) {
            return Some(());
        }
        let Some(at) = text.content.find("\r\n") else { return Some(()) };
        let (with, all) = (text.content.matches("\r\n").count(), text.content.matches('\n').count());
        // The first line has none.
        if with * 2 >= all - 1 {
            let label = "the shell takes the carriage return for a part of this line's last word";
            self.carriage_returns(path, text, at, label);
            return None;
        }
        let span = Span::new(text.source, to_u32(at), to_u32(at + 1));
        let many = if with == 1 { "one line".to_owned() } else { format!("{with} lines") };
        let mut diagnostic = Diagnostic::new(
            codes::SOME_CARRIAGE_RETURNS,
            format!("{many} of the script `{}` end in a carriage return", short(&path.value)),
        )
        .label(span, "part of this line's last word, for the shell")
        .label(path.span, "run here")
        .help("save it with `\\n` line ends throughout");
        if with == 1 {
            diagnostic.message =
                format!("one line of the script `{}` ends in a carriage return", short(&path.value));
        }
        diagnostic.fixes.push(without_carriage_returns(text, Applicability::Maybe));
        self.report(diagnostic);
        Some(())
    }

    /// A script with Windows line ends; `at` is the first carriage return.
    fn carriage_returns(&mut self, path: &Spanned<String>, text: &ScriptText, at: usize, label: &str) {
        let mut diagnostic = Diagnostic::new(
            codes::SCRIPT_ENCODING,
            format!("the script `{}` has Windows line ends", short(&path.value)),
        )
        .label(Span::new(text.source, to_u32(at), to_u32(at + 1)), label)
        .label(path.span, "run here")
        .help("save it with `\\n` line ends, and add `* text eol=lf` to .gitattributes");
        diagnostic.fixes.push(without_carriage_returns(text, Applicability::Safe));
        self.report(diagnostic);
    }

    /// The blanks before a place on its line.
    pub(super) fn indentation(&self, place: Span) -> String {
        let source = self.input.sources.get(place.source);
        let line = source.lines().line_col(place.start).line;
        let start = source.lines().line_start(line).unwrap_or(place.start);
        source.text[start as usize..place.start as usize].chars().filter(|c| c.is_whitespace()).collect()
    }

    /// Looks into the scripts of a finished image.
    pub(super) fn examine_pending(&mut self, image: &ImageSpec) {
        let pending = std::mem::take(&mut self.current.pending);
        let (here, elsewhere): (Vec<Pending>, Vec<Pending>) =
            pending.into_iter().partition(|pending| pending.image == image.name.span);
        self.current.pending = elsewhere;
        if here.is_empty() {
            return;
        }
        let of_scripts = scripts(image).flat_map(|script| &script.env);
        let given = KnownVariables {
            of_image: image.env.iter().map(key).collect(),
            of_scripts: of_scripts.map(key).collect(),
        };
        for Pending { text, script, .. } in here {
            self.examine(&text, &script, image, &given);
        }
    }

    fn examine(&mut self, text: &ScriptText, script: &Script, image: &ImageSpec, given: &KnownVariables<'_>) {
        let Some(program) = program(&script.body.interpreter) else { return };
        self.interpreter(text, program, image);
        self.former_names(text);
        if script.body.path.is_none() {
            let given = |name: &str| given.of_image.contains(name) || given.of_scripts.contains(name);
            self.interpolation_in(text, &given, Within::Script);
        }
        if !is_shell(program) {
            return;
        }
        self.errexit(text, script);
        let Some(facts) = shell::look(&text.content, program != "bash") else { return };
        if let Some(fault) = facts.error.as_ref().filter(|_| program != "ksh") {
            self.shell_fault(text, fault, program);
            return;
        }
        if let Some(remark) =
            facts.remarks.iter().find(|one| !one.posix_only || matches!(program, "sh" | "dash"))
        {
            self.report(
                Diagnostic::new(codes::SHELL_SYNTAX, remark.message)
                    .label(text.span(remark.start, remark.end), remark.label.clone())
                    .help(remark.help),
            );
        }
        // Elsewhere `sh` may be another shell.
        let has_dash =
            image.os.as_ref().is_some_and(|os| matches!(&*os.distribution.value, "debian" | "ubuntu"));
        if let Some((start, end, what)) =
            facts.of_bash.as_ref().filter(|_| has_dash && matches!(program, "sh" | "dash"))
        {
            let message = format!("`dash`, which is `/bin/sh` here, has no `{}`", short(what));
            self.report(
                Diagnostic::new(codes::OF_BASH_ONLY, message)
                    .label(text.span(*start, *end), "bash's own")
                    .help("start the script with `#!/bin/bash -e`"),
            );
        }
        // A file may be for other callers as well, with variables of theirs and as another user.
        let only_here = script.body.path.is_none();
        let user = script.user.as_ref().or_else(|| image.user.as_ref().filter(|_| !script.offline));
        let root = user.map_or(script.offline, |user| user.value == "root");
        if let Some((start, end)) = facts.sudo.filter(|_| root && only_here) {
            let why = if user.is_some() { "runs as `root`" } else { "is offline, and so runs as `root`" };
            self.report(
                Diagnostic::new(codes::POINTLESS_SUDO, format!("`sudo` is not needed: this script {why}"))
                    .label(text.span(start, end), "already root")
                    .help("leave out `sudo`"),
            );
        }
        let own = || script.env.iter().map(key).chain(FROM_IMGFILE);
        for shell::Unset { name, start, end, in_heredoc } in &facts.unset {
            let is_former = name.strip_prefix("IMAGEFILE_").is_some_and(|rest| {
                FROM_IMGFILE.iter().any(|known| known.strip_prefix("IMGFILE_") == Some(rest))
            });
            if is_former || given.of_image.contains(name.as_str()) || own().any(|known| known == name) {
                continue;
            }
            let diagnostic = Diagnostic::new(
                codes::UNSET_VARIABLE,
                format!("nothing sets the variable `{}`", short(name)),
            )
            .label(text.span(*start, *end), "empty when the script runs");
            let known = image.env.iter().map(key).chain(own());
            let near = self.names.suggester.nearest(name, known);
            if near.is_none() && !only_here {
                continue;
            }
            self.report(match near {
                Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                None if *in_heredoc => diagnostic.help(format!(
                    "if the text is to have `${}` itself, write `\\${}`, or the here-document's word in quotes",
                    short(name),
                    short(name)
                )),
                None => diagnostic.help(format!(
                    "give it with `env {} = \"…\"`, or write `${{{name}:-}}` if it may be empty",
                    short(name)
                )),
            });
        }
    }

    fn shell_fault(&mut self, text: &ScriptText, fault: &shell::ShellFault, program: &str) {
        let code = if fault.sure { codes::SHELL_ERROR } else { codes::SHELL_SYNTAX };
        let mut diagnostic = Diagnostic::new(code, fault.message.clone())
            .help(format!("`{program} -n` says what the shell itself makes of it"));
        if !fault.sure {
            diagnostic = diagnostic.note("what stands above may end the script, or change how this is read");
        }
        for label in std::iter::once(&fault.label).chain(&fault.others) {
            diagnostic = diagnostic.label(text.span(label.start, label.end), label.text.clone());
        }
        self.report(diagnostic);
    }

    fn errexit(&mut self, text: &ScriptText, script: &Script) {
        let stops = |word: &str| {
            word.starts_with('-') && !word.starts_with("--") && word.contains('e') || word == "errexit"
        };
        let argument = script.body.interpreter.get(1).map_or("", String::as_str);
        // `#!/usr/bin/env -S bash -e`: the options behind the shell count.
        if argument.split_whitespace().filter(|word| *word != "-S").any(stops) {
            return;
        }
        let set = text.content.lines().any(|line| {
            line.split([';', '&']).any(|command| {
                let mut words = command.split_whitespace();
                words.next() == Some("set") && words.any(stops)
            })
        });
        if set
            || text
                .content
                .lines()
                .filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
                .count()
                <= 1
        {
            return;
        }
        let first = text.content.split('\n').next().unwrap_or_default();
        let place = text.span(0, first.len());
        let diagnostic = Diagnostic::new(codes::NO_ERREXIT, "this script goes on after a command that fails")
            .label(place, "no `-e` here, and no `set -e` below")
            .help("add `-e`, so that the build stops at the first failure");
        self.report(if argument.is_empty() {
            diagnostic.fix(Applicability::Maybe, "add `-e`", place.after(), " -e")
        } else {
            diagnostic
        });
    }

    /// `${x}` in a heredoc means the shell's variable, which may not be what was meant.
    pub(super) fn interpolation_in(
        &mut self,
        text: &ScriptText,
        given: &dyn Fn(&str) -> bool,
        within: Within,
    ) {
        let mut seen: HashSet<&str> = HashSet::new();
        let mut assigned: Option<HashSet<&str>> = None;
        for (at, _) in text.content.match_indices("${") {
            let rest = &text.content[at + 2..];
            let Some(end) = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')))
            else {
                continue;
            };
            let name = &rest[..end];
            // No shell has variables of such a name; of `${image}` and `${arch}` it may.
            let is_known = name == "os.version" || self.names.params.contains_key(name);
            // A shell leaves `'${name}'` as it is.
            let is_quoted = text.content[..at].ends_with('\'') && rest[end..].starts_with("}'");
            if !rest[end..].starts_with('}') || !is_known || is_quoted || !seen.insert(name) {
                continue;
            }
            let assigned = assigned.get_or_insert_with(|| assigned_in(&text.content));
            // A copied text has no variables of its own.
            if within == Within::Script && assigned.contains(name) || given(name) {
                continue;
            }
            self.report(
                Diagnostic::new(
                    codes::HEREDOC_INTERPOLATION,
                    format!("`${{{name}}}` is not replaced by the param `{name}` in a heredoc"),
                )
                .label(text.span(at, at + end + 3), "stays as it is written")
                .help(within.way_out(name)),
            );
            // It was meant to be used, so that it is unused is no second finding.
            if let Some(param) = self.names.params.get_mut(name) {
                param.used = true;
            }
        }
    }
}

/// Where a heredoc is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Within {
    Script,
    Copy,
}

impl Within {
    /// How a param's value gets there.
    fn way_out(self, name: &str) -> String {
        let variable = name.to_ascii_uppercase().replace(['-', '.'], "_");
        match (self, name) {
            (Self::Script, "os.version") => "every script has it as `$IMGFILE_OS_VERSION`".to_owned(),
            (Self::Script, _) => format!("hand the value over: `env {variable} = \"${{{name}}}\"`"),
            (Self::Copy, _) => format!(
                "a copied text is as it is written: let a script write the file, which gets the value by `env {variable} \
                 = \"${{{name}}}\"`"
            ),
        }
    }
}

fn without_carriage_returns(text: &ScriptText, applicability: Applicability) -> Fix {
    let edits = text.content.match_indices('\r').map(|(at, _)| Edit {
        span: Span::new(text.source, to_u32(at), to_u32(at + 1)),
        text: if text.content[at..].starts_with("\r\n") { String::new() } else { "\n".to_owned() },
    });
    Fix { title: "remove the carriage returns".into(), edits: edits.collect(), applicability }
}

/// What stands before an `=`: `name` of `name=value`, and more that is no name.
fn assigned_in(text: &str) -> HashSet<&str> {
    let name = |end: usize| {
        let before = &text[..end];
        let start = before.rfind(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')));
        &before[start.map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8))..]
    };
    let mut found: HashSet<&str> = text.match_indices('=').map(|(at, _)| name(at)).collect();
    // What `for`, `read` and the like set.
    for line in text.lines() {
        let mut words = line.split([' ', '\t', ';', '|', '(']).filter(|word| !word.is_empty());
        while let Some(word) = words.next() {
            match word {
                "for" | "select" => found.extend(words.next()),
                "read" | "readarray" | "mapfile" | "local" | "declare" | "typeset" | "getopts" | "printf" => {
                    found.extend(words.by_ref());
                }
                _ => {}
            }
        }
    }
    found
}

/// Variables that something gives to the scripts of an image.
struct KnownVariables<'a> {
    of_image: HashSet<&'a str>,
    of_scripts: HashSet<&'a str>,
}

fn key(var: &EnvVar) -> &str {
    &var.key.value
}

/// Variables that every script has.
const FROM_IMGFILE: [&str; 4] = ["IMGFILE_IMAGE", "IMGFILE_OS", "IMGFILE_OS_VERSION", "IMGFILE_ARCH"];
