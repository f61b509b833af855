//! `imgfile diff`: what is different between two disks.

use std::fmt::Write as _;

use clap::ValueEnum;

use super::{CommandResult, Exit, failed, listener::OnScreen, recorded, setting_args::given};
use crate::{
    exec::Reporter,
    ops::{
        Listener as _,
        diff::{Aspect, DiffOptions, Difference, FileChange, diff},
        records,
    },
    report::progress,
};

/// Lines of a part that are shown unless all are asked for.
const SHOWN: usize = 40;

/// Compare two disks: packages, units, files with owners, permissions and attributes, and the room that folders take.
///
/// Any disks with a Linux system will do, whoever made them; they are read in machines, and their files do not change. The
/// content of files of one size is read, since equal times are no proof of it; dates themselves are not compared. The
/// exit status is 0 whatever was found, as git's is, unless `--exit-code` asks for it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What `imgfile images` lists, or the path of a disk.
    #[arg(add = clap_complete::ArgValueCompleter::new(super::candidates::artifacts))]
    before: String,
    /// The other one.
    #[arg(add = clap_complete::ArgValueCompleter::new(super::candidates::artifacts))]
    after: String,
    /// How it is written.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// End with status 1 if the two differ.
    #[arg(long)]
    exit_code: bool,
    /// Take files of the same size and time for equal, without reading them.
    #[arg(long)]
    quick: bool,
    /// Show all files and packages, not only the first of many.
    #[arg(long)]
    all: bool,
}

/// How a comparison is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// JSON.
    Json,
}

pub(super) fn run(args: Args) -> Exit {
    super::block_on(async { compare(args).await.unwrap_or_else(|exit| exit) })
}

async fn compare(args: Args) -> CommandResult<Exit> {
    let listener = OnScreen::default();
    let settings = records::settings(&given(), &listener).map_err(failed)?;
    let store = recorded::store(&settings)?;
    let records = store.records().map_err(recorded::refused)?;
    let Args { before, after, format, exit_code, quick, all } = args;
    let options = DiffOptions { before, after, quick };
    let reporter = Reporter::new(listener.preparing());
    let found = diff(&options, (&settings, &store), &records, &reporter).await.map_err(failed)?;
    match format {
        Format::Json => recorded::print_json(&found),
        Format::Human => super::print(&human(&found, if all { usize::MAX } else { SHOWN })),
    }
    Ok(if exit_code && !found.same { Exit::Files } else { Exit::Done })
}

fn human(found: &Difference, most: usize) -> String {
    let mut text = String::new();
    for (mark, disk) in [('-', &found.before), ('+', &found.after)] {
        let used = progress::size(disk.used);
        let _ = writeln!(text, "{mark} {}: {}, {used} of files, {}", disk.name, disk.system, disk.path);
    }
    if !found.whole {
        text += "some files of them could not be listed\n";
    }
    match &found.packages {
        None => text += "\npackages: in a database that is not read here\n",
        Some(packages) => {
            let lines = packages.iter().map(|one| {
                let name = format!("{} {}", one.name, one.arch);
                two_sided(&name, one.before.as_deref(), one.after.as_deref())
            });
            part(&mut text, "packages", lines.collect(), most);
        }
    }
    let lines =
        found.units.iter().map(|one| two_sided(&one.name, one.before.as_deref(), one.after.as_deref()));
    part(&mut text, "units", lines.collect(), most);
    let lines = outermost(&found.files).into_iter().map(file);
    part(&mut text, "files", lines.collect(), most);
    let lines = found.folders.iter().map(|one| {
        let sign = if one.after > one.before { '+' } else { '-' };
        let by = progress::size(one.after.abs_diff(one.before));
        let (before, after) = (progress::size(one.before), progress::size(one.after));
        format!("{sign}{by:<10} {} ({before} → {after})", one.path)
    });
    part(&mut text, "room of folders", lines.collect(), most.min(SHOWN));
    if found.same {
        text += "\nthe same packages, units and files\n";
    }
    text
}

