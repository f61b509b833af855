//! The packages that a new system begins with: the essential ones, apt, which brings the others, and all that
//! they depend on. Their files have to be there before any package can be set up, since the scripts of every
//! package count on them.

use std::collections::{BTreeMap, BTreeSet};

/// What of a package's control file counts here.
#[derive(Debug, Default)]
struct Control {
    essential: bool,
    /// Alternatives of each relation of `Pre-Depends` and `Depends`, by name.
    needs: Vec<Vec<String>>,
    provides: Vec<String>,
}

/// Numbers of the packages, by their control files: first those that others cannot be unpacked without, as they
/// make the accounts and the folders, then in the order given.
#[must_use]
pub fn essential(controls: &[(&str, &str)]) -> Vec<usize> {
    let read: Vec<Control> = controls.iter().map(|(_, text)| Control::read(text)).collect();
    let mut serving: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (number, ((name, _), control)) in controls.iter().zip(&read).enumerate() {
        for served in std::iter::once(*name).chain(control.provides.iter().map(String::as_str)) {
            serving.entry(served).or_default().push(number);
        }
    }
    let mut found: BTreeSet<usize> =
        (0..read.len()).filter(|&number| read[number].essential || controls[number].0 == "apt").collect();
    let mut open: Vec<usize> = found.iter().copied().collect();
    while let Some(number) = open.pop() {
        for alternatives in &read[number].needs {
            let served = alternatives.iter().filter_map(|name| serving.get(name.as_str())).flatten();
            open.extend(served.filter(|&&served| found.insert(served)));
        }
    }
    let first = |number: &usize| match controls[*number].0 {
        "base-passwd" => 0,
        "base-files" => 1,
        _ => 2,
    };
    let mut order: Vec<usize> = found.into_iter().collect();
    order.sort_by_key(first);
    order
}

impl Control {
    fn read(text: &str) -> Self {
        let mut control = Self::default();
        let mut field = String::new();
        // A line that begins with a blank goes on with the one before.
        let mut take = |field: &str| {
            let Some((key, value)) = field.split_once(':') else { return };
            match key.to_ascii_lowercase().as_str() {
                "essential" => control.essential = value.trim() == "yes",
                "depends" | "pre-depends" => {
                    control.needs.extend(value.split(',').map(|group| group.split('|').map(name).collect()));
                }
                "provides" => control.provides.extend(value.split(',').map(name)),
                _ => {}
            }
        };
        for line in text.lines() {
            if !line.starts_with([' ', '\t']) {
                take(&std::mem::take(&mut field));
            }
            field.push_str(line);
        }
        take(&field);
        control
    }
}

/// `libc6:any (>= 2.38) [amd64]` is about `libc6`.
fn name(relation: &str) -> String {
    relation.trim().split([' ', ':', '(', '[']).next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::essential;

    #[test]
    fn what_essential_packages_need_is_there_before_anything_is_set_up() {
        let order = essential(&[
            ("apt", "Package: apt\nDepends: libapt\n"),
            ("awk", "Package: awk\nProvides: an-awk (= 1)\nDepends: libm (>= 2)\n"),
            ("base-files", "Package: base-files\nEssential: yes\nPre-Depends: other-awk | an-awk\n"),
            (
                "base-passwd",
                "Package: base-passwd\nEssential: yes\nDepends: libc6 (>= 2.38),\n libdebconf:any\n",
            ),
            ("libapt", "Package: libapt\n"),
            ("libc6", "Package: libc6\nDescription: x\n Essential: yes\n"),
            ("libdebconf", "Package: libdebconf\n"),
            ("libm", "Package: libm\n"),
            ("nano", "Package: nano\nDepends: libc6\n"),
        ]);
        assert_eq!(order, [3, 2, 0, 1, 4, 5, 6, 7]);
    }
}
