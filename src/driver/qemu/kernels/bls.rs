//! Entries of the Boot Loader Specification (type 1): one file a kernel, as Fedora, RHEL and
//! systemd-boot have them.

use std::cmp::Ordering;

use imgfile_agent::protocol::message::Kind;

use super::super::super::DriverError;
use super::{Choice, MOST, Tree, grub, release, text};

/// Where the partition with the entries may be mounted.
const PLACES: &[&str] = &["/boot", "/boot/efi", "/efi"];

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Item {
    /// The file's name without `.conf` and boot counters.
    id: String,
    /// It has used up its tries.
    is_bad: bool,
    linux: String,
    version: Option<String>,
    sort_key: Option<String>,
    machine_id: Option<String>,
}

/// The entries as the boot loader orders them, its default first.
pub(super) async fn choices(tree: &mut impl Tree) -> Result<Vec<Choice>, DriverError> {
    for place in PLACES {
        let folder = format!("{place}/loader/entries");
        let mut items = Vec::new();
        for entry in tree.list(&folder).await?.into_iter().take(MOST) {
            if let (Kind::File | Kind::Symlink, Some(name)) = (entry.kind, entry.name.strip_suffix(".conf")) {
                let content = text(tree, &format!("{folder}/{}", entry.name)).await?;
                items.extend(read(name, &content));
            }
        }
        if items.is_empty() {
            continue;
        }
        items.sort_by(order);
        if let Some(default) = default(tree, place, &items).await? {
            let item = items.remove(default);
            items.insert(0, item);
        }
        return Ok(items.into_iter().map(|item| choice(place, item)).collect());
    }
    Ok(Vec::new())
}

/// The place of the entry that is chosen by name: GRUB's saved one, or systemd-boot's default.
async fn default(tree: &mut impl Tree, place: &str, items: &[Item]) -> Result<Option<usize>, DriverError> {
    if let Some(saved) = grub::saved_entry(tree).await? {
        let by_number = saved.parse().ok().filter(|number| *number < items.len());
        return Ok(items.iter().position(|item| item.id == saved).or(by_number));
    }
    let config = text(tree, &format!("{place}/loader/loader.conf")).await?;
    let pattern = config.lines().find_map(|line| line.trim().strip_prefix("default "));
    let pattern = pattern.map(|pattern| pattern.trim().trim_end_matches(".conf"));
    Ok(pattern.and_then(|pattern| items.iter().position(|item| fits(pattern, &item.id))))
}

/// A file name pattern with `*`.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// An entry that starts a Linux kernel.
fn read(name: &str, content: &str) -> Option<Item> {
    // `ID+LEFT` or `ID+LEFT-DONE` counts tries.
    let (id, counter) = name.rsplit_once('+').filter(|(_, count)| is_counter(count)).unwrap_or((name, ""));
    let mut item =
        Item { id: id.to_owned(), is_bad: counter == "0" || counter.starts_with("0-"), ..Item::default() };
    for line in content.lines() {
        let Some((key, value)) = line.trim().split_once(|char: char| char.is_ascii_whitespace()) else {
            continue;
        };
        let value = value.trim().to_owned();
        match key {
            "linux" => item.linux = value,
            "version" => item.version = Some(value),
            "sort-key" => item.sort_key = Some(value),
            "machine-id" => item.machine_id = Some(value),
            _ => {}
        }
    }
    (!item.linux.is_empty()).then_some(item)
}

fn is_counter(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

/// The specification's order: those with a sort key first and by it, then newest first by name.
fn order(a: &Item, b: &Item) -> Ordering {
    let version = |item: &Item| item.version.clone().unwrap_or_default();
    a.is_bad.cmp(&b.is_bad).then_with(|| match (&a.sort_key, &b.sort_key) {
        (Some(left), Some(right)) => left
            .cmp(right)
            .then_with(|| a.machine_id.cmp(&b.machine_id))
            .then_with(|| release::compare(&version(b), &version(a))),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => release::compare(&b.id, &a.id),
    })
}

/// Paths in entries start at their partition's root, which is a folder of the system, or the root itself.
fn choice(place: &str, item: Item) -> Choice {
    let path = format!("/{}", item.linux.trim_start_matches('/'));
    Choice { paths: vec![format!("{place}{path}"), path], release: item.version }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_file_names_do() {
        for (pattern, name, expected) in [
            ("a-6.1", "a-6.1", true),
            ("a-6.1", "a-6.12", false),
            ("a-*", "a-6.12", true),
            ("*-6.*", "a-6.12", true),
            ("*-5.*", "a-6.12", false),
            ("*", "", true),
            ("a*a", "a", false),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn an_entry_out_of_tries_comes_last() {
        let read = |name: &str| read(name, "linux /vmlinuz\n").unwrap();
        let mut items = [read("a-6.12+0-3"), read("a-6.1"), read("a-6.11+2-1")];
        items.sort_by(order);
        let ids: Vec<_> = items.iter().map(|item| item.id.as_str()).collect();
        assert_eq!(ids, ["a-6.11", "a-6.1", "a-6.12"]);
    }

    #[test]
    fn what_starts_no_kernel_is_no_choice() {
        assert_eq!(read("windows", "title Windows\nefi /EFI/Microsoft/Boot/bootmgfw.efi\n"), None);
        assert_eq!(read("noise", "\u{0}\u{1} linux\nlinux\n"), None);
    }
}