fn part(text: &mut String, title: &str, lines: Vec<String>, most: usize) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{title}");
    for line in lines.iter().take(most) {
        let _ = writeln!(text, "  {line}");
    }
    if lines.len() > most {
        let _ = writeln!(text, "  … and {} more; `--all` shows them", lines.len() - most);
    }
}

fn two_sided(name: &str, before: Option<&str>, after: Option<&str>) -> String {
    match (before, after) {
        (None, Some(after)) => format!("+ {name} {after}"),
        (Some(before), None) => format!("- {name} {before}"),
        (before, after) => format!("~ {name} {} → {}", before.unwrap_or("-"), after.unwrap_or("-")),
    }
}

/// All but what is in a folder that one side has alone: its folder stands for it.
fn outermost(files: &[FileChange]) -> Vec<(&FileChange, usize)> {
    let one_sided = |change: &FileChange| change.before.is_none() != change.after.is_none();
    let mut shown: Vec<(&FileChange, usize)> = Vec::new();
    for change in files {
        let above = shown.iter_mut().rev().find(|(folder, _)| {
            let below = change.path.strip_prefix(&folder.path).is_some_and(|rest| rest.starts_with('/'));
            below && one_sided(folder) && folder.before.is_none() == change.before.is_none()
        });
        match above {
            Some((_, inside)) if one_sided(change) => *inside += 1,
            _ => shown.push((change, 0)),
        }
    }
    shown
}

fn file((change, inside): (&FileChange, usize)) -> String {
    let path = &change.path;
    match (&change.before, &change.after) {
        (Some(before), Some(after)) => {
            let words: Vec<String> = change
                .aspects
                .iter()
                .map(|aspect| match aspect {
                    Aspect::Kind => format!("{} → {}", before.kind, after.kind),
                    Aspect::Content if before.size == after.size => "content".to_owned(),
                    Aspect::Content => {
                        format!("content, {} → {}", progress::size(before.size), progress::size(after.size))
                    }
                    Aspect::Target => {
                        let target = |of: &Option<String>| of.clone().unwrap_or_default();
                        format!("to {} → {}", target(&before.target), target(&after.target))
                    }
                    Aspect::Mode => format!("mode {} → {}", before.mode, after.mode),
                    Aspect::Owner => {
                        format!("owner {}:{} → {}:{}", before.uid, before.gid, after.uid, after.gid)
                    }
                    Aspect::Attributes => "attributes".to_owned(),
                    Aspect::Capabilities => "capabilities".to_owned(),
                    Aspect::Unreadable => "cannot be read in one of them".to_owned(),
                })
                .collect();
            format!("~ {path}: {}", words.join(", "))
        }
        (before, after) => {
            let (mark, state) = if after.is_some() { ('+', after) } else { ('-', before) };
            let kind = state.as_ref().map_or("file", |state| state.kind);
            match (kind, inside) {
                ("folder", 0) => format!("{mark} {path}/"),
                ("folder", 1) => format!("{mark} {path}/ with one in it"),
                ("folder", inside) => format!("{mark} {path}/ with {inside} in it"),
                _ => format!("{mark} {path}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::diff::FileState;

    #[test]
    fn a_folder_stands_for_all_that_came_with_it() {
        let change = |path: &str, kind: &'static str, before: bool, after: bool| {
            let state =
                FileState { kind, mode: "0644".into(), uid: 0, gid: 0, size: 0, sha256: None, target: None };
            FileChange {
                path: path.into(),
                aspects: if before && after { vec![Aspect::Content] } else { Vec::new() },
                before: before.then(|| state.clone()),
                after: after.then(|| state.clone()),
            }
        };
        let files = [
            change("/a", "folder", false, true),
            change("/a/b", "folder", false, true),
            change("/a/b/c", "file", false, true),
            change("/ab", "file", false, true),
            change("/old", "folder", true, false),
            change("/old/x", "file", true, false),
            change("/z", "file", true, true),
        ];
        let lines: Vec<String> = outermost(&files).into_iter().map(file).collect();
        assert_eq!(lines, ["+ /a/ with 2 in it", "+ /ab", "- /old/ with one in it", "~ /z: content"]);
    }
}
