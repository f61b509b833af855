//! What can go wrong while preparing, as diagnostics. `tests/preparation.expected` shows each.

use crate::{
    check::{BaseSource, ImageSpec, Size},
    diagnostic::{Diagnostic, codes},
    exec::{BuildError, base::imported::ImportedDisk, error::host, prepare::Unvouched},
    model::ManagerFacts,
    packages::{KeyError, Unmet},
    plan::{Action, CopyFrom, CopyStep, ImagePlan},
    resolve::{Resolution, ResolvedApp},
    store::{StoreError, archive::ArchiveError, fetch::FetchError},
    text::{Span, Spanned},
};

fn one(diagnostic: Diagnostic) -> BuildError {
    BuildError::Diagnosed(vec![diagnostic])
}

/// The base is of a kind that nothing here can start from.
#[must_use]
pub fn unsupported_base(spec: &ImageSpec) -> BuildError {
    let diagnostic = Diagnostic::new(codes::BASE_UNSUPPORTED, "this kind of base cannot be built on yet")
        .label(spec.base.span, "from outside the Debian archive")
        .help("leave `base` out, or write `base auto`");
    one(diagnostic)
}

/// The image's disk is larger than its base's, and the base's root has no room to grow into.
#[must_use]
pub fn cannot_grow(spec: &ImageSpec, size: &Spanned<Size>, given: &ImportedDisk) -> BuildError {
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
pub fn no_packages(spec: &ImageSpec) -> BuildError {
    let message = ManagerFacts::where_packages_are();
    let span = spec.packages.first().map_or(spec.base.span, |package| package.span);
    one(Diagnostic::new(codes::BASE_UNSUPPORTED, message)
        .label(span, "asked for here")
        .label(spec.base.span, format!("the base has no {}", ManagerFacts::programs()))
        .help("install them in a `script`"))
}

/// Relations that do not hold, at most so many shown.
const LACKING_SHOWN: usize = 5;

/// Packages of a lock that no signed index vouches for, each at its line if that is known.
#[must_use]
pub fn unvouched(
    image: &str,
    unvouched: &[Unvouched],
    line: impl Fn(&Unvouched) -> Option<Span>,
) -> Vec<Diagnostic> {
    let one = |one: &Unvouched| {
        let (name, version) = (&one.package.name, &one.package.version);
        let (diagnostic, label) = match &one.archive_says {
            Some(digest) => {
                let message =
                    format!("the lock's digest of `{name}` {version} is not the one that the archive signs");
                let diagnostic = Diagnostic::new(codes::LOCK_DIGEST, message)
                    .note(format!("the archive gives the sha256 {digest}"))
                    .help(format!(
                        "the lock was changed, by mistake or on purpose: take it from version control again, \
                         or run `imgfile lock --update {image}` and look at the difference"
                    ));
                (diagnostic, "not what the archive signs")
            }
            None => {
                let message = format!("no signed index vouches for `{name}` {version} of the lock");
                let diagnostic = Diagnostic::new(codes::LOCK_UNVOUCHED, message)
                    .note(format!("neither this store nor the archive `{}` knows it", one.package.origin.archive))
                    .help(format!(
                        "`imgfile lock --update {image}` locks what the archive has now; if you know where the \
                         package is from, `imgfile build --allow-unvouched` takes it once"
                    ));
                (diagnostic, "nobody vouches for it")
            }
        };
        match line(one) {
            Some(span) => diagnostic.label(span, label),
            None => diagnostic,
        }
    };
    unvouched.iter().map(one).collect()
}

/// The packages that a lock gives an image do not make a whole.
#[must_use]
pub fn lacking(image: &str, name: Span, unmet: &[Unmet]) -> Diagnostic {
    let shown = unmet.iter().take(LACKING_SHOWN).map(|one| {
        format!("`{}` {} has `{}`, and that does not hold", one.package, one.version, one.relation)
    });
    let more = unmet.len().saturating_sub(LACKING_SHOWN);
    let more = (more > 0).then(|| format!("and {more} more"));
    let message = format!("the packages that the lock gives the image `{image}` do not make a whole");
    shown
        .chain(more)
        .fold(Diagnostic::new(codes::LOCK_LACKS, message).label(name, "this image"), Diagnostic::note)
        .help(format!("choose them anew and look at the difference: `imgfile lock --update {image}`"))
}

/// No package mirror is set, and the host has none of its own.
#[must_use]
pub fn no_mirror() -> BuildError {
    let message = "no Debian mirror is known: this host's package sources name none";
    one(Diagnostic::new(codes::NO_MIRROR, message)
        .help("name one: `IMGFILE_MIRROR=https://…/debian`, or `mirror = \"…\"` in `.imgfile.toml`"))
}

/// The mirror has no kernel to build under, `named` so.
#[must_use]
pub fn no_kernel(named: &str) -> BuildError {
    let message = format!("the mirror has no kernel for virtual machines ({named})");
    one(Diagnostic::new(codes::ARCHIVE_UNTRUSTED, message)
        .help("use another mirror: `IMGFILE_MIRROR=https://…/debian`"))
}

/// The keys of an archive cannot be used: that of an application, or those that are compiled in.
#[must_use]
pub fn keyring(error: &KeyError, of: Option<&ResolvedApp>) -> BuildError {
    let message = format!("the archive's keys cannot be read: {error}");
    let diagnostic = Diagnostic::new(codes::ARCHIVE_UNTRUSTED, message);
    one(match of {
        Some(app) => brought(diagnostic, app),
        None => diagnostic,
    })
}

/// Something is wrong with an archive that an application brings.
fn brought(diagnostic: Diagnostic, app: &ResolvedApp) -> Diagnostic {
    let name = &app.name;
    let diagnostic = match app.span {
        Some(span) => diagnostic.label(span, format!("`{name}` brings this archive")),
        None => diagnostic.note(format!("`{name}` brings this archive")),
    };
    diagnostic.help(format!("look at `repositories` in its entry of the catalogue `{}`", app.layer))
}

/// Why the indexes of an archive could not be had: of one that an application of `resolution` brings, or of
/// the distribution's own.
#[must_use]
pub fn archive(error: &ArchiveError, resolution: Option<&Resolution>) -> BuildError {
    let message = error.to_string();
    let app = error.url().and_then(|url| {
        let brings = |app: &&ResolvedApp| {
            app.repositories.iter().any(|repository| url.starts_with(repository.url.trim_end_matches('/')))
        };
        resolution?.own_apps().find(brings)
    });
    let untrusted = |help: &str| {
        let diagnostic = Diagnostic::new(codes::ARCHIVE_UNTRUSTED, message.clone());
        match app {
            Some(app) => brought(diagnostic, app),
            None => diagnostic.help(help),
        }
    };
    one(match error {
        ArchiveError::Store(error) => store(error),
        ArchiveError::Inconsistent { .. } => {
            untrusted("try again in some minutes, or use another mirror: `IMGFILE_MIRROR=https://…/debian`")
        }
        ArchiveError::Release { .. }
        | ArchiveError::Fetch(FetchError::Gone { .. })
        | ArchiveError::Expired { .. }
        | ArchiveError::Index { .. }
        | ArchiveError::NoComponent { .. } => {
            untrusted("use another mirror: `IMGFILE_MIRROR=https://…/debian`")
        }
        ArchiveError::Fetch(error) => return fetch(error),
    })
}

/// Why a file could not be had.
#[must_use]
pub fn fetch(error: &FetchError) -> BuildError {
    fetch_failure(error, None)
}

/// The way on when a download has another checksum than the ImageFile says.
const COMPARE: &str = "compare with what the publisher says before you write another checksum: the file was \
                       replaced, or somebody changed it on the way";

/// Why what an image is built from could not be had: a download of its `copy url`, at the statement, or a
/// package.
#[must_use]
pub fn supply(error: &FetchError, plan: &ImagePlan) -> BuildError {
    let copied = plan.steps.iter().find_map(|step| match &step.action {
        Action::Copy(CopyStep { from: CopyFrom::Download { url, .. }, .. }) if error.url() == Some(url) => {
            Some((url, step.span?))
        }
        _ => None,
    });
    let Some((url, span)) = copied else { return fetch(error) };
    let message = error.to_string();
    one(match error {
        FetchError::Gone { .. } => Diagnostic::new(codes::DOWNLOAD_GONE, message)
            .label(span, "not found by the server")
            .help("look for the file that takes its place, and its checksum"),
        FetchError::NotPublished { .. } => {
            Diagnostic::new(codes::DOWNLOAD_WRONG, format!("`{url}` is not the file that is pinned"))
                .label(span, "has another sha512")
                .help(COMPARE)
        }
        FetchError::Wrong { actual, .. } => {
            Diagnostic::new(codes::DOWNLOAD_WRONG, format!("`{url}` is not the file that is pinned"))
                .label(span, "has another sha256")
                .note(format!("the download's sha256 is {actual}"))
                .help(COMPARE)
        }
        _ => {
            let failures = fetch(error).diagnostics();
            return BuildError::Diagnosed(
                failures.into_iter().map(|one| one.label(span, "cannot be downloaded")).collect(),
            );
        }
    })
}

/// Why a download failed. `pinned` is the image whose lock names the disk that was to be had.
#[must_use]
pub fn fetch_failure(error: &FetchError, pinned: Option<&ImageSpec>) -> BuildError {
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
        FetchError::Slow { .. } => Diagnostic::new(codes::SERVER_TOO_SLOW, message)
            .help("use another mirror, or try again later: what has arrived of a large file is kept, and the next try goes on from there"),
        FetchError::Gone { .. } => Diagnostic::new(codes::DOWNLOAD_GONE, message)
            .help("archives keep only the newest version of a package: `imgfile lock --update` locks what is there now"),
        FetchError::NotPublished { .. } => Diagnostic::new(codes::NOT_PUBLISHED, message)
            .help("try again in some minutes: publishers replace a disk and its checksums one after the other"),
        FetchError::Wrong { .. } | FetchError::TooLarge { .. } => Diagnostic::new(codes::DOWNLOAD_WRONG, message)
            .help("the download is damaged, or somebody changed it; do not trust it until you know which"),
        FetchError::Setting(_) => Diagnostic::new(codes::NO_NETWORK, message)
            .help("`imgfile doctor` shows each setting and where it comes from"),
        FetchError::Store(error) => store(error),
    })
}

fn store(error: &StoreError) -> Diagnostic {
    host(error.to_string(), error.is_full())
}
