//! What a stranger's project may set: nothing but what concerns its own images, unless the user trusts it.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};

const PLAIN: &str = "image \"x\" {\n  os linux debian 13\n}\n";

/// A user's home, and projects beside it.
struct User {
    top: tempfile::TempDir,
}

impl User {
    fn new() -> Self {
        let top = tempfile::tempdir().unwrap();
        fs::create_dir(top.path().join("home")).unwrap();
        Self { top }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.top.path().join(path)
    }

    /// A project with these settings.
    fn project(&self, name: &str, settings: &str) -> PathBuf {
        let folder = self.path(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("ImageFile"), PLAIN).unwrap();
        fs::write(folder.join(".imgfile.toml"), settings).unwrap();
        folder
    }

    fn command(&self, folder: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_imgfile"));
        command.args(args).current_dir(folder).env("HOME", self.path("home"));
        for variable in ["XDG_CACHE_HOME", "XDG_CONFIG_HOME", "IMGFILE_STORE", "IMGFILE_PROXY", "IMGFILE_CA"]
        {
            command.env_remove(variable);
        }
        command.env("IMGFILE_MIRROR", "http://127.0.0.1:9/debian").env("NO_COLOR", "1");
        command
    }

    fn run(&self, folder: &Path, args: &[&str]) -> Output {
        self.command(folder, args).output().unwrap()
    }
}

fn text(output: &Output) -> String {
    String::from_utf8([output.stdout.clone(), output.stderr.clone()].concat()).unwrap()
}

