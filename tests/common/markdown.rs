//! The fenced blocks of the documentation.

use std::fs;
use std::path::{Path, PathBuf};

/// What the HTML comment above a block says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// `<!-- not run: REASON -->`
    NotRun(String),
    /// `<!-- with: PATH -->`: this file of the repository is the ImageFile.
    With(String),
    /// `<!-- while a build runs -->`
    WhileRunning,
    /// `<!-- while an image runs -->`: the first command runs it, the others are typed elsewhere.
    WhileImageRuns,
}

/// A fenced block.
#[derive(Debug, Clone)]
pub struct Block {
    /// Below the repository, such as `docs/builds.md`.
    pub page: String,
    pub line: usize,
    /// The heading that it stands under.
    pub heading: String,
    /// The language behind the fence.
    pub kind: String,
    pub note: Option<Note>,
    pub body: String,
}

impl Block {
    pub fn place(&self) -> String {
        format!("{}:{}", self.page, self.line)
    }
}

/// All blocks of README.md and docs/*.md, page by page.
pub fn blocks() -> Vec<Block> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages: Vec<PathBuf> =
        fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    pages.insert(0, root.join("README.md"));
    pages
        .iter()
        .flat_map(|page| {
            let name = page.strip_prefix(root).unwrap().display().to_string();
            of_page(&name, &fs::read_to_string(page).unwrap())
        })
        .collect()
}

fn of_page(page: &str, text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<(Block, usize)> = None;
    let (mut heading, mut note) = (String::new(), None);
    for (number, line) in text.lines().enumerate() {
        let trimmed = line.trim();
        match (&mut open, trimmed.strip_prefix("```")) {
            (Some(_), Some("")) => found.extend(open.take().map(|(block, _)| block)),
            (Some((block, indent)), _) => {
                block.body.push_str(line.get(*indent..).unwrap_or_default());
                block.body.push('\n');
            }
            (None, Some(kind)) => {
                let block = Block {
                    page: page.to_owned(),
                    line: number + 1,
                    heading: heading.clone(),
                    kind: kind.to_owned(),
                    note: note.take(),
                    body: String::new(),
                };
                open = Some((block, line.len() - line.trim_start().len()));
            }
            (None, None) => {
                if line.starts_with('#') {
                    trimmed.trim_start_matches('#').trim().clone_into(&mut heading);
                }
                // A comment is about the block right below it.
                note = comment(trimmed);
            }
        }
    }
    assert!(open.is_none(), "{page}: a fence stays open");
    found
}

fn comment(line: &str) -> Option<Note> {
    let text = line.strip_prefix("<!--")?.strip_suffix("-->")?.trim();
    Some(match text.split_once(": ") {
        Some(("not run", reason)) => Note::NotRun(reason.to_owned()),
        Some(("with", path)) => Note::With(path.to_owned()),
        _ if text == "while a build runs" => Note::WhileRunning,
        _ if text == "while an image runs" => Note::WhileImageRuns,
        _ => return None,
    })
}
