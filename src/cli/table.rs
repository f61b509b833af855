//! Tables for people: columns that line up, and that wrap by words where the terminal is narrow.

use console::measure_text_width as columns;

/// Blanks between two columns.
const GAP: usize = 2;
/// A column is not made narrower than this for words that are longer: a path wraps at its slashes.
const NARROW: usize = 14;

/// Rows under their headings. Given a width, columns that are too wide are wrapped; where even that does not fit,
/// each row becomes a few lines, one a column.
pub(super) fn table<const N: usize>(
    headings: [&str; N],
    rows: &[[String; N]],
    width: Option<usize>,
) -> String {
    let all: Vec<[String; N]> =
        std::iter::once(headings.map(str::to_owned)).chain(rows.iter().cloned()).collect();
    let widest = |measure: &dyn Fn(&str) -> usize| -> [usize; N] {
        std::array::from_fn(|column| all.iter().map(|row| measure(&row[column])).max().unwrap_or(0))
    };
    let natural = widest(&|cell| columns(cell));
    let least =
        widest(&|cell| pieces(cell).iter().map(|piece| columns(piece)).max().unwrap_or(0).min(NARROW));
    match width.map_or(Some(natural), |width| fitted(natural, least, width)) {
        Some(widths) => all.iter().map(|row| wrapped(row, &widths)).collect(),
        None => rows.iter().map(|row| listed(&headings, row)).collect::<Vec<_>>().join("\n"),
    }
}

/// The widths of columns that fit: the widest gives first. None if they cannot fit.
fn fitted<const N: usize>(mut widths: [usize; N], least: [usize; N], width: usize) -> Option<[usize; N]> {
    loop {
        let taken = widths.iter().sum::<usize>() + GAP * N.saturating_sub(1);
        // The last column of a terminal stays free: some wrap there.
        if taken < width {
            return Some(widths);
        }
        let widest =
            (0..N).filter(|&column| widths[column] > least[column]).max_by_key(|&column| widths[column])?;
        widths[widest] -= 1;
    }
}

fn wrapped<const N: usize>(row: &[String; N], widths: &[usize; N]) -> String {
    let cells: Vec<Vec<String>> = row.iter().zip(widths).map(|(cell, width)| wrap(cell, *width)).collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    let mut text = String::new();
    for at in 0..height {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            let part = cell.get(at).map_or("", String::as_str);
            line.push_str(part);
            line.push_str(&" ".repeat(width.saturating_sub(columns(part)) + GAP));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn listed<const N: usize>(headings: &[&str; N], row: &[String; N]) -> String {
    let indent = headings.iter().map(|heading| columns(heading)).max().unwrap_or(0) + GAP;
    let filled = headings.iter().zip(row).filter(|(_, cell)| !cell.is_empty());
    filled.map(|(heading, cell)| format!("{heading:<indent$}{cell}\n")).collect()
}

/// Lines of at most `width` columns, broken between words, or behind a slash; a longer word is cut.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = vec![String::new()];
    for piece in pieces(text) {
        let mut rest = piece;
        while !rest.is_empty() {
            let line = lines.last_mut().map_or(0, |line| columns(line));
            let shown = columns(rest.trim_end());
            let last = lines.len() - 1;
            if line + shown <= width {
                lines[last].push_str(rest);
                break;
            }
            if line == 0 {
                let (head, tail) = cut(rest, width);
                lines[last].push_str(head);
                rest = tail;
            }
            lines.push(String::new());
        }
    }
    lines.iter().map(|line| line.trim_end().to_owned()).collect()
}

/// As much of a text as `width` columns hold, at least one character, and the rest.
fn cut(text: &str, width: usize) -> (&str, &str) {
    let mut end = 0;
    for (at, c) in text.char_indices() {
        let next = at + c.len_utf8();
        if end > 0 && columns(&text[..next]) > width {
            break;
        }
        end = next;
    }
    text.split_at(end)
}

/// A text in pieces between which a line may end: behind blanks, and behind slashes.
fn pieces(text: &str) -> Vec<&str> {
    text.split_inclusive([' ', '/']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> [[String; 3]; 2] {
        [
            [
                "1".to_owned(),
                "이미지".to_owned(),
                "/home/somebody/projects/the shop/out/web.qcow2".to_owned(),
            ],
            ["12".into(), "web".into(), String::new()],
        ]
    }

    #[test]
    fn columns_line_up_whatever_is_in_them() {
        let rows = [
            ["1".to_owned(), "이미지".to_owned(), "a".to_owned()],
            ["12".into(), "web".into(), String::new()],
        ];
        assert_eq!(table(["ID", "NAME", "PATH"], &rows, None), "ID  NAME    PATH\n1   이미지  a\n12  web\n");
    }

    #[test]
    fn a_narrow_terminal_wraps_by_words_and_a_very_narrow_one_lists() {
        assert_eq!(
            table(["ID", "NAME", "PATH"], &rows(), Some(40)),
            "ID  NAME    PATH\n\
             1   이미지  /home/somebody/projects/the\n            shop/out/web.qcow2\n\
             12  web\n"
        );
        assert_eq!(
            table(["ID", "NAME", "PATH"], &rows(), Some(20)),
            "ID    1\nNAME  이미지\nPATH  /home/somebody/projects/the shop/out/web.qcow2\n\nID    12\nNAME  web\n"
        );
    }

    #[test]
    fn no_line_is_wider_than_it_may_be_and_nothing_is_lost() {
        let text = "a word, averyverylongwordwithoutanyblank and 이미지이미지이미지 /a/b/c";
        for width in 1..60 {
            let lines = wrap(text, width);
            assert!(lines.iter().all(|line| columns(line) <= width.max(2)), "{width}: {lines:?}");
            let letters = |text: &str| text.chars().filter(|c| *c != ' ').collect::<String>();
            assert_eq!(letters(&lines.concat()), letters(text));
        }
    }
}
