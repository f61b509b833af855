//! The features on a project in memory. `‸` marks the cursor and is taken out.

mod catalogue;

use super::*;
use crate::check::MemoryFiles;
use crate::syntax::Keyword;
use crate::text::SourceId;

/// A project whose ImageFile has a cursor, analysed.
struct Editor {
    files: MemoryFiles,
    analysis: Analysis,
    source: SourceId,
    offset: u32,
}

fn editor(text: &str) -> Editor {
    editor_with(text, MemoryFiles::new())
}

fn editor_with(text: &str, files: MemoryFiles) -> Editor {
    editor_from(text, files, &mut None)
}

fn editor_from(text: &str, files: MemoryFiles, shelf: &mut Option<FrontCache>) -> Editor {
    let offset = text.find('‸').unwrap_or(0);
    let files = files.with("ImageFile", text.replacen('‸', "", 1));
    let analysis = analyse("ImageFile", &files, shelf);
    let source = analysis.source("ImageFile").unwrap();
    Editor { files, analysis, source, offset: u32::try_from(offset).unwrap() }
}

impl Editor {
    fn labels(&self) -> Vec<String> {
        self.completions().into_iter().map(|one| one.label).collect()
    }

    fn completions(&self) -> Vec<Completion> {
        complete(&self.analysis, &self.files, self.source, self.offset)
    }

    /// The text after taking the proposal called `label`.
    fn completed(&self, label: &str) -> String {
        let one = self.completions().into_iter().find(|one| one.label == label).unwrap();
        let mut text = self.analysis.sources.get(self.source).text.clone();
        text.replace_range(one.replace.start as usize..one.replace.end as usize, &one.insert);
        text
    }

    fn hover(&self) -> Option<String> {
        hover(&self.analysis, self.source, self.offset).map(|hover| hover.markdown)
    }

    /// `FILE:LINE: the text there`, or the path of a file.
    fn definition(&self) -> Option<String> {
        Some(match definition(&self.analysis, self.source, self.offset)?.1 {
            Target::File(path) => path,
            Target::Place(span) => self.place(span),
        })
    }

    fn place(&self, span: crate::text::Span) -> String {
        let file = self.analysis.sources.get(span.source);
        let line = self.analysis.sources.line_col(span).line + 1;
        format!("{}:{line}: {}", file.name, self.analysis.sources.slice(span))
    }

    fn references(&self) -> Vec<String> {
        let symbol = symbol_at(&self.analysis, self.source, self.offset).unwrap();
        references(&self.analysis, &symbol.value, true).into_iter().map(|span| self.place(span)).collect()
    }
}

