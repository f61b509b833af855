//! Examples at the end of each command's help.

use clap::Command;

/// Each command with lines to type and what they do. A test parses them all, and misses none.
pub const EXAMPLES: &[(&str, &[(&str, &str)])] = &[
    (
        "check",
        &[
            ("imgfile check", "the ImageFiles of this folder and those below"),
            ("imgfile check --fix web.imagefile", "and repair what is safe to repair"),
            ("imgfile check --format sarif > findings.sarif", "for a code-scanning service"),
        ],
    ),
    (
        "plan",
        &[
            ("imgfile plan", "what a build would do, step by step"),
            ("imgfile plan --image web --format json", "one image, for a program"),
            ("imgfile plan --graph dot | dot -Tsvg > plan.svg", "drawn by Graphviz"),
            (
                "imgfile plan --format github-matrix --level 0",
                "jobs of GitHub Actions for the images on no other",
            ),
            ("imgfile plan --format gitlab-child-pipeline > images.yml", "jobs of GitLab CI, in their order"),
        ],
    ),
    (
        "lock",
        &[
            ("imgfile lock", "pin what is not pinned yet"),
            ("imgfile lock --update web", "take what is newer for one image"),
            ("imgfile lock --locked", "fail if anything would change"),
        ],
    ),
    (
        "outdated",
        &[
            ("imgfile outdated", "what is newer than the lock"),
            ("imgfile outdated --format json", "for a program that opens a pull request"),
            ("imgfile outdated --advisories cves.json", "and which locked packages have known flaws"),
        ],
    ),
    (
        "build",
        &[
            ("imgfile build", "every image, to out/"),
            ("imgfile build --image web --set release=2026.11", "one image, with a param"),
            ("imgfile build --on-failure shell", "look around where a script failed"),
            ("imgfile build --locked --progress plain", "in CI"),
            ("imgfile build --sbom spdx,cyclonedx", "with bills of materials beside the artifacts"),
            ("imgfile build --advisories cves.json --deny high", "unless a package has a grave flaw"),
            ("imgfile build --sign-key ~/signing.pem", "with signed provenance"),
        ],
    ),
    (
        "test",
        &[
            ("imgfile test", "the tests of what is in out/, again"),
            ("imgfile test --image web", "of one image"),
            (
                "imgfile test --all --junit tests.xml",
                "by BIOS and UEFI, and two instances compared; for a CI system",
            ),
        ],
    ),
    (
        "inspect",
        &[
            (
                "imgfile inspect",
                "the image of this project: its system, its size, what instances should not have",
            ),
            (
                "imgfile inspect disk.vmdk --preset none",
                "any disk, and only what would keep instances from starting",
            ),
            ("imgfile inspect web --format sarif", "for a service that shows findings"),
        ],
    ),
    (
        "diff",
        &[
            ("imgfile diff old.qcow2 web", "what the image of this name has that an older disk has not"),
            ("imgfile diff a.qcow2 b.vmdk --exit-code", "status 1 if they differ, for scripts"),
            (
                "imgfile diff a.qcow2 b.qcow2 --format json | jq '.packages[]'",
                "packages that were added, removed or changed",
            ),
        ],
    ),
    (
        "capture",
        &[
            ("imgfile capture old-server.vmdk", "an image from the disk of a machine that was shut down"),
            ("imgfile capture disk.raw --name web --preset identity", "and keep its logs and histories"),
            ("imgfile capture root.qcow2 --data srv.qcow2", "and the disk with its data, as it is"),
            ("imgfile capture disk.raw --allow H0009 --test", "root keeps its password; boot the image, too"),
            (
                "imgfile capture --qmp /run/shop/qmp.sock --guest-agent /run/shop/qga.sock --name shop",
                "a machine that runs, frozen for a moment",
            ),
            ("imgfile capture --libvirt shop", "one that libvirt has, with all its disks"),
        ],
    ),
    (
        "run",
        &[
            ("imgfile run", "the image of this project, with its console here; Ctrl-] leaves it"),
            ("imgfile run web --publish 8080:80", "http://localhost:8080/ is its web server"),
            ("imgfile run --uefi disk.qcow2", "any disk, by UEFI"),
            ("imgfile run --persist=web.changes.qcow2 web", "and go on from there the next time"),
        ],
    ),
    (
        "ssh",
        &[
            ("imgfile ssh", "a shell in the image that runs, as its default user"),
            ("imgfile ssh web -- systemctl --failed", "a command, whose exit status it has"),
        ],
    ),
    (
        "builds",
        &[
            ("imgfile builds", "what was built of this project, newest first"),
            ("imgfile builds --all --format json", "of every project, for a program"),
        ],
    ),
    (
        "builds show",
        &[
            ("imgfile builds show", "the newest build, step by step"),
            ("imgfile builds show 12", "another one"),
        ],
    ),
    (
        "builds report",
        &[
            ("imgfile builds report 12", "writes build-12.html"),
            ("imgfile builds report --output report.html", "of the newest build"),
        ],
    ),
    (
        "logs",
        &[
            ("imgfile logs 12", "everything build 12 printed"),
            ("imgfile logs --follow", "the newest build, as it goes on"),
        ],
    ),
    ("cancel", &[("imgfile cancel 12", "stop build 12 and clear what it used")]),
    (
        "images",
        &[
            ("imgfile images", "what this project built and what became of the files"),
            ("imgfile images web --long", "of one image, with whole digests and times"),
            ("imgfile images --all", "of every project"),
        ],
    ),
    (
        "publish",
        &[
            ("imgfile publish", "every image, to each target that it names"),
            ("imgfile publish web --to prod --set version=2026.11", "one image to one target, with a param"),
            ("imgfile publish --dry-run", "what would be published where"),
        ],
    ),
    (
        "sbom",
        &[
            ("imgfile sbom web", "its packages, as SPDX"),
            ("imgfile sbom out/web.qcow2 --format cyclonedx > web.cdx.json", "as CycloneDX, to a file"),
        ],
    ),
    (
        "verify",
        &[
            ("imgfile verify out/web.qcow2", "against the files beside it"),
            ("imgfile verify web.qcow2 --key signing.pub", "and who signed them"),
            ("imgfile verify web.qcow2 --format json", "for a program"),
        ],
    ),
    (
        "image inspect",
        &[
            ("imgfile image inspect web", "all that is known of it"),
            ("imgfile image inspect web --verify", "and whether the file is what was built"),
        ],
    ),
    (
        "image rename",
        &[("imgfile image rename web web-2026.11", "out/web.qcow2 becomes out/web-2026.11.qcow2")],
    ),
    ("image copy", &[("imgfile image copy web web-kept", "out/web.qcow2 again as out/web-kept.qcow2")]),
    (
        "image describe",
        &[
            ("imgfile image describe web 'the one for the fair'", "what `image inspect` shows"),
            ("imgfile image describe web --clear", "nothing any more"),
        ],
    ),
    (
        "image tag",
        &[
            ("imgfile image tag web-2026.11 prod", "from now on `prod` is this one"),
            ("imgfile image export prod /srv/images", "a tag names an image wherever a name does"),
        ],
    ),
    ("image untag", &[("imgfile image untag prod", "no image is `prod` any more")]),
    (
        "image revoke",
        &[
            ("imgfile image revoke web --reason 'a key in it'", "and all that were made from it"),
            ("imgfile image revoke --undo web", "it was a mistake"),
        ],
    ),
    ("image protect", &[("imgfile image protect web", "neither `rm` nor the next build touches it")]),
    ("image unprotect", &[("imgfile image unprotect web", "it may go again")]),
    ("image rm", &[("imgfile image rm web-2026.10 web-2026.11", "remove two files")]),
    (
        "image export",
        &[
            ("imgfile image export web web.vmdk", "converted, as the extension says"),
            ("imgfile image export web --format gce web.tar.gz", "for Compute Engine"),
            ("imgfile image export web /srv/images", "a copy in a folder"),
        ],
    ),
    ("cache ls", &[("imgfile cache ls", "the layers, least recently used first")]),
    (
        "cache prune",
        &[
            ("imgfile cache prune --dry-run", "what would go"),
            ("imgfile cache prune --size 10GiB", "the least recently used go first"),
        ],
    ),
    ("cache verify", &[("imgfile cache verify", "whether every layer can be read whole")]),
    (
        "gc",
        &[
            ("imgfile gc --dry-run", "what would go"),
            ("imgfile gc --size 20GiB", "bring the store to a size"),
            ("imgfile gc --keep-builds 10", "forget older builds"),
        ],
    ),
    (
        "explain",
        &[
            ("imgfile explain E0312", "what the code means, with an example"),
            ("imgfile explain", "every code"),
        ],
    ),
    (
        "schema",
        &[
            ("imgfile schema lock", "the JSON schema of ImageFile.lock"),
            ("imgfile schema", "what there are schemas of"),
        ],
    ),
    (
        "fmt",
        &[
            ("imgfile fmt", "format the ImageFiles of this folder and those below"),
            ("imgfile fmt --check", "fail if one is not formatted"),
        ],
    ),
    (
        "init",
        &[
            ("imgfile init", "a first ImageFile in this folder"),
            ("imgfile init shop --name web", "in a new folder"),
        ],
    ),
    ("lsp", &[("imgfile lsp", "for editors; docs/editors.md says how")]),
    (
        "completions",
        &[
            ("imgfile completions bash --install", "for every new shell"),
            ("source <(imgfile completions bash)", "for this shell"),
        ],
    ),
    (
        "man",
        &[
            ("imgfile man", "to where `man` looks"),
            ("imgfile man /usr/local/share/man/man1", "for every user"),
        ],
    ),
    ("doctor", &[("imgfile doctor", "what is missing, and the command that installs it")]),
    (
        "bases",
        &[
            ("imgfile bases", "the bases of the catalogue"),
            ("imgfile bases --image web", "which of them suit an image, and why others do not"),
        ],
    ),
    (
        "trust",
        &[
            ("imgfile trust", "let this project set what is yours to set, as it is now"),
            ("imgfile trust --list", "which projects you trust"),
        ],
    ),
    (
        "apps",
        &[
            ("imgfile apps", "the applications of the catalogue"),
            ("imgfile apps nginx", "versions, options, conflicts and claims of one"),
        ],
    ),
    (
        "why",
        &[
            ("imgfile why base", "why this base and no other"),
            ("imgfile why nginx", "why this version"),
            ("imgfile why \"script provision.sh\"", "why the step runs again"),
        ],
    ),
];

/// The command line with the examples in its help.
pub(super) fn added(command: Command) -> Command {
    at(command, "")
}

fn at(command: Command, path: &str) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let mut command = names.iter().fold(command, |command, name| {
        let path = if path.is_empty() { name.clone() } else { format!("{path} {name}") };
        command.mut_subcommand(name, |inner| at(inner, &path))
    });
    if let Some((_, lines)) = EXAMPLES.iter().find(|(known, _)| *known == path) {
        let width = lines.iter().map(|(line, _)| line.len()).max().unwrap_or(0);
        let mut text = "Examples:\n".to_owned();
        for (line, what) in *lines {
            text.push_str(&format!("  {line:<width$}  # {what}\n"));
        }
        command = command.after_help(text.trim_end().to_owned());
    }
    command
}
