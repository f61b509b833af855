//! What can go wrong while preparing, as diagnostics. `tests/preparation.expected` shows each.

use crate::{
    check::{BaseSource, ImageSpec, Size},
    diagnostic::{Diagnostic, codes},
    exec::{Failure, base::given::Given, failure::host},
    packages::{NotRemovable, ReleaseError, SolveError},
    resolve::Resolution,
    store::{StoreError, archive::ArchiveError, fetch::FetchError},
    text::{Span, Spanned},
};

fn one(diagnostic: Diagnostic) -> Failure {
    Failure::Diagnosed(vec![diagnostic])
}

/// The base is of a kind that nothing here can start from.
#[must_use]
pub fn unsupported_base(spec: &ImageSpec) -> Failure {
    let diagnostic = Diagnostic::new(codes::BASE_UNSUPPORTED, "this kind of base cannot be built on yet")
        .label(spec.base.span, "from outside the Debian archive")
        .help("leave `base` out, or write `base auto`");
    one(diagnostic)
}

/// The image's disk is larger than its base's, and the base's root has no room to grow into.
#[must_use]
pub fn cannot_grow(spec: &ImageSpec, size: &Spanned<Size>, given: &Given) -> Failure {
    let name = match &spec.base.source {
        BaseSource::File { path: name, .. } | BaseSource::Url { url: name, .. } => name,
        BaseSource::Auto | BaseSource::Named { .. } | BaseSource::Image { .. } => &spec.name,
    };
    let message = format!("the root of `{}` cannot grow to `min_storage {}`", name.value, size.value);
    one(Diagnostic::new(codes::IMAGE_UNSUPPORTED, message)
        .label(size.span, format!("the base's disk has {}", Size(given.virtual_size)))
        .label(name.span, format!("another partition lies behind its root, {}", given.facts.root.device))
        .help("leave `min_storage` out, or give a disk whose root is its last partition"))
}

/// Packages are asked for, and the base's system has no package manager that is known here.
#[must_use]
pub fn no_packages(spec: &ImageSpec) -> Failure {
    let message = "packages can be installed on systems of the Debian family only, as yet";
    let span = spec.packages.first().map_or(spec.base.span, |package| package.span);
    one(Diagnostic::new(codes::BASE_UNSUPPORTED, message)
        .label(span, "asked for here")
        .label(spec.base.span, "the base has no dpkg")
        .help("install them in a `script`"))
}

/// No package mirror is set, and the host has none of its own.
#[must_use]
pub fn no_mirror() -> Failure {
    let message = "no Debian mirror is known: this host's package sources name none";
    one(Diagnostic::new(codes::NO_MIRROR, message)
        .help("name one: `IMGFILE_MIRROR=https://…/debian`, or `mirror = \"…\"` in `.imgfile.toml`"))
}

/// The mirror has no kernel to build under.
#[must_use]
pub fn no_kernel() -> Failure {
    let message = "the mirror has no kernel for virtual machines (linux-image-…-cloud-amd64 of Debian 13)";
    one(Diagnostic::new(codes::ARCHIVE_UNTRUSTED, message)
        .help("use another mirror: `IMGFILE_MIRROR=https://…/debian`"))
}

/// A keyring is no keyring.
#[must_use]
pub fn keyring(error: &ReleaseError) -> Failure {
    one(Diagnostic::new(codes::ARCHIVE_UNTRUSTED, format!("the archive's keys cannot be read: {error}")))
}

/// Why the indexes of an archive could not be had.
#[must_use]
pub fn archive(error: &ArchiveError) -> Failure {
    let message = error.to_string();
    one(match error {
        ArchiveError::Store(error) => store(error),
        ArchiveError::Inconsistent { .. } => Diagnostic::new(codes::ARCHIVE_UNTRUSTED, message)
            .help("try again in some minutes, or use another mirror"),
        ArchiveError::Release { .. }
        | ArchiveError::Fetch(FetchError::Gone { .. })
        | ArchiveError::Expired { .. }
        | ArchiveError::Index { .. }
        | ArchiveError::NoComponent { .. } => Diagnostic::new(codes::ARCHIVE_UNTRUSTED, message)
            .help("use another mirror: `IMGFILE_MIRROR=https://…/debian`"),
        ArchiveError::Fetch(error) => return fetch(error),
    })
}

/// Why a file could not be had.
#[must_use]
pub fn fetch(error: &FetchError) -> Failure {
    fetch_failure(error, None)
}

