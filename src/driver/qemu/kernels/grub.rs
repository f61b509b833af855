//! GRUB's generated configuration, as far as it says which kernel is started when nobody touches the
//! keyboard. It is a shell script; only what `grub-mkconfig` writes is understood, and what is not
//! understood is passed over.

use super::super::super::DriverError;
use super::{Choice, Tree, text};

const FOLDERS: &[&str] = &["/boot/grub", "/boot/grub2"];

/// A `menuentry` or `submenu`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Item {
    title: String,
    id: Option<String>,
    /// Of the `linux` line.
    linux: Option<String>,
    /// Of a submenu.
    items: Vec<Item>,
}

/// The entries in the menu's order, the default one first.
pub(super) async fn choices(tree: &mut impl Tree) -> Result<Vec<Choice>, DriverError> {
    for folder in FOLDERS {
        let config = text(tree, &format!("{folder}/grub.cfg")).await?;
        let items = read(&config);
        if items.is_empty() {
            continue;
        }
        let default = match default(&config) {
            Some("${saved_entry}") => saved_entry(tree).await?,
            other => other.map(str::to_owned),
        };
        // GRUB starts the first entry when the default is not there.
        let first = find(&items, default.as_deref().unwrap_or("0"));
        let all = first.into_iter().chain(flat(&items));
        return Ok(all.filter_map(|item| item.linux.as_deref()).map(choice).collect());
    }
    Ok(Vec::new())
}

/// What GRUB remembers as chosen.
pub(super) async fn saved_entry(tree: &mut impl Tree) -> Result<Option<String>, DriverError> {
    for folder in FOLDERS {
        let block = text(tree, &format!("{folder}/grubenv")).await?;
        let saved = block.lines().find_map(|line| line.strip_prefix("saved_entry="));
        if let Some(saved) = saved.filter(|saved| !saved.is_empty()) {
            return Ok(Some(saved.to_owned()));
        }
    }
    Ok(None)
}

/// The last value of `default`, but for the entry that is to be started once.
fn default(config: &str) -> Option<&str> {
    let values = config.lines().filter_map(|line| line.trim().strip_prefix("set default="));
    let mut values = values.map(|value| value.trim_matches(['"', '\'']));
    values.rfind(|value| !value.contains("next_entry"))
}

/// The entry that a number, an id or a title names; `A>B` goes through a submenu.
fn find<'a>(items: &'a [Item], default: &str) -> Option<&'a Item> {
    let (name, rest) = match default.split_once('>') {
        Some((name, rest)) => (name, Some(rest)),
        None => (default, None),
    };
    let named = |item: &&Item| item.id.as_deref() == Some(name) || item.title == name;
    let by_number = || name.parse::<usize>().ok().and_then(|number| items.get(number));
    let item = items.iter().find(named).or_else(by_number)?;
    match (item.items.as_slice(), rest) {
        ([], _) => Some(item),
        (inner, Some(rest)) => find(inner, rest),
        (inner, None) => inner.first(),
    }
}

fn flat(items: &[Item]) -> Vec<&Item> {
    // Submenus are not nested deeper than one level by any generator; deeper ones are left out.
    items.iter().flat_map(|item| std::iter::once(item).chain(&item.items)).collect()
}

/// The menu.
fn read(config: &str) -> Vec<Item> {
    let mut open: Vec<Option<Item>> = Vec::new();
    let mut menu = Vec::new();
    for line in config.lines().map(str::trim) {
        let words = words(line);
        let first = words.first().map_or("", String::as_str);
        if line == "}" {
            if let Some(Some(item)) = open.pop() {
                match open.iter_mut().rev().flatten().next() {
                    Some(outer) => outer.items.push(item),
                    None => menu.push(item),
                }
            }
        } else if line.ends_with('{') && !line.starts_with('#') {
            // Functions are blocks as well; deeper than this is no generated configuration.
            if open.len() > 16 {
                return menu;
            }
            let item = matches!(first, "menuentry" | "submenu").then(|| item(&words));
            open.push(item);
        } else if matches!(first, "linux" | "linux16" | "linuxefi")
            && let Some(Some(item)) = open.last_mut()
        {
            item.linux = words.get(1).cloned();
        }
    }
    menu
}

/// From `menuentry 'TITLE' --class … $menuentry_id_option 'ID' {`.
fn item(words: &[String]) -> Item {
    let id = words.iter().position(|word| matches!(word.as_str(), "$menuentry_id_option" | "--id"));
    Item {
        title: words.get(1).cloned().unwrap_or_default(),
        id: id.and_then(|at| words.get(at + 1).cloned()),
        ..Item::default()
    }
}

/// A line's words, quotes undone as a shell does.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    let mut quote = None;
    while let Some(char) = chars.next() {
        match (quote, char) {
            (Some(open), _) if char == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(char);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(chars.next()),
            (None, _) if char.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(char),
        }
    }
    words.extend(word);
    words
}

/// A path as GRUB sees it starts at the root of a partition, perhaps in a btrfs subvolume, perhaps after
/// a device in parentheses.
fn choice(linux: &str) -> Choice {
    let path = match linux.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
        Some((_, path)) => path,
        None => linux,
    };
    let path = format!("/{}", path.trim_start_matches('/'));
    let mut paths = Vec::new();
    if let Some(at) = path.find("/boot/") {
        paths.push(path[at..].to_owned());
    }
    paths.push(format!("/boot{path}"));
    paths.push(path);
    Choice { paths, release: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_a_shells() {
        assert_eq!(
            words("menuentry 'It'\\''s \"one\"' --class gnu $menuentry_id_option \"a\\\"b\" {"),
            ["menuentry", "It's \"one\"", "--class", "gnu", "$menuentry_id_option", "a\"b", "{"]
        );
        assert_eq!(words("\t linux\t/vmlinuz  ''"), ["linux", "/vmlinuz", ""]);
    }

    #[test]
    fn paths_are_looked_for_in_the_systems_own_terms() {
        let first = |path: &str| choice(path).paths.remove(0);
        assert_eq!(first("/boot/vmlinuz-1"), "/boot/vmlinuz-1");
        assert_eq!(first("/@/boot/vmlinuz-1"), "/boot/vmlinuz-1");
        assert_eq!(first("($root)/boot/vmlinuz-1"), "/boot/vmlinuz-1");
        assert_eq!(first("/vmlinuz-1"), "/boot/vmlinuz-1");
    }

    #[test]
    fn any_noise_is_a_menu_of_some_kind() {
        for noise in ["}\n}\n{\n", "menuentry {\nmenuentry {\n}", "linux /x\n", "set default=\n"] {
            let _ = (read(noise), default(noise));
        }
        assert!(read(&"submenu 'x' {\n".repeat(10_000)).is_empty());
    }
}