/// A process that only a signal ends.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Self {
        // In a group of its own, as a build's helpers are.
        Self(Command::new("sleep").arg("1000").process_group(0).spawn().unwrap())
    }

    fn runs(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    /// When it was started, as /proc says it.
    fn started(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().parse().unwrap()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Any command that opens a store obeys its journals: what an ended build made is removed, and its processes
/// are ended.
#[test]
fn a_store_that_a_project_brings_along_is_not_opened() {
    let user = User::new();
    let project = user.project("repo", "store = \"st\"\n");
    let build = project.join("st/builds/old");
    fs::create_dir_all(&build).unwrap();
    fs::create_dir(user.path("victim")).unwrap();
    fs::write(user.path("victim/file"), "precious").unwrap();
    fs::write(build.join("lock"), "").unwrap();
    let mut sleeper = Sleeper::start();
    let journal = format!(
        "{{\"path\":\"{}\"}}\n{{\"process\":{{\"pid\":{},\"started\":{},\"group\":false}}}}\n",
        user.path("victim").display(),
        sleeper.0.id(),
        sleeper.started()
    );
    fs::write(build.join("journal"), journal).unwrap();

    for args in [&["builds"][..], &["images"], &["logs"], &["cache", "ls"], &["gc"], &["plan"], &["build"]] {
        let output = user.run(&project, args);
        assert!(user.path("victim/file").exists(), "{args:?}: {}", text(&output));
        assert!(sleeper.runs(), "{args:?}: {}", text(&output));
        assert!(build.join("journal").exists(), "{args:?}");
        let said = text(&output);
        assert!(
            said.contains("warning[W0501]: the setting `store` of this project is ignored"),
            "{args:?}: {said}"
        );
        assert!(said.contains("1 │ store = \"st\"") && said.contains("`imgfile trust`"), "{args:?}: {said}");
    }
}

/// The store is shared by all projects of a user: one that makes it small would throw away what is the others'.
/// The project is the folder that says `root = true`, whichever below it has the ImageFile.
#[test]
fn a_project_with_a_root_is_trusted_as_one() {
    let user = User::new();
    let top = user.project("shop", "root = true\nstore = \"st\"\nallow-weaker-cell = true\n");
    let below = top.join("images/web");
    fs::create_dir_all(&below).unwrap();
    fs::rename(top.join("ImageFile"), below.join("ImageFile")).unwrap();
    let doctor = |folder: &Path| text(&user.run(folder, &["doctor"]));
    let said = doctor(&below);
    assert!(said.contains(&format!("{}  not trusted\n", top.display())) && said.contains("W0501"), "{said}");
    let said = text(&user.run(&below, &["trust"]));
    assert!(said.contains(&format!("{} is trusted", top.display())), "{said}");
    assert!(said.contains("allow-weaker-cell = true  (never counts: no project may set it)"), "{said}");
    let said = doctor(&below);
    assert!(said.contains(&format!("{}  trusted\n", top.display())) && said.contains("shop/st"), "{said}");
    // What lies in it is of the project.
    fs::write(top.join("token"), "1\n").unwrap();
    fs::write(
        below.join("ImageFile"),
        "image \"x\" {\n  os linux debian 13\n  secret t from file \"../../token\"\n}\n",
    )
    .unwrap();
    let said = text(&user.run(&below, &["trust"]));
    assert!(!said.contains("may read"), "{said}");
}

/// A repository that was cloned into a project, or is a submodule of it, is a stranger's.
#[test]
fn what_is_cloned_into_a_trusted_project_is_not_trusted() {
    let user = User::new();
    let top = user.project("shop", "root = true\n");
    fs::write(top.join("token"), "secret\n").unwrap();
    assert!(user.run(&top, &["trust"]).status.success());
    let clone = top.join("vendor/theirs");
    fs::create_dir_all(clone.join(".git")).unwrap();
    fs::write(
        clone.join("ImageFile"),
        "image \"x\" {\n  os linux debian 13\n  copy \"../../token\" to \"/token\"\n}\n",
    )
    .unwrap();
    let said = text(&user.run(&clone, &["doctor"]));
    assert!(said.contains(&format!("{}  not trusted\n", clone.display())), "{said}");
    let said = text(&user.run(&clone, &["check"]));
    assert!(said.contains("outside the project's folder"), "{said}");
}

/// A file that others include is checked with them, however they name it.
#[test]
fn what_is_included_from_above_is_not_checked_alone() {
    let user = User::new();
    let top = user.project("shop", "root = true\n");
    let web = top.join("images/web");
    fs::create_dir_all(&web).unwrap();
    fs::remove_file(top.join("ImageFile")).unwrap();
    fs::write(top.join("images/common.imagefile"), "profile common {\n  env A = \"b\"\n}\n").unwrap();
    let image = PLAIN.replace("}\n", "  use common\n}\n");
    fs::write(web.join("ImageFile"), format!("include \"../common.imagefile\"\n\n{image}")).unwrap();
    let output = user.run(&top, &["check"]);
    assert!(output.status.success(), "{}", text(&output));
}

/// What cannot be remembered is not said to be.
#[test]
fn nobody_without_a_home_trusts() {
    let user = User::new();
    let project = user.project("p", "");
    let output = user.command(&project, &["trust"]).env_remove("HOME").output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(text(&output).contains("`HOME` is not set"), "{}", text(&output));
    assert!(!Path::new("/nonexistent").exists());
}

/// Settings belong to what is checked in, so their mistakes are found by `check`; what is the user's is not looked at.
#[test]
fn a_check_finds_what_is_wrong_with_a_projects_settings() {
    let user = User::new();
    let project = user.project("p", "stroe = \"st\"\n");
    fs::create_dir_all(user.path("home/.config/imgfile")).unwrap();
    fs::write(user.path("home/.config/imgfile/config.toml"), "nonsense = 1\n").unwrap();
    let output = user.run(&project, &["check"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("there is no setting `stroe`") && !said.contains("nonsense"), "{said}");
    fs::write(project.join(".imgfile.toml"), "store = \"st\"\n").unwrap();
    assert!(user.run(&project, &["check"]).status.success());
}

/// Who redirects findings to a full disk does not believe that there are none.
#[test]
fn output_that_is_lost_is_told() {
    let user = User::new();
    let project = user.project("p", "");
    for args in
        [&["check", "--format", "sarif"][..], &["plan"], &["apps"], &["explain", "E0104"], &["fmt", "-"]]
    {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let input = fs::File::open(project.join("ImageFile")).unwrap();
        let output = user.command(&project, args).stdin(input).stdout(full).output().unwrap();
        let said = text(&output);
        if args == ["plan"] && said.contains("E0456") {
            continue;
        }
        assert_eq!(output.status.code(), Some(4), "{args:?}: {said}");
        assert_eq!(said.matches("cannot write the output").count(), 1, "{args:?}: {said}");
    }
}

/// Conflict markers count at the start of a line: nothing lays them out, and nothing hides them.
#[test]
fn a_file_that_is_not_merged_yet_is_not_formatted() {
    let user = User::new();
    let project = user.project("p", "");
    let text_of = "image \"x\" {\n<<<<<<< ours\n  os linux debian 13\n=======\n  os linux debian 12\n>>>>>>> theirs\n}\n";
    fs::write(project.join("ImageFile"), text_of).unwrap();
    for args in [&["fmt"][..], &["fmt", "--check"]] {
        let output = user.run(&project, args);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        assert!(text(&output).contains("unresolved merge conflict"), "{}", text(&output));
    }
    assert_eq!(fs::read_to_string(project.join("ImageFile")).unwrap(), text_of);
}

#[test]
fn a_project_does_not_say_how_large_the_users_store_may_be() {
    let user = User::new();
    let project = user.project("repo", "store-size = \"1MiB\"\n");
    let said = text(&user.run(&project, &["doctor"]));
    assert!(said.contains("warning[W0501]: the setting `store-size` of this project is ignored"), "{said}");
    let is_default = |line: &str| line.split_whitespace().eq(["store-size", "-", "(default)"]);
    assert!(said.lines().any(is_default), "{said}");
}

#[test]
fn pipes_and_devices_as_settings_are_refused_at_once() {
    let user = User::new();
    let project = user.project("repo", "");
    assert!(Command::new("mkfifo").arg(project.join("pipe")).status().unwrap().success());
    for file in ["pipe", "/dev/zero"] {
        // A project's `ca` is not even looked at.
        fs::write(project.join(".imgfile.toml"), format!("ca = \"{file}\"\n")).unwrap();
        let said = text(&user.run(&project, &["plan"]));
        assert!(said.contains("warning[W0501]: the setting `ca`"), "{said}");
        // The user's, and a trusted project's, must be a file.
        let output =
            user.command(&project, &["plan"]).env("IMGFILE_CA", project.join(file)).output().unwrap();
        assert_eq!(output.status.code(), Some(4), "{}", text(&output));
        assert!(text(&output).contains("it is not a regular file"), "{}", text(&output));
        assert!(user.run(&project, &["trust"]).status.success());
        let said = text(&user.run(&project, &["plan"]));
        assert!(said.contains("it is not a regular file"), "{said}");
    }
}

#[test]
fn a_project_is_trusted_until_its_settings_change() {
    let user = User::new();
    let project = user.project("repo", "store = \"st\"\n");
    let uses_own = |folder: &Path, args: &[&str]| {
        let said = text(&user.run(folder, args));
        let origin = format!("{}/st  (", project.display());
        assert_eq!(said.contains(&origin), !said.contains("W0501"), "{said}");
        (said.contains(&origin), said)
    };
    let (own, said) = uses_own(&project, &["doctor"]);
    assert!(!own && said.contains(&format!("{}  not trusted\n", project.display())), "{said}");

    let output = user.run(&project, &["trust"]);
    assert!(output.status.success() && text(&output).contains("store = \"st\""), "{}", text(&output));
    let (own, said) = uses_own(&project, &["doctor"]);
    assert!(own && said.contains(&format!("{}  trusted\n", project.display())), "{said}");
    assert_eq!(text(&user.run(&project, &["trust", "--list"])), format!("{}\n", project.display()));

    // By another way to the same folder, and from outside.
    std::os::unix::fs::symlink(&project, user.path("link")).unwrap();
    assert!(uses_own(&user.path("home"), &["doctor", user.path("link").to_str().unwrap()]).0);

    fs::write(project.join(".imgfile.toml"), "store = \"st\"\nstore-size = \"1MiB\"\n").unwrap();
    let (own, said) = uses_own(&project, &["doctor"]);
    assert!(!own && said.contains("`.imgfile.toml` has changed since the project was trusted"), "{said}");
    assert!(text(&user.run(&project, &["trust", "--list"])).contains("have changed"));

    // Trusted from outside, by its ImageFile; and then no longer.
    let file = project.join("ImageFile");
    assert!(user.run(&user.path("home"), &["trust", file.to_str().unwrap()]).status.success());
    assert!(uses_own(&project, &["doctor"]).0);
    assert!(user.run(&user.path("home"), &["trust", "--revoke", file.to_str().unwrap()]).status.success());
    assert!(!uses_own(&project, &["doctor"]).0);
    assert_eq!(text(&user.run(&project, &["trust", "--list"])), "");

    // Trust is the user's to give: nothing in the project gives it.
    let other = User::new();
    assert!(user.run(&project, &["trust"]).status.success());
    let said = text(&other.run(&project, &["doctor"]));
    assert!(said.contains("not trusted"), "{said}");
}

/// The words of an ImageFile that hands something to a script.
fn with_secret(statement: &str) -> String {
    format!(
        "image \"x\" {{\n  os linux debian 13\n  {statement}\n  script <<-SH {{ secrets = [key] }}\n    #!/bin/sh -e\n    \
         true\n  SH\n}}\n"
    )
}

/// A project gets a variable or a file outside of it only if the user says so outside the project.
#[test]
fn a_secret_from_outside_needs_the_users_word() {
    let user = User::new();
    let project = user.project("repo", "");
    let private = user.path("home/id_ed25519");
    fs::write(&private, "PRIVATE").unwrap();
    fs::write(project.join("own"), "own").unwrap();
    std::os::unix::fs::symlink(&private, project.join("link")).unwrap();
    let private = private.display();
    let refused = |args: &[&str]| {
        let _ = fs::remove_dir_all(user.path("home/.cache"));
        let output =
            user.command(&project, &[&["build"], args].concat()).env("TOKEN", "hunter2").output().unwrap();
        let said = text(&output);
        assert_eq!(output.status.code() == Some(1), said.contains("error[E05"), "{said}");
        assert!(
            !user.path("home/.cache/imgfile").exists() || !said.contains("E0540"),
            "nothing is made: {said}"
        );
        said.contains("E0540").then_some(said)
    };
    for (statement, flag) in [
        (format!("secret key from file \"{private}\""), format!("key=file:{private}")),
        ("secret key from file \"../home/id_ed25519\"".to_owned(), format!("key=file:{private}")),
        ("secret key from file \"link\"".to_owned(), format!("key=file:{private}")),
        ("secret key from env TOKEN".to_owned(), "key=env:TOKEN".to_owned()),
    ] {
        fs::write(project.join("ImageFile"), with_secret(&statement)).unwrap();
        let said = refused(&[]).unwrap_or_else(|| panic!("{statement}"));
        assert!(said.contains(&format!("`--secret {flag}`")) && said.contains("ImageFile:3:10"), "{said}");
    }

    // By the user's configuration, for this project alone.
    let entry = |folder: &str| format!("[projects.\"{folder}\".secrets]\nkey = \"env:TOKEN\"\n");
    let config = user.path("home/.config/imgfile/config.toml");
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    fs::write(&config, entry("~/../other")).unwrap();
    assert!(refused(&[]).is_some());
    fs::write(&config, entry("~/../repo")).unwrap();
    assert_eq!(refused(&[]), None);
    fs::remove_file(&config).unwrap();

    // By trust, for what the project asks for then.
    assert!(refused(&[]).is_some());
    let said = text(&user.run(&project, &["trust"]));
    assert!(said.contains("may read env:TOKEN"), "{said}");
    assert_eq!(refused(&[]), None);
    fs::write(project.join("ImageFile"), with_secret("secret key from env OTHER_TOKEN")).unwrap();
    assert!(refused(&[]).is_some());

    // By a flag; and a file of the project needs nothing.
    assert_eq!(refused(&["--secret", "key=env:TOKEN"]), None);
    fs::write(project.join("ImageFile"), with_secret("secret key from file \"own\"")).unwrap();
    assert_eq!(refused(&[]), None);
    fs::write(project.join("ImageFile"), with_secret("secret key")).unwrap();
    assert!(text(&user.run(&project, &["build"])).contains("error[E0606]"));
    assert_eq!(refused(&["--secret", "key=env:TOKEN"]), None);
}

/// The disk of a `base file` outside the project ends up in the store and in an image.
#[test]
fn a_disk_outside_the_project_needs_the_users_word() {
    let user = User::new();
    let project = user.project("repo", "");
    let private = user.path("home/disk.raw");
    fs::write(&private, vec![7; 4 << 20]).unwrap();
    std::os::unix::fs::symlink(&private, project.join("link")).unwrap();
    for name in ["link", "../home/disk.raw", private.to_str().unwrap()] {
        let image = format!("image \"x\" {{\n  os linux debian 13\n  base file \"{name}\"\n}}\n");
        fs::write(project.join("ImageFile"), image).unwrap();
        for command in ["plan", "lock", "build", "outdated"] {
            let said = text(&user.run(&project, &[command]));
            assert!(
                said.contains("error[E0541]") && said.contains("ImageFile:3:"),
                "{command} {name}: {said}"
            );
            assert!(said.contains(&format!("`--allow-file {}`", private.display())), "{said}");
        }
        for allowed in [private.as_path(), private.parent().unwrap()] {
            let said = text(&user.run(&project, &["plan", "--allow-file", allowed.to_str().unwrap()]));
            assert!(!said.contains("E0541"), "{said}");
        }
    }
}

/// Whoever answers as the proxy of one project would fill the indexes that all projects of the user share.
#[test]
fn nothing_is_fetched_by_a_proxy_that_a_project_names() {
    let user = User::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let asked = || listener.accept().is_ok();
    for setting in ["proxy", "mirror", "security-mirror", "disk-mirror"] {
        let project = user.project(setting, &format!("{setting} = \"http://{address}\"\n"));
        let said = text(&user.run(&project, &["lock"]));
        assert!(said.contains(&format!("the setting `{setting}` of this project is ignored")), "{said}");
        assert!(!asked(), "{setting}");
    }
    // The same way is taken where the user says so.
    let project = user.path("proxy");
    let mut lock =
        user.command(&project, &["lock"]).env("IMGFILE_PROXY", format!("http://{address}")).spawn().unwrap();
    listener.set_nonblocking(false).unwrap();
    drop(listener.accept().unwrap());
    // It would try again; the answer is known.
    let _ = lock.kill();
    lock.wait().unwrap();
}