fn in_image(line: &str) -> Editor {
    editor(&format!(
        "param release = \"1\"\nprofile hardened {{\n}}\nimage \"web\" {{\n  os linux debian 13\n  {line}\n}}\n"
    ))
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

#[test]
fn statements_where_they_are_allowed() {
    let top = words("param include catalog profile image");
    for text in ["‸", "im‸", "\n‸\nimage \"a\" {\n}\n", "param a = 1\n‸", "image \"a\" {\n}\n\n‸"] {
        assert_eq!(editor(text).labels(), top, "{text}");
    }
    let inner = in_image("‸").labels();
    assert!(inner.contains(&"app".to_owned()) && inner.contains(&"min_storage".to_owned()));
    assert!(!inner.contains(&"param".to_owned()), "top level only");
    assert!(!inner.contains(&"os".to_owned()), "once, and already there");
    assert!(editor("image \"a\" {\n  o‸s linux debian\n}").labels().contains(&"os".to_owned()), "itself");
    assert_eq!(in_image("mi‸").completed("min_storage").lines().nth(5), Some("  min_storage"));
    for nothing in ["# a comment ‸", "script <<SH\n  ech‸\nSH"] {
        assert_eq!(in_image(nothing).labels(), [""; 0], "{nothing}");
    }
    assert_eq!(editor("image \"a\" {\n  ‸").labels(), inner_of_empty(), "a block without its end");
}

fn inner_of_empty() -> Vec<String> {
    editor("image \"a\" {\n  ‸\n}").labels()
}

#[test]
fn operands_and_options() {
    let table = [
        ("app nginx ‸", "^1.26 ^1.22"),
        ("app nginx { ‸ }", "port workers"),
        ("app nginx {\n    ‸\n  }", "port workers"),
        ("app nginx { port = 1, ‸ }", "workers"),
        ("app nginx { port = ‸ }", "80"),
        ("use ‸", "hardened"),
        ("network ‸", "full none"),
        ("service ssh ‸", "enabled disabled masked"),
        ("arch x‸", "x86_64 aarch64"),
        ("base auto { ‸ }", "upgrade firmware"),
        ("base auto { firmware = ‸ }", "bios uefi"),
        ("base auto { firmware = b‸ }", "bios uefi"),
        ("output qcow2 { compression = ‸", "zstd zlib fast none"),
        ("output vhd { subformat = ‸", "fixed dynamic"),
        ("script <<SH { off‸ }\nSH", "name user env timeout retries secrets offline network with"),
        ("script <<SH { offline = ‸ }\nSH", "true false"),
        ("secret token ‸", "from"),
        ("secret token from ‸", "env file"),
        ("copy \"a\" ‸", "to"),
        (
            "cleanup cloud { keep = [‸] }",
            "machine-id ssh-host-keys random-seed service-identities registrations cloud-init network-state \
             hardware-state dhcp-leases logs crash-dumps mail at-jobs histories user-ssh-keys account-backups \
             package-caches swap tmp",
        ),
        (
            "cleanup minimal { remove = [cron‸] }",
            "machine-id ssh-host-keys random-seed service-identities registrations cloud-init network-state \
             hardware-state dhcp-leases logs crash-dumps mail at-jobs histories user-ssh-keys account-backups \
             package-caches swap tmp crontabs backup-files authorized-keys builder-sudo kerberos-data samba-data",
        ),
        ("description \"a ${‸\"", "release image arch os.version"),
        ("description \"a ${re‸}\"", "release image arch os.version"),
        ("description ${‸", "release image arch os.version"),
        ("description \"a $$‸\"", ""),
    ];
    for (line, expected) in table {
        assert_eq!(in_image(line).labels(), words(expected), "{line}");
    }
    for app in ["app ‸", "app ng‸"] {
        assert!(in_image(app).labels().contains(&"nginx".to_owned()));
        assert!(!in_image(&format!("app nginx\n  {app}")).labels().contains(&"nginx".to_owned()), "once");
    }
    let line = |line: &str, label: &str| in_image(line).completed(label).lines().nth(5).unwrap().to_owned();
    assert_eq!(line("app n‸", "nginx"), "  app nginx");
    assert_eq!(line("app nginx { po‸ }", "port"), "  app nginx { port =  }");
    assert_eq!(line("app nginx { po‸ = 1 }", "port"), "  app nginx { port = 1 }");
    assert_eq!(line("description \"a ${r‸ b\"", "release"), "  description \"a ${release} b\"");
    assert_eq!(line("description \"a $‸ b\"", "release"), "  description \"a ${release} b\"");
    assert_eq!(line("description \"${r‸}\"", "release"), "  description \"${release}\"");
}

#[test]
fn bases_and_images() {
    let labels = in_image("base ‸").labels();
    assert_eq!(labels[..4], ["auto", "file", "url", "image"]);
    assert!(labels.contains(&"debian-13".to_owned()));
    let two = editor("image \"first\" {\n  os linux debian 13\n}\nimage \"second\" {\n  base image ‸\n}\n");
    assert_eq!(two.labels(), ["first"], "not the image itself");
    assert!(two.completed("first").contains("base image \"first\"\n"));
}

#[test]
fn paths_of_the_project_only() {
    let files = MemoryFiles::new()
        .with("provision.sh", "#!/bin/sh\n")
        .with("site/index.html", "x")
        .with("common.imagefile", "")
        .with(".git/config", "x");
    let with = |line: &str| editor_with(&format!("image \"web\" {{\n  {line}\n}}\n"), files.clone());
    assert_eq!(with("script ‸").labels(), ["common.imagefile", "provision.sh", "site/"]);
    assert_eq!(
        with("script \"pro‸\"").completed("provision.sh").lines().nth(1),
        Some("  script \"provision.sh\"")
    );
    assert_eq!(with("copy \"site/‸\" to \"/x\"").labels(), ["site/index.html"]);
    assert_eq!(with("preseed \"site/‸\"").labels(), ["site/index.html"]);
    assert_eq!(with("copy \"../‸\" to \"/x\"").labels(), [""; 0], "not above the project");
    assert_eq!(with("copy \"/etc/‸\" to \"/x\"").labels(), [""; 0], "not of the machine");
    assert_eq!(editor_with("include ‸", files.clone()).labels(), ["common.imagefile", "site/"]);
}

#[test]
fn the_keys_of_each_statement_are_those_that_check_takes() {
    let statements = [
        ("base", "base auto { zzzzzzzzzzzz = 1 }"),
        ("packages", "packages [\"jq\"] { zzzzzzzzzzzz = 1 }"),
        ("account", "account a { zzzzzzzzzzzz = 1 }"),
        ("group", "group a { zzzzzzzzzzzz = 1 }"),
        ("user", "user a { zzzzzzzzzzzz = 1 }"),
        ("copy", "copy \"ImageFile\" to \"/x\" { zzzzzzzzzzzz = 1 }"),
        ("script", "script <<SH { zzzzzzzzzzzz = 1 }\n#!/bin/sh -e\nSH"),
        ("test", "test \"t\" <<SH { zzzzzzzzzzzz = 1 }\n#!/bin/sh -e\nSH"),
        ("service", "service a enabled { zzzzzzzzzzzz = 1 }"),
        ("machine", "machine { zzzzzzzzzzzz = 1 }"),
        ("cleanup", "cleanup cloud { zzzzzzzzzzzz = 1 }"),
        ("output", "output qcow2 { zzzzzzzzzzzz = 1 }"),
    ];
    for (keyword, line) in statements {
        let editor = in_image(line);
        let help = editor
            .analysis
            .diagnostics
            .iter()
            .flat_map(|d| &d.helps)
            .find(|help| help.contains("options are"));
        let help = help.unwrap_or_else(|| panic!("{keyword}: {:?}", editor.analysis.diagnostics));
        let known: Vec<&str> = help.split('`').skip(1).step_by(2).collect();
        let ours: Vec<&str> =
            Keyword::of(keyword).unwrap().info().options().iter().map(|one| one.name).collect();
        assert_eq!(ours, known, "{keyword}");
    }
}

#[test]
fn only_the_keys_of_a_statements_own_form_are_offered() {
    let keys = |line: &str| {
        let completions = in_image(line).completions();
        let keys = completions.into_iter().filter(|one| one.kind == CompletionKind::Option);
        keys.map(|one| one.label).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(keys("archive debian { ‸ }"), "components suites keep");
    assert_eq!(
        keys("archive \"https://packages.example/deb\" { ‸ }"),
        "components suite key fingerprint priority keep"
    );
    assert_eq!(keys("copy \"site/\" to \"/srv\" { ‸ }"), "owner group mode dir_mode early");
    assert_eq!(
        keys("copy url \"https://example.org/a\" sha256 \"00\" to \"/srv\" { ‸ }"),
        "owner group mode dir_mode unpack strip early"
    );
    assert_eq!(keys("use hardened { ‸ }"), "release");
    assert_eq!(keys("output raw { ‸ }"), "name");
    assert_eq!(keys("output vhd { ‸ }"), "name subformat");
}

#[test]
fn hovers() {
    let hover = |line: &str| in_image(line).hover().unwrap_or_default();
    assert!(hover("ap‸p nginx").starts_with("**app**: an application of the catalogue"));
    assert!(hover("app ngi‸nx").contains("- 1.26 on debian 13\n- 1.22 on debian 12"));
    assert!(hover("app nginx { po‸rt = 1 }").starts_with("**port**: a port, default `80`"));
    assert!(hover("base debian-1‸3").starts_with("**debian-13 "));
    assert_eq!(hover("min_storage 8G‸iB"), "8\u{202F}589\u{202F}934\u{202F}592 bytes");
    assert!(hover("description \"${rele‸ase}\"").contains("param release = \"1\""));
    assert!(hover("description \"${ima‸ge}\"").contains("the name of the image"));
    assert!(hover("use hard‸ened").contains("profile hardened {"));
    assert_eq!(hover("min_storage 8GiB ‸"), "");
}

#[test]
fn definitions() {
    let files = MemoryFiles::new()
        .with("lib/common.imagefile", "profile hardened {\n  script \"x.sh\"\n}\n")
        .with("lib/x.sh", "#!/bin/sh -e\n")
        .with("run.sh", "#!/bin/sh -e\n")
        .with("site/a", "")
        .with("catalog/apps/shop.yaml", "schema: imgfile/app/v1\nname: shop\nsummary: s\nversions: [{version: 1}]\noptions:\n  port: {type: port, default: 1}\n");
    let of = |text: &str| {
        editor_with(&format!("include \"lib/common.imagefile\"\nparam p = 1\n{text}"), files.clone())
            .definition()
    };
    let line = |line: &str| {
        of(&format!("image \"web\" {{\n  os linux debian 13\n  secret key from env K\n  {line}\n}}\n"))
    };
    let table = [
        ("use hard‸ened", "lib/common.imagefile:1: hardened"),
        ("description \"${‸p}\"", "ImageFile:2: p"),
        ("app sh‸op", "catalog/apps/shop.yaml:2: shop"),
        ("app shop { po‸rt = 2 }", "catalog/apps/shop.yaml:6: port"),
        ("app ngi‸nx", "apps/nginx.yaml:2: nginx"),
        ("script \"run‸.sh\"", "run.sh:1: "),
        ("script [\"run‸.sh\"]", "run.sh:1: "),
        ("script \"run.sh\" { secrets = [k‸ey] }", "ImageFile:5: key"),
        ("copy \"site/‸a\" to \"/x\"", "site/a"),
        ("base image \"we‸b\"", "ImageFile:3: \"web\""),
    ];
    for (text, expected) in table {
        assert_eq!(line(text).as_deref(), Some(expected), "{text}");
    }
    assert_eq!(line("copy \"../‸a\" to \"/x\""), None);
    let include = editor_with("include \"lib/co‸mmon.imagefile\"\n", files.clone()).definition();
    assert_eq!(include.as_deref(), Some("lib/common.imagefile:1: "));
}

#[test]
fn references_and_renaming() {
    let files = MemoryFiles::new().with("b.imagefile", "profile p {\n  description \"${rel} $${rel}\"\n}\n");
    let text = "include \"b.imagefile\"\nparam rel = \"1\"\nimage \"a\" {\n  use p\n  env R = ${r‸el}\n  script <<SH\n    echo ${rel}\n  SH\n}\n";
    let editor = editor_with(text, files.clone());
    assert_eq!(
        editor.references(),
        ["ImageFile:2: rel", "ImageFile:5: rel", "b.imagefile:2: rel"],
        "not in shell"
    );
    let symbol = Symbol::Param("rel".into());
    assert_eq!(rename(&editor.analysis, &symbol, "version").unwrap().len(), 3);
    let refused = |name: &str| rename(&editor.analysis, &symbol, name).unwrap_err();
    assert_eq!(refused("a b"), RenameError::NotAName("a b".into()));
    assert_eq!(refused(""), RenameError::NotAName(String::new()));
    assert_eq!(refused("arch"), RenameError::Predefined("arch".into()));
    let on_use = editor_with(&text.replace('‸', "").replace("use p", "use ‸p"), files);
    assert_eq!(on_use.references(), ["ImageFile:4: p", "b.imagefile:1: p"]);
    let image = Symbol::Param("image".into());
    assert_eq!(rename(&editor.analysis, &image, "x"), Err(RenameError::Predefined("image".into())));
    let two = self::editor("param a = 1\nparam b = 1\n");
    let a = Symbol::Param("a".into());
    assert_eq!(rename(&two.analysis, &a, "b"), Err(RenameError::Taken("b".into())));
}

#[test]
fn values_that_are_given_to_a_param_are_renamed_with_it() {
    let files = MemoryFiles::new()
        .with("b.imagefile", "param port integer = 80\nprofile p {\n  app nginx { port = ${port} }\n}\n");
    let text = "include \"b.imagefile\" { po‸rt = 81 }\nimage \"a\" {\n  os linux debian 13\n  use p { port = 82 }\n}\n";
    let editor = editor_with(text, files);
    assert_eq!(
        editor.references(),
        ["ImageFile:1: port", "ImageFile:4: port", "b.imagefile:1: port", "b.imagefile:3: port"],
        "the option of the application is another"
    );
}

#[test]
fn the_outline_and_folds() {
    let text = "# one\n# two\nparam a = 1\nimage \"web\" {\n  app nginx {\n    port = 1\n  }\n  script <<SH { name = \"hi\" }\n    x\n  SH\n  copy <<E to \"/etc/x\"\n  E\n}\n";
    let editor = editor(text);
    let unit = editor.analysis.unit(editor.source).unwrap();
    let file = editor.analysis.sources.get(editor.source);
    let shape: Vec<_> = outline(unit, file)
        .into_iter()
        .map(|one| (one.name, one.children.into_iter().map(|child| child.name).collect::<Vec<_>>()))
        .collect();
    let inner = ["nginx", "hi", "/etc/x"].map(str::to_owned).to_vec();
    assert_eq!(shape, [("a".to_owned(), vec![]), ("web".to_owned(), inner)]);
    let lines: Vec<_> = folds(unit, file).into_iter().map(|fold| (fold.start, fold.end)).collect();
    assert_eq!(lines, [(0, 1), (3, 11), (4, 5), (7, 8)]);
}

#[test]
fn tokens_are_in_order_and_apart() {
    let editor = editor(
        "param a = \"x\"\nimage \"w ${a} b\" {\n  app nginx ^1.26 { port = 80 } # c\n  copy <<E to \"/x\"\n  raw\n  E\n}\n",
    );
    let unit = editor.analysis.unit(editor.source).unwrap();
    let found = tokens(unit, editor.analysis.sources.get(editor.source));
    let shown: Vec<_> = found
        .iter()
        .map(|token| format!("{:?} {}", token.kind, editor.analysis.sources.slice(token.span)))
        .collect();
    let expected = "Keyword param|Param a|Operator =|String \"x\"|Keyword image|String \"w ${|Param a|String } b\"|\
        Keyword app|Class nginx|Number ^1.26|Property port|Operator =|Number 80|Comment # c|\
        Keyword copy|Operator <<E|Modifier to|String \"/x\"|Operator   E";
    assert_eq!(shown, expected.split('|').collect::<Vec<_>>());
    assert!(found.windows(2).all(|pair| pair[0].span.end <= pair[1].span.start));
}

#[test]
fn a_named_catalogue_is_loaded_again_only_when_the_names_change() {
    let app = |name: &str| {
        format!("schema: imgfile/app/v1\nname: {name}\nsummary: s\nversions: [{{version: 1}}]\n")
    };
    let text = "catalog \"more\"\nimage \"a\" {\n  os linux debian 13\n  app one\n}\n";
    let files = MemoryFiles::new().with("more/apps/one.yaml", app("one")).with("ImageFile", text);
    let mut shelf = None;
    let first = analyse("ImageFile", &files, &mut shelf);
    assert_eq!(first.diagnostics, []);
    let again =
        analyse("ImageFile", &files.with("ImageFile", text.replace("\"a\"", "\"longer\"")), &mut shelf);
    assert_eq!(again.diagnostics, []);
    let without = MemoryFiles::new().with("ImageFile", "image \"a\" {\n  os linux debian 13\n  app one\n}\n");
    assert_eq!(analyse("ImageFile", &without, &mut shelf).diagnostics.len(), 1);
}

/// The lock that `imgfile lock` would write, as far as no archive is needed for it: package `name` is 1.26.3-3.
fn locked(analysis: &Analysis, package: &str) -> crate::lock::Lock {
    use crate::lock::{FORMAT, Lock, LockedApp, LockedBase, LockedImage, LockedSource};
    let images = analysis.spec.images.iter().map(|image| {
        let resolution = &analysis.resolutions[&image.name.value];
        let crate::resolve::BaseOrigin::Catalog { definition, .. } = &resolution.base.origin else {
            panic!("a base of the catalogue")
        };
        let recipe = definition.to_string();
        let apps = resolution.own_apps().map(|app| {
            let options = app.options.iter().map(|(name, value)| {
                let value = match value {
                    crate::catalog::OptionValue::Integer(value) => crate::lock::OptionValue::Integer(*value),
                    other => crate::lock::OptionValue::Text(other.to_string()),
                };
                (name.clone(), value)
            });
            let (version, definition) = (app.version.to_string(), app.definition.to_string());
            (app.name.clone(), LockedApp { version, definition, options: options.collect() })
        });
        let locked = LockedImage {
            manager: crate::packages::Manager::default(),
            os: resolution.os.distro.clone(),
            os_version: resolution.os.version.to_string(),
            arch: resolution.arch,
            base: LockedBase {
                name: resolution.base.name.clone(),
                version: resolution.base.version.to_string(),
                source: LockedSource::Bootstrap { recipe, packages: [].into() },
            },
            apps: apps.collect(),
            inputs: std::collections::BTreeMap::new(),
            repositories: Vec::new(),
            requested: crate::plan::requested(image, resolution),
            upgrade: false,
            packages: [crate::packages::Selected {
                name: package.into(),
                version: "1.26.3-3".parse().unwrap(),
                arch: "amd64".into(),
                sha256: crate::text::Digest::of("x"),
                size: 1,
                installed_size: 1,
                origin: crate::packages::Origin { archive: "debian".into(), path: "pool/x.deb".into() },
                stage: 0,
                auto: false,
            }]
            .into(),
            removed: Vec::new(),
            now_manual: Vec::new(),
            temporary: Vec::new(),
            artifact: None,
        };
        (image.name.value.clone(), locked)
    });
    Lock { version: FORMAT, images: images.collect() }
}

/// `LINE: the text before the hint|the hint`, with the lock that `locked` makes of `text`; `now` is what the file
/// says by now.
fn hinted(text: &str, now: &str, package: &str) -> Vec<String> {
    let files = MemoryFiles::new().with("ImageFile.lock", locked(&editor(text).analysis, package).to_yaml());
    let editor = editor_with(now, files);
    let analysis = &editor.analysis;
    assert!(analysis.lock.is_some());
    let shown = |hint: Hint| {
        let place = analysis.sources.line_col(hint.at);
        let text = &analysis.sources.get(editor.source).text[..hint.at.start as usize];
        format!("{}: {}|{}", place.line + 1, text.lines().last().unwrap().trim(), hint.label)
    };
    hints(analysis, editor.source).into_iter().map(shown).collect()
}

#[test]
fn hints_of_what_is_locked() {
    let text = "profile p {\n  app nginx ^1 { port = 81 }\n}\nimage \"a\" {\n  os linux debian\n  use p\n  packages [\"jq\", \"curl=8\"]\n}\nimage \"b\" {\n  os linux debian 12\n  base auto { upgrade = false }\n  use p\n}\n";
    let expected = [
        "2: app nginx ^1|locked 1.26 in \"a\", 1.22 in \"b\"",
        "5: os linux debian|locked 13, debian-13 2",
        "7: packages [\"jq\"|locked 1.26.3-3",
        "11: base auto|locked debian-12 2",
    ];
    assert_eq!(hinted(text, text, "jq"), expected);
    // Blanks and comments change nothing.
    assert_eq!(hinted(text, &text.replace("  use p\n  pack", "  # c\n  use p\n  pack"), "jq").len(), 4);
    assert!(hints(&editor(text).analysis, editor(text).source).is_empty(), "there is no lock");
}

#[test]
fn a_stale_lock_has_no_hints() {
    let text = "image \"a\" {\n  os linux debian 13\n  app nginx ^1 { port = 81 }\n  packages [\"jq\"]\n}\n";
    assert_eq!(hinted(text, text, "jq").len(), 3);
    for (from, to) in [
        ("debian 13", "debian 12"),
        ("port = 81", "port = 82"),
        ("app nginx ^1 { port = 81 }", ""),
        ("[\"jq\"]", "[\"jq\", \"curl\"]"),
        ("  packages", "  base auto { upgrade = true }\n  packages"),
        ("  packages", "  app lighttpd { port = 83 }\n  packages"),
        ("\"a\"", "\"b\""),
    ] {
        assert_eq!(hinted(text, &text.replace(from, to), "jq"), [""; 0], "{from} → {to}");
    }
    let other = editor_with(text, MemoryFiles::new().with("ImageFile.lock", "version: 1\nimages: [\n"));
    assert!(hints(&other.analysis, other.source).is_empty(), "a lock that cannot be read");
}

#[test]
fn hints_say_which_packages_an_application_is() {
    let text = "image \"a\" {\n  os linux debian 13\n  app nginx ^1\n}\n";
    let files =
        MemoryFiles::new().with("ImageFile.lock", locked(&editor(text).analysis, "nginx-light").to_yaml());
    let editor = editor_with(text, files);
    let tips: Vec<_> = hints(&editor.analysis, editor.source).into_iter().map(|hint| hint.tooltip).collect();
    assert_eq!(tips, ["", "- `nginx-light` 1.26.3-3"]);
}

#[test]
fn links_to_what_is_there() {
    let files = MemoryFiles::new()
        .with("lib/common.imagefile", "profile p {\n  script \"x.sh\"\n}\n")
        .with("lib/x.sh", "#!/bin/sh -e\n")
        .with("run.sh", "#!/bin/sh -e\n")
        .with("disk.qcow2", "x")
        .with("key.asc", "x")
        .with("catalog/apps/x.yaml", "")
        .with("site/a", "");
    let digest = "0".repeat(64);
    let text = format!(
        "include \"lib/common.imagefile\"\ncatalog \"catalog\"\nparam p = \"run.sh\"\nimage \"a\" {{\n  os linux debian 13\n  base file \"disk.qcow2\"\n  \
        archive \"https://packages.example/deb\" {{ suite = \"s\", key = \"key.asc\" }}\n  preseed \"none\"\n  secret k from file \"key.asc\"\n  \
        script [\"run.sh\", \"gone.sh\"] {{ with = [\"lib/\"] }}\n  script \"${{p}}\"\n  copy \"site/a\" to \"/x\"\n  copy \"site\" to \"/y\"\n  \
        copy \"../a\" to \"/z\"\n  copy \"/etc/passwd\" to \"/z\"\n  copy url \"https://files.example/a.tar\" sha256 \"{digest}\" to \"/u\"\n  \
        test \"run.sh\" \"run.sh\"\n}}\nimage \"b\" {{\n  os linux debian 13\n  base url \"http://files.example/d\" sha256 \"{digest}\"\n}}\n"
    );
    let editor = editor_with(&text, files.clone());
    let of = |source| {
        let found = links(&editor.analysis, &editor.files, source);
        let shown = found.into_iter().map(|link| {
            let text = editor.analysis.sources.slice(link.span).to_owned();
            match link.to {
                LinkTarget::Url(url) if url == text => url,
                LinkTarget::Path(path) if path == text => path,
                LinkTarget::Url(to) | LinkTarget::Path(to) => format!("{text} → {to}"),
            }
        });
        shown.collect::<Vec<_>>()
    };
    assert_eq!(
        of(editor.source),
        [
            "lib/common.imagefile",
            "catalog",
            "disk.qcow2",
            "https://packages.example/deb",
            "key.asc",
            "key.asc",
            "run.sh",
            "lib/ → lib",
            "site/a",
            "site",
            "https://files.example/a.tar",
            "run.sh",
            "http://files.example/d",
        ]
    );
    let included = editor.analysis.source("lib/common.imagefile").unwrap();
    assert_eq!(of(included), ["x.sh → lib/x.sh"]);
}
