//! Paths of the image that are not what they seem: folders of the system itself, and folders that a boot
//! lays other file systems over.

use super::operands::Text;
use super::shown::short;
use super::{Checker, CopySource, CopySpec, ImageSpec, StepSpec};
use crate::diagnostic::{Applicability, Diagnostic, codes};
use crate::model::PACKAGE_MANAGERS;
use crate::text::{Span, Spanned, glob_matches};

/// Folders without which there is no system.
const SYSTEM: [&str; 29] = [
    "/",
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/home",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/opt",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/srv",
    "/sys",
    "/tmp",
    "/usr",
    "/usr/bin",
    "/usr/lib",
    "/usr/lib64",
    "/usr/sbin",
    "/usr/share",
    "/var",
    "/var/cache",
    "/var/lib",
    "/var/log",
    "/var/tmp",
];

/// Files without which nobody logs in, or the system does not know itself.
const SYSTEM_FILES: [&str; 9] = [
    "/etc/fstab",
    "/etc/group",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/profile",
    "/etc/resolv.conf",
    "/etc/shadow",
];

/// What no system starts without, or knows its packages by.
const VITAL: [&str; 9] = [
    "/boot/grub",
    "/boot/vmlinuz",
    "/etc/fstab",
    "/etc/group",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/shadow",
    "/lib/modules",
    "/usr/lib/modules",
];

/// All of it, with what package managers know the system's packages by.
fn vital() -> Vec<&'static str> {
    let records = PACKAGE_MANAGERS.iter().flat_map(|manager| manager.records);
    VITAL.iter().chain(records).copied().collect()
}

/// A path without repeated, trailing and `.` parts.
fn plain(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    format!("/{}", parts.join("/"))
}

/// The folder of the system that a path or pattern names.
fn system_folder(path: &str) -> Option<&'static str> {
    named(path, &SYSTEM)
}