/// Why a download failed. `pinned` is the image whose lock names the disk that was to be had.
#[must_use]
pub fn fetch_failure(error: &FetchError, pinned: Option<&ImageSpec>) -> Failure {
    let message = error.to_string();
    if let (Some(spec), FetchError::Gone { .. } | FetchError::Wrong { .. }) = (pinned, error) {
        let name = &spec.name.value;
        let message = format!("the disk that the lock pins for the image `{name}` is not published any more");
        return one(Diagnostic::new(codes::DOWNLOAD_GONE, message)
            .label(spec.base.span, "this base")
            .note(error.to_string())
            .help(format!("`imgfile lock --update {name}` pins what is published now")));
    }
    one(match error {
        FetchError::Offline { .. } => Diagnostic::new(codes::NO_NETWORK, message).help("run once without `--offline`"),
        FetchError::Unreachable { .. } | FetchError::Refused { .. } => Diagnostic::new(codes::NO_NETWORK, message)
            .help("check the connection and the settings `mirror` and `proxy` (`imgfile doctor` shows them)"),
        FetchError::Gone { .. } => Diagnostic::new(codes::DOWNLOAD_GONE, message)
            .help("archives keep only the newest version of a package: `imgfile lock --update` locks what is there now"),
        FetchError::NotPublished { .. } => Diagnostic::new(codes::NOT_PUBLISHED, message)
            .help("try again in some minutes: publishers replace a disk and its checksums one after the other"),
        FetchError::Wrong { .. } | FetchError::TooLarge { .. } => Diagnostic::new(codes::DOWNLOAD_WRONG, message)
            .help("the download is damaged, or somebody changed it; do not trust it until you know which"),
        FetchError::Setting(_) => Diagnostic::new(codes::NO_NETWORK, message),
        FetchError::Store(error) => store(error),
    })
}

fn store(error: &StoreError) -> Diagnostic {
    host(error.to_string(), error.is_full())
}

/// What the packages' solve says, at the statement that asked for the package.
#[must_use]
pub fn packages(error: &SolveError, spec: &ImageSpec, resolution: &Resolution) -> Failure {
    let place = |name: &str| place(name, spec, resolution);
    let at = |diagnostic: Diagnostic, name: &str, label: &str| match place(name) {
        Some((span, None)) => diagnostic.label(span, label),
        Some((span, Some(app))) => diagnostic.label(span, format!("`{app}` needs it")),
        None => diagnostic,
    };
    one(match error {
        SolveError::Unknown { name, nearest } => {
            let message = format!("no archive of the base has a package `{name}`");
            let diagnostic = at(Diagnostic::new(codes::PACKAGE_UNKNOWN, message), name, "unknown package");
            match nearest {
                Some(nearest) => diagnostic.help(format!("there is `{nearest}`")),
                None => diagnostic,
            }
        }
        SolveError::Virtual { name, providers } => {
            let message = format!("`{name}` is not one package: several provide it");
            at(Diagnostic::new(codes::PACKAGE_UNKNOWN, message), name, "choose one")
                .help(format!("write one of {}", providers.join(", ")))
        }
        SolveError::NoVersion { name, wanted, available } => {
            let message = format!("the archive has no version {wanted} of `{name}`");
            let have: Vec<String> = available.iter().map(ToString::to_string).collect();
            at(Diagnostic::new(codes::PACKAGE_VERSION_GONE, message), name, "this version is not there")
                .help(format!("there is {}", have.join(", ")))
        }
        SolveError::CannotRemove { name, because } => {
            let why = match because {
                NotRemovable::Essential => "the system does not work without it",
                NotRemovable::NotInstalled => "the base does not have it",
            };
            let message = format!("`{name}` cannot be removed: {why}");
            at(Diagnostic::new(codes::PACKAGES_CLASH, message), name, "to be removed")
        }
        SolveError::WouldRemove { names } => {
            let message = format!("the packages asked for would remove {} from the base", names.join(", "));
            Diagnostic::new(codes::PACKAGES_CLASH, message)
                .help("name them in `packages [...] { remove = [...] }` if that is meant")
        }
        SolveError::Unsatisfiable { unmet } => {
            let mut diagnostic =
                Diagnostic::new(codes::PACKAGES_CLASH, "the packages asked for cannot be installed together");
            for one in unmet {
                diagnostic = at(diagnostic, &one.wanted, "this cannot be installed").note(format!("{one}"));
            }
            diagnostic
        }
    })
}

/// The statement that asks for a package, and the application it belongs to.
fn place<'a>(name: &str, spec: &ImageSpec, resolution: &'a Resolution) -> Option<(Span, Option<&'a str>)> {
    let bare = name.split(['=', ':']).next().unwrap_or(name);
    let written = spec.packages.iter().chain(&spec.removed_packages).find(|package| package.name == bare);
    if let Some(package) = written {
        return Some((package.span, None));
    }
    let app = resolution.apps.iter().find(|app| app.packages.iter().any(|package| package.name == bare))?;
    Some((app.span.unwrap_or(spec.name.span), Some(app.name.as_str())))
}
