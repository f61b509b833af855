//! What is said when there is no solution.

use super::Case;

const NGINX: &str = "name: nginx\nversions:\n  - {version: 1.26, os: [debian 13]}\n  - {version: 1.22, os: [debian 12]}\n\
                     claims: [\"tcp/{{ port }}\"]\nprovides: [web-server]\noptions: {port: {type: port, default: 80}}";
const APACHE: &str = "name: apache2\nversions: [{version: 2.4}]\nclaims: [\"tcp/{{ port }}\"]\nprovides: [web-server]\n\
                      options: {port: {type: port, default: 80}, names: {type: list, default: []}}";

fn check(apps: &[&str], image: &str, expected: &str) {
    let said = Case::new(apps, image).errors();
    assert_eq!(said.trim(), expected.trim(), "\n--- said:\n{said}");
}

#[test]
fn two_applications_on_one_port() {
    check(
        &[NGINX, APACHE],
        "os linux debian 13\napp nginx ^1.26\napp apache2\n",
        r#"
E0312: `nginx` and `apache2` cannot be in one image
  ImageFile:2 "nginx" claims tcp/80
  ImageFile:3 "apache2" claims tcp/80 as well
  note: both listen on port 80 unless told otherwise (apps/apache2.yaml:5)
  help: give one another port: `app apache2 { port = 8080 }`"#,
    );
}

#[test]
fn a_port_that_is_free_is_proposed() {
    let third = "name: third\nversions: [{version: 1}]\nclaims: [\"tcp/8080\"]";
    check(
        &[NGINX, APACHE, third],
        "app nginx\napp apache2\napp third\n",
        r#"
E0312: `nginx` and `apache2` cannot be in one image
  ImageFile:1 "nginx" claims tcp/80
  ImageFile:2 "apache2" claims tcp/80 as well
  note: both listen on port 80 unless told otherwise (apps/apache2.yaml:5)
  help: give one another port: `app apache2 { port = 81 }`"#,
    );
}

#[test]
fn applications_that_exclude_each_other_by_name() {
    let lighttpd = "name: lighttpd\nversions: [{version: 1}]\nconflicts: [{app: web-server, because: either one serves}]";
    check(
        &[NGINX, lighttpd],
        "app lighttpd\napp nginx\n",
        r#"
E0312: `lighttpd` and `nginx` cannot be in one image
  ImageFile:1 "lighttpd" conflicts with `nginx`
  ImageFile:2 "nginx" conflicts with `lighttpd`
  note: either one serves (apps/lighttpd.yaml:5)
  help: leave out `nginx`
  help: leave out `lighttpd`"#,
    );
}

#[test]
fn a_clash_by_way_of_what_is_required() {
    let shop = "name: shop\nversions: [{version: 3}]\nrequires: [apache2]";
    check(
        &[NGINX, APACHE, shop],
        "app nginx { port = 80 }\napp shop\n",
        r#"
E0312: `nginx` and `apache2` cannot be in one image
  ImageFile:1 "nginx" claims tcp/80
  ImageFile:2 "shop" requires `apache2`, which claims tcp/80 as well
  note: both listen on port 80 unless told otherwise (apps/apache2.yaml:5)
  help: give one another port: `app nginx { port = 8080 }`"#,
    );
}

#[test]
fn a_version_that_runs_elsewhere() {
    check(
        &[NGINX],
        "os linux debian 13\napp nginx 1.22\n",
        r#"
E0304: `nginx 1.22` does not run on debian 13
  ImageFile:2 "nginx 1.22" runs on debian 12
  ImageFile:1 "debian 13" the image is debian 13
  note: nginx 1.26 runs on debian 13; nginx 1.22 runs on debian 12 (apps/nginx.yaml:6)
  help: use another version of the system: `os linux debian 12`
  help: ask for another version: `app nginx 1.26`"#,
    );
}

#[test]
fn requirements_that_meet_nowhere() {
    let lib = "name: lib\nversions: [{version: 1.0}, {version: 2.0}]";
    let old = "name: old\nversions: [{version: 1, requires: [lib ^1]}]";
    let new = "name: new\nversions: [{version: 1, requires: [lib ^2]}]";
    check(
        &[lib, old, new],
        "app old\napp new\n",
        r#"
E0311: `old` and `new` cannot be had together
  ImageFile:1 "old" requires `lib`
  ImageFile:2 "new" requires `lib`
  apps/old.yaml:4 "lib ^1" `old` requires `lib ^1`
  apps/new.yaml:4 "lib ^2" `new` requires `lib ^2`
  help: leave out `new`
  help: leave out `old`"#,
    );
}