/// The first of some paths that a path or pattern names.
fn named(path: &str, known: &[&'static str]) -> Option<&'static str> {
    let path = plain(path);
    let parts = |path: &str| -> Vec<String> {
        path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect()
    };
    let wanted = parts(&path);
    known.iter().copied().find(|folder| {
        let folder = parts(folder);
        folder.len() == wanted.len()
            && folder.iter().zip(&wanted).all(|(name, pattern)| glob_matches(pattern, name))
    })
}

impl Checker<'_> {
    /// A path of `cleanup`'s `remove`: anything in the image but the system itself.
    pub(super) fn removable(&mut self, text: Text) -> Option<Spanned<String>> {
        let path = self.image_path(text)?;
        let shown = plain(&path.value);
        // What the kernel shows is not on the disk.
        let kernel = ["/proc", "/sys", "/dev"]
            .iter()
            .any(|root| shown == *root || shown.starts_with(&format!("{root}/")));
        let Some(folder) = system_folder(&path.value).or_else(|| kernel.then_some("")) else {
            let Some(vital) = named(&path.value, &vital()) else { return Some(path) };
            self.report(
                Diagnostic::new(
                    codes::SYSTEM_REMOVED,
                    format!("`{}` takes `{vital}` away, a part of the system itself", short(&path.value)),
                )
                .label(path.span, "cannot be removed")
                .help("name what is to go more closely"),
            );
            return None;
        };
        let (message, help) = if kernel {
            (
                format!("`{}` is not on the disk: the kernel shows it", short(&path.value)),
                "leave it out".to_owned(),
            )
        } else if path.value.contains(['*', '?', '[']) {
            (
                format!("`{}` matches `{folder}`, a folder of the system itself", short(&path.value)),
                "name what is to go more closely".to_owned(),
            )
        } else {
            let inner = if folder == "/" { "/srv/scratch".to_owned() } else { format!("{folder}/NAME") };
            (
                format!("`{}` is a folder of the system itself", short(&path.value)),
                format!(
                    "name what is to go in it, such as `{inner}` or `{}/*.bak`",
                    folder.trim_end_matches('/')
                ),
            )
        };
        self.report(
            Diagnostic::new(codes::SYSTEM_REMOVED, message).label(path.span, "cannot be removed").help(help),
        );
        None
    }

    /// A file that would take the place of a folder that every system has, or a folder that of a file.
    pub(super) fn onto_the_system(&mut self, source: &CopySource, dest: &Spanned<String>, unpacks: bool) {
        let is_file = match source {
            CopySource::Folder { .. } | CopySource::Glob { .. } => false,
            CopySource::Url { .. } => !unpacks,
            CopySource::File { .. } | CopySource::Inline { .. } => true,
        };
        let path = plain(&dest.value);
        let diagnostic = if is_file && !dest.value.ends_with('/') && SYSTEM.contains(&path.as_str()) {
            let folder = format!("{}/", dest.value);
            Diagnostic::new(
                codes::PATHS_CLASH,
                format!("`{}` is a folder of every system, and this copies a file", short(&dest.value)),
            )
            .label(dest.span, "would take the folder's place")
            .help("a destination that ends in `/` is a folder to put the file into")
            .fix(
                Applicability::Maybe,
                format!("write `{folder}`"),
                dest.span,
                format!("\"{folder}\""),
            )
        } else if !is_file && SYSTEM_FILES.contains(&path.as_str()) {
            Diagnostic::new(
                codes::PATHS_CLASH,
                format!("`{}` is a file of every system, and this copies a folder", short(&dest.value)),
            )
            .label(dest.span, "would take the file's place")
            .help("what is in a folder goes into the folder that `to` names")
        } else {
            return;
        };
        self.report(diagnostic);
    }

    /// Copies that come before the accounts they would belong to: language.md, "The order of a build".
    pub(super) fn early_owners(&mut self, image: &ImageSpec) {
        for step in &image.steps {
            let StepSpec::Copy(copy) = step else { continue };
            if !copy.early {
                continue;
            }
            let accounts = image.accounts.iter().map(|account| &account.name);
            let groups = image.groups.iter().map(|group| &group.name);
            let made: Vec<_> = accounts.chain(groups).filter(|name| name.value != "root").collect();
            for owner in [&copy.owner, &copy.group].into_iter().flatten() {
                let Some(name) = made.iter().find(|name| name.value == owner.value) else { continue };
                let message = format!("`{}` is made after the early copies", short(&owner.value));
                self.report(
                    Diagnostic::new(codes::OPTION_CONFLICT, message)
                        .label(owner.span, "nobody of this name is there yet")
                        .label(name.span, "made here, once packages are installed")
                        .help("leave out `early = true`, or let a script give it to its owner later"),
                );
            }
        }
    }

    /// A copy that nobody would find in the booted system.
    pub(super) fn visible(&mut self, dest: &Spanned<String>) {
        let path = plain(&dest.value);
        let below =
            |root: &str| path == root || path.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'));
        if let Some(root) = ["/proc", "/sys", "/dev"].into_iter().find(|root| below(root)) {
            self.report(
                Diagnostic::new(
                    codes::KERNEL_PATH,
                    format!("nothing can be copied to `{}`", short(&dest.value)),
                )
                .label(dest.span, format!("what is in `{root}` is the kernel's, and on no disk"))
                .help("a setting of the kernel is a file below `/etc/sysctl.d`, `/etc/modprobe.d` or `/etc/udev/rules.d`"),
            );
            return;
        }
        let Some(root) = ["/tmp", "/run", "/var/run"].into_iter().find(|root| below(root)) else { return };
        self.report(
            Diagnostic::new(
                codes::HIDDEN_COPY,
                format!("`{}` is not seen by booted scripts, and not left in the image", short(&dest.value)),
            )
            .label(dest.span, format!("a boot lays an empty file system over `{root}`"))
            .help(
                "give a script what it needs with `with = [\"…\"]`, which is at /run/imgfile/project, \
                 or copy to `/usr/local/share` or `/opt`",
            ),
        );
    }

    /// Copies of an image of which one makes a file of what the other needs as a folder.
    pub(super) fn copies_clash(&mut self, image: &ImageSpec) {
        let mut files: std::collections::HashMap<String, Span> = std::collections::HashMap::new();
        let mut folders: Vec<(String, Span)> = Vec::new();
        for step in &image.steps {
            let StepSpec::Copy(copy) = step else { continue };
            match file_of(copy) {
                Some(file) => _ = files.entry(file).or_insert(copy.dest.span),
                None => folders.push((plain(&copy.dest.value), copy.dest.span)),
            }
        }
        let mut said = std::collections::HashSet::new();
        let wanted: Vec<(String, Span)> =
            folders.into_iter().chain(files.iter().map(|(file, span)| (parent(file), *span))).collect();
        let mut wanted = wanted;
        wanted.sort_by_key(|(_, span)| *span);
        for (folder, span) in wanted {
            let mut above = folder.as_str();
            while above.len() > 1 {
                if let Some(file) = files.get(above).filter(|file| **file != span) {
                    let file = *file;
                    if said.insert((above.to_owned(), file)) {
                        let shown = short(above);
                        self.report(
                            Diagnostic::new(
                                codes::PATHS_CLASH,
                                format!("`{shown}` would be a file and a folder"),
                            )
                            .label(span, "needs it as a folder")
                            .label(file, "makes it a file")
                            .help("a destination that ends in `/` is a folder to put the file into"),
                        );
                    }
                    break;
                }
                above = above.rsplit_once('/').map_or("", |(above, _)| above);
            }
        }
    }
}

fn parent(path: &str) -> String {
    path.rsplit_once('/').map_or_else(String::new, |(parent, _)| parent.to_owned())
}

/// Where the one file of a copy goes; `None` if it brings a folder's contents.
fn file_of(copy: &CopySpec) -> Option<String> {
    let name = match &copy.source {
        CopySource::Folder { .. } | CopySource::Glob { .. } | CopySource::Url { unpack: true, .. } => {
            return None;
        }
        CopySource::File { path } => path.value.rsplit('/').next().unwrap_or_default(),
        CopySource::Url { url, .. } => url.value.rsplit('/').next().unwrap_or_default(),
        CopySource::Inline { .. } => "",
    };
    let dest = &copy.dest.value;
    Some(plain(&if dest.ends_with('/') { format!("{dest}{name}") } else { dest.clone() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_known_however_it_is_written() {
        for path in ["/", "//", "/usr/", "/etc/.", "/proc", "/*", "/us?", "/var/l*", "/[e]tc", "/./usr//lib"]
        {
            assert!(system_folder(path).is_some(), "{path}");
        }
        for path in ["/etc/*", "/etc/passwd", "/var/lib/dpkg/", "/lib/mod*", "/boot/vmlinuz*"] {
            assert!(named(path, &vital()).is_some(), "{path}");
        }
        for path in
            ["/usr/bin/chage", "/etc/motd", "/var/log/*.log", "/srv/scratch", "/opt/tool", "/etcetera"]
        {
            assert_eq!(system_folder(path), None, "{path}");
        }
    }
}
