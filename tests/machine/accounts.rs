//! Accounts and groups with all that can be said of them, copies before packages and by pattern, values for
//! params of included files and profiles, from a project whose root lies above: in one image, really built.

use std::fs;

use snapbox::{assert_data_eq, file};

use crate::common::built::Project;

const IMAGE: &str = r#"include "../common.imagefile" { greeting = "from the include" }

image "accounts" {
  os linux debian trixie
  use greeted { place = "/etc/greeting" }
  user builder { keep = false }

  copy <<-EOF to "/etc/dpkg/dpkg.cfg.d/90-no-docs" { early = true }
    path-exclude=/usr/share/doc/jq/*
  EOF
  packages ["jq"]
  copy "../conf/*.conf" to "/etc/shop" { owner = shop, group = media }

  group media { gid = 2345 }
  account shop { uid = 2001, gid = 2002, home = "/srv/shop", comment = "the shop, on its own", groups = [media] }
  account feed { system = true }

  script <<-SH { name = "as the builder" }
    #!/bin/sh -e
    test "$(id -un)" = builder
    touch ~/was-here
    sudo mkdir -p /srv/work /var/spool/cron/crontabs /var/spool/cron/atjobs /var/lib/systemd/linger
    sudo touch /var/mail/builder /var/spool/cron/crontabs/builder /var/spool/cron/atjobs/a00001019c4f00 \
      /var/lib/systemd/linger/builder "$(printf '/srv/work/its\nown')"
    sudo chown builder /var/spool/cron/atjobs/a00001019c4f00 /srv/work/*
  SH

  # Without `user`: root's, since the builder is gone.
  test "all of it" <<-SH { offline = true }
    #!/bin/sh -e
    set -x
    test "$(cat /etc/greeting)" = "from the include"
    test "$(getent passwd shop)" = "shop:x:2001:2002:the shop, on its own:/srv/shop:/bin/sh"
    test "$(stat -c '%U %a' /srv/shop)" = "shop 700" || test "$(stat -c %U /srv/shop)" = shop
    test "$(getent group media)" = "media:x:2345:shop"
    getent passwd feed | grep -q ':/nonexistent:/usr/sbin/nologin$'
    test "$(id -u feed)" -lt 1000
    test "$(ls /etc/shop | tr '\n' ' ')" = "a.conf b.conf "
    test "$(stat -c '%U:%G' /etc/shop/a.conf)" = shop:media
    command -v jq
    test ! -e /usr/share/doc/jq/copyright
    test ! -e /home/builder
    if id builder || getent group builder; then exit 1; fi
    # Its traces, with those of the time before.
    if grep -r builder /etc/sudoers.d /etc/subuid /etc/subgid /etc/passwd* /etc/shadow* /etc/group* /etc/gshadow*; then
      exit 1
    fi
    for gone in /var/mail/builder /var/spool/cron/crontabs/builder /var/spool/cron/atjobs/a00001019c4f00 \
        /var/lib/systemd/linger/builder; do
      test ! -e $gone
    done
  SH
  test "in the booted system" <<-SH
    #!/bin/sh -e
    test "$(id -un)" = root
    if id builder; then exit 1; fi
  SH
}
"#;

const COMMON: &str = r#"param greeting = "nobody gave one"
param place = "/etc/nowhere"

profile greeted {
  copy "greeting.txt" to "${place}"
  script <<-SH { name = "greet", offline = true, user = root, env = { GREETING = "${greeting}", PLACE = "${place}" } }
    #!/bin/sh -e
    printf '%s\n' "$GREETING" > "$PLACE"
  SH
}
"#;

#[test]
fn accounts_groups_early_copies_and_values_are_as_said() {
    let project = Project::new("");
    fs::remove_file(project.path("ImageFile")).unwrap();
    fs::create_dir(project.path("image")).unwrap();
    fs::create_dir(project.path("conf")).unwrap();
    for (path, text) in [
        ("image/ImageFile", IMAGE),
        ("common.imagefile", COMMON),
        ("greeting.txt", "replaced\n"),
        ("conf/a.conf", "a\n"),
        ("conf/b.conf", "b\n"),
        ("conf/c.txt", "c\n"),
    ] {
        fs::write(project.path(path), text).unwrap();
    }
    // Without a root above, nothing outside of the ImageFile's folder is read.
    let output = project.command(&["check"]).current_dir(project.path("image")).output().unwrap();
    let text =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("E0215"), "{text}");

    fs::write(project.path(".imgfile.toml"), "root = true\n").unwrap();
    let output = project
        .command(&["build", "--progress", "plain"])
        .current_dir(project.path("image"))
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    assert!(project.path("image/out/accounts.qcow2").exists());
    // A name of two lines among them: what a guest lists is shown line by line.
    let left: String = log
        .lines()
        .filter_map(|line| line.split_once("note: warning[W0604]"))
        .map(|(_, rest)| format!("warning[W0604]{rest}\n"))
        .collect();
    assert_data_eq!(left, file!["accounts.expected"]);

    // An account that Debian has is nobody's to take away.
    let others =
        IMAGE.replace("user builder", "user games").replace("id -un)\" = builder", "id -un)\" = games");
    fs::write(project.path("image/ImageFile"), others).unwrap();
    let output = project
        .command(&["build", "--progress", "plain"])
        .current_dir(project.path("image"))
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && log.contains("error[E0245]: `games` is there before"), "{log}");
}