#[test]
fn names_that_are_not_there() {
    check(
        &[NGINX, APACHE],
        "base debain-13\napp ngnix\napp web-server\napp apache2 ^9\n",
        r#"
E0302: the catalogue has no base `debain-13`
  ImageFile:1 "debain-13" unknown base
  help: did you mean `debian-13`?
E0301: the catalogue has no application `ngnix`
  ImageFile:2 "ngnix" unknown application
  help: did you mean `nginx`?
E0301: the catalogue has no application `web-server`
  ImageFile:3 "web-server" unknown application
  help: `web-server` is provided by `apache2`, `nginx`: choose one
E0303: no version of `apache2` is `^9`
  ImageFile:4 "^9" no version fits this
  help: the catalogue has 2.4"#,
    );
}

#[test]
fn options_that_do_not_fit() {
    let strict = "name: strict\nversions: [{version: 1}]\noptions: {key: {type: word, required: true}}";
    check(
        &[NGINX, APACHE, strict],
        "app nginx { prot = 81 }\napp apache2 { port = high , names = x }\napp strict\n",
        r#"
E0305: `nginx` has no option `prot`
  ImageFile:1 "prot" unknown option
  help: did you mean `port`?
E0306: this is not a value for `port` of `apache2`
  ImageFile:2 "high" expected a port, 1 to 65535
  apps/apache2.yaml:7 "port" declared here, a port
E0306: this is not a value for `names` of `apache2`
  ImageFile:2 "x" expected a list, such as `["a", "b"]`
  apps/apache2.yaml:7 "names" declared here, a list
E0307: `strict` needs a value for `key`
  ImageFile:3 "strict" `key` is missing
  apps/strict.yaml:5 "key" declared here, a word
  help: add it: `app strict { key = … }`"#,
    );
}

#[test]
fn no_base_for_the_system() {
    check(
        &[],
        "os linux debian 14\n",
        r#"
E0308: the catalogue has no base with debian 14
  ImageFile:1 "debian 14" the image is debian 14
  note: there are bases with debian 13, debian 12
  help: use another version of the system: `os linux debian 13`"#,
    );
    check(
        &[],
        "os linux rocky 9\nfirmware bios\n",
        r#"
E0308: the catalogue has no base that fits the image
  ImageFile:1 "rocky 9" the image is rocky 9
  ImageFile:2 "bios" the image boots with bios
  note: there are bases with rocky 9"#,
    );
}

#[test]
fn a_base_of_another_system() {
    check(
        &[],
        "os linux debian 13\nbase debian-12\n",
        r#"
E0309: the base `debian-12` does not fit the image
  ImageFile:2 "debian-12" the base is `debian-12`
  ImageFile:1 "debian 13" the image is debian 13
  note: `debian-12` holds debian 12 for x86_64 (bases/debian-12.yaml:2)
  help: use another version of the system: `os linux debian 12`
  help: use another base: `base debian-13`"#,
    );
}

#[test]
fn every_clash_is_told_in_one_run() {
    let app =
        |name: &str, claim: &str| format!("name: {name}\nversions: [{{version: 1}}]\nclaims: [{claim}]");
    let apps = [app("a", "x"), app("b", "x"), app("c", "y"), app("d", "y")];
    let case = Case::new(&apps.each_ref().map(String::as_str), "app a\napp b\napp c\napp d\n");
    let said = case.errors();
    assert_eq!(said.matches("E0312").count(), 2, "{said}");
    assert!(said.contains("help: leave out `b`") && said.contains("help: leave out `d`"), "{said}");
}

#[test]
fn too_small_a_disk() {
    check(
        &[],
        "os linux rocky 9\nmin_storage 8GiB\n",
        r#"
E0314: `min_storage 8GiB` is smaller than the base's own disk
  ImageFile:2 "8GiB" the disk of `rocky-9` has 10GiB
  help: write `min_storage 10GiB` or more"#,
    );
    let big = "name: big\nversions: [{version: 1}]\nstorage: 2GiB";
    check(
        &[big],
        "os linux debian 13\napp big\nmin_storage 2GiB\n",
        r#"
E0314: `min_storage 2GiB` is too small for this image
  ImageFile:3 "2GiB" too small
  ImageFile:2 "big" app big: 2048 MiB
  note: what is known to be needed:
app big       2048 MiB
kept free      256 MiB
together      2304 MiB
  help: write `min_storage 3GiB` or more"#,
    );
}
