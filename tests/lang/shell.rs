//! Scripts that a shell accepts are left alone, and what it refuses is found, with the line at fault: judged
//! by `bash -n` over the scripts of this machine.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use imgfile::check::{MemoryFiles, check};
use imgfile::diagnostic::Diagnostic;
use imgfile::text::Sources;

/// Folders in which distributions keep scripts.
const FOLDERS: [&str; 6] = ["/usr/share", "/usr/lib", "/usr/bin", "/usr/sbin", "/var/lib/dpkg/info", "/etc"];
/// Largest script that is tried.
const LARGEST: u64 = 256 << 10;

fn is_shell(text: &str) -> bool {
    let Some(first) = text.lines().next().and_then(|line| line.strip_prefix("#!")) else { return false };
    let mut words = first.split_whitespace().map(|word| word.rsplit('/').next().unwrap_or(word));
    let program = words.next().unwrap_or_default();
    let program = if program == "env" { words.next().unwrap_or_default() } else { program };
    // What stands behind it is another matter.
    matches!(program, "sh" | "bash" | "dash") && !first.contains('#')
}

fn collect(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            collect(&entry.path(), found);
        } else if kind.is_file() {
            found.insert(entry.path());
        }
    }
}

/// Shell scripts of this machine, in order.
fn scripts() -> Vec<(PathBuf, String)> {
    let mut files = BTreeSet::new();
    for folder in FOLDERS {
        collect(Path::new(folder), &mut files);
    }
    let mut found: Vec<(PathBuf, String)> = Vec::new();
    for path in files {
        let Ok(file) = fs::File::open(&path) else { continue };
        let mut start = [0; 2];
        let read = std::io::Read::read(&mut &file, &mut start).unwrap_or(0);
        if read < 2 || &start != b"#!" || file.metadata().is_ok_and(|data| data.len() > LARGEST) {
            continue;
        }
        let Ok(text) = fs::read_to_string(&path) else { continue };
        if is_shell(&text) && !text.contains("\r\n") {
            found.push((path, text));
        }
    }
    found
}

fn accepts(shell: &str, text: &str, scratch: &Path) -> bool {
    fs::write(scratch, text).unwrap();
    let status = Command::new(shell).arg("-n").arg(scratch).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// What is said of the script's syntax, its variables and `sudo`.
fn found(text: &str) -> (Vec<Diagnostic>, Sources) {
    let image = "image \"x\" {\n  os linux debian 13\n  script \"s.sh\" { user = root }\n}\n";
    let files = MemoryFiles::new().with("ImageFile", image).with("s.sh", text);
    let mut sources = Sources::default();
    let checked = check("ImageFile", &mut sources, &files, &[]);
    let mut found = checked.diagnostics;
    found.retain(|one| matches!(one.code.as_str(), "E0238" | "W0205" | "W0206" | "W0207"));
    (found, sources)
}

#[test]
fn no_script_that_a_shell_accepts_is_called_wrong() {
    let scratch = tempfile::tempdir().unwrap();
    let scratch = scratch.path().join("s.sh");
    let mut judged = 0;
    let mut wrong = Vec::new();
    for (path, text) in scripts() {
        let (found, sources) = found(&text);
        if !found.is_empty() && accepts("bash", &text, &scratch) {
            wrong.push(format!("{}\n{}", path.display(), imgfile::report::human(&found, &sources, false)));
        }
        judged += 1;
    }
    assert!(judged > 100, "only {judged} scripts on this machine: the test is not looking");
    assert!(wrong.is_empty(), "{} of {judged}:\n{}", wrong.len(), wrong.join("\n"));
    println!("{judged} scripts left alone");
}

/// Tokens by the plainest reading: words, and the signs of the shell.
fn tokens(text: &str) -> Vec<(usize, usize)> {
    const SIGNS: [&str; 13] = ["$((", "$(", "${", ";;", "&&", "||", "<<", ">>", "[[", "]]", "((", "))", "$"];
    let mut found = Vec::new();
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let mut at = 0;
        while !line.trim_start().starts_with('#') && at < line.len() {
            let rest = &line[at..];
            let first = rest.chars().next().unwrap();
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
            let single = "(){};|&<>`\"'".contains(first);
            let end = rest.find(|c: char| c.is_whitespace() || "(){};|&<>`\"'$".contains(c));
            let length = match sign {
                Some(sign) => sign.len(),
                None if single || first.is_whitespace() => first.len_utf8(),
                None => end.unwrap_or(rest.len()),
            };
            if !first.is_whitespace() {
                found.push((offset + at, offset + at + length));
            }
            at += length;
        }
        offset += line.len();
    }
    found
}

#[test]
fn what_a_shell_refuses_is_found_where_it_is() {
    /// Mutants that are looked at, of those that bash refuses.
    const ENOUGH: usize = 400;
    let scratch = tempfile::tempdir().unwrap();
    let scratch = scratch.path().join("s.sh");
    let scripts: Vec<(PathBuf, String)> = scripts()
        .into_iter()
        .filter(|(_, text)| (200..20_000).contains(&text.len()) && accepts("bash", text, &scratch))
        .collect();
    // The same cases on each run of one machine.
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below
    };
    let (mut refused, mut seen, mut placed, mut missed) = (0, 0, 0, Vec::new());
    for _ in 0..ENOUGH * 20 {
        if refused == ENOUGH {
            break;
        }
        let (path, text) = &scripts[next(scripts.len())];
        let tokens = tokens(text);
        let Some(&(start, end)) = tokens.get(next(tokens.len().max(1))) else { continue };
        let token = &text[start..end];
        let changed = if next(2) == 0 { String::new() } else { format!("{token} {token}") };
        let mutant = format!("{}{changed}{}", &text[..start], &text[end..]);
        if accepts("bash", &mutant, &scratch) {
            continue;
        }
        refused += 1;
        let line = u32::try_from(text[..start].matches('\n').count()).unwrap();
        let (found, sources) = found(&mutant);
        let Some(wrong) = found.first() else {
            missed.push(format!("{}:{}: `{token}` became `{changed}`", path.display(), line + 1));
            continue;
        };
        seen += 1;
        placed += usize::from(sources.line_col(wrong.labels[0].span).line == line);
    }
    println!("{seen} of {refused} found, {placed} on the line");
    assert!(refused * 2 > ENOUGH, "only {refused} mutants: the test is not looking");
    assert!(seen * 100 >= refused * 95, "{seen} of {refused} found; not:\n{}", missed.join("\n"));
    assert!(placed * 100 >= refused * 70, "{placed} of {refused} with the line at fault first");
}
