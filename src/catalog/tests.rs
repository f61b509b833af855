//! Catalogue files that are right, and files with every kind of mistake.

use super::{Catalog, Layer, builtin};
use crate::text::Sources;

/// Loads one layer of (name, text) files; the diagnostics as `CODE path "text": message`.
fn load(files: &[(&str, &str)]) -> (Catalog, Vec<String>) {
    let mut sources = Sources::default();
    let ids = files.iter().map(|(name, text)| sources.add(*name, *text)).collect();
    let (catalog, mistakes) = Catalog::load(&[Layer { name: "catalog".to_owned(), files: ids }], &sources);
    let shown = mistakes.iter().map(|mistake| {
        let span = mistake.span().unwrap();
        let path = &sources.get(span.source).name;
        format!("{} {path} {:?}: {}", mistake.code, sources.slice(span), mistake.message)
    });
    (catalog, shown.collect())
}

const HEAD: &str = "schema: imgfile/app/v1\nname: x\nsummary: s\nversions: [{version: 1}]\n";

#[test]
fn the_built_in_catalogue_has_no_mistakes() {
    let mut sources = Sources::default();
    let layer = builtin(&mut sources);
    let (catalog, mistakes) = Catalog::load(&[layer], &sources);
    assert_eq!(mistakes, []);
    assert!(catalog.app("nginx").is_some());
    let debian = catalog.bases().filter(|def| def.os.distro == "debian").map(|def| def.name.value.as_str());
    assert_eq!(debian.collect::<Vec<_>>(), ["debian-13", "debian-13-cloud", "debian-12", "debian-12-cloud"]);
}

#[test]
fn each_mistake_is_told_at_its_place() {
    let table: &[(&str, &str)] = &[
        ("confilcts: []", "E0331 x.yaml \"confilcts\": an application has no key `confilcts`"),
        ("summary: again", "E0334 x.yaml \"summary\": the key `summary` is written twice"),
        ("requires: nginx", "E0333 x.yaml \"nginx\": expected a list, such as `[a, b]`"),
        (
            "requires: [\"../etc\"]",
            "E0335 x.yaml \"\\\"../etc\\\"\": \"../etc\" is not a name of the catalogue",
        ),
        ("requires: [\"y ^x\"]", "E0333 x.yaml \"\\\"y ^x\\\"\": `^x` is not a requirement"),
        (
            "requires: [ngnix]",
            "E0338 x.yaml \"ngnix\": `x` requires `ngnix`, which the catalogue does not hold",
        ),
        ("requires: [x]", "E0339 x.yaml \"x\": `x` requires itself"),
        ("storage: 12", "E0333 x.yaml \"12\": `12` is not a size"),
        (
            "claims: [\"tcp/{{ port }}\"]",
            "E0336 x.yaml \"port\": `port` is not an option of this application, nor predefined",
        ),
        (
            "install: |\n  a\n  {{ b",
            "E0336 x.yaml \"b\": not a valid template: unexpected end of input, expected end of variable block",
        ),
        (
            "options: {Port: {type: port, default: 1}}",
            "E0335 x.yaml \"Port\": \"Port\" cannot name an option",
        ),
        ("options: {os: {type: port, default: 1}}", "E0335 x.yaml \"os\": \"os\" cannot name an option"),
        (
            "options: {a: {type: prot, default: 1}}",
            "E0333 x.yaml \"prot\": `prot` is none of the words possible here",
        ),
        (
            "options: {a: {type: port, default: 0}}",
            "E0333 x.yaml \"0\": the default does not fit the option's own type",
        ),
        ("options: {a: {type: port}}", "E0332 x.yaml \"a\": the option `a` has no default"),
        (
            "options: {a: {type: port, max: 5, default: 1}}",
            "E0333 x.yaml \"5\": only the type `integer` has `max`",
        ),
        (
            "files: [{path: etc/x, content: y}]",
            "E0333 x.yaml \"etc/x\": a file's path is absolute and without `.` and `..`",
        ),
        (
            "files: [{path: /etc/../x, content: y}]",
            "E0333 x.yaml \"/etc/../x\": a file's path is absolute and without `.` and `..`",
        ),
        ("files: [{path: /x, content: y, mode: 644}]", "E0333 x.yaml \"644\": `644` is not a mode"),
        ("files: [{path: /x}]", "E0332 x.yaml \"\": a file needs a value for `content`"),
        (
            "repositories: [{url: \"ftp://x\", suite: s, key: k, fingerprint: 0}]",
            "E0333 x.yaml \"\\\"ftp://x\\\"\": an archive's URL starts with `https://` or `http://`",
        ),
        ("packages: [x]", "E0333 x.yaml \"[x]\": `packages` is a mapping of keys to values"),
    ];
    for (line, expected) in table {
        let (_, mistakes) = load(&[("x.yaml", &format!("{HEAD}{line}\n"))]);
        assert_eq!(mistakes.first().map(String::as_str), Some(*expected), "{line}");
    }
}

#[test]
fn ten_mistakes_are_ten_messages() {
    let text = "schema: imgfile/app/v1\nname: ../x\nversions:\n  - {version: one}\n  - {verison: 1}\nstorage: big\n\
                requires: [A]\nconflicts: [{because: x}]\noptions: {a: {type: port}}\nextra: 1\n";
    let (_, mistakes) = load(&[("x.yaml", text)]);
    assert_eq!(mistakes.len(), 10, "{mistakes:#?}");
}

#[test]
fn a_name_is_defined_once_in_a_layer_and_later_layers_hide_earlier_ones() {
    let (_, mistakes) = load(&[("a.yaml", HEAD), ("b.yaml", HEAD)]);
    assert_eq!(mistakes, ["E0334 b.yaml \"x\": the application `x` is written twice"]);

    let mut sources = Sources::default();
    let low = Layer { name: "low".to_owned(), files: vec![sources.add("low/x.yaml", HEAD)] };
    let high = Layer { name: "high".to_owned(), files: vec![sources.add("high/x.yaml", HEAD)] };
    let (catalog, mistakes) = Catalog::load(&[low, high], &sources);
    assert_eq!(mistakes, []);
    assert_eq!(catalog.app("x").unwrap().layer, 1);
    assert_eq!(catalog.hidden_apps("x").map(|def| def.layer).collect::<Vec<_>>(), [0]);
}

#[test]
fn circles_are_shown_whole() {
    let app = |name: &str, requires: &str| {
        format!(
            "schema: imgfile/app/v1\nname: {name}\nsummary: s\nversions: [{{version: 1}}]\nrequires: [{requires}]\n"
        )
    };
    let (_, mistakes) = load(&[
        ("a.yaml", &app("a", "b")),
        ("b.yaml", &app("b", "c, d")),
        ("c.yaml", &app("c", "b")),
        ("d.yaml", &app("d", "")),
    ]);
    assert_eq!(mistakes, ["E0339 b.yaml \"c\": `b`, `c` require each other in a circle"]);
}

#[test]
fn files_that_are_something_else() {
    let table: &[(&str, &str)] = &[
        ("", "E0332"),
        ("just text", "E0332"),
        ("schema: imgfile/app/v2\n", "E0333"),
        ("a: {b: [}\n", "E0330"),
        ("\u{0}\u{1}", "E0330"),
    ];
    for (text, code) in table {
        let (_, mistakes) = load(&[("x.yaml", text)]);
        assert!(mistakes.first().is_some_and(|mistake| mistake.starts_with(code)), "{text}: {mistakes:?}");
    }
}
