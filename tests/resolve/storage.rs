//! What an image is known to need is held against its disk before anything boots.

use imgfile::plan::growth;
use snapbox::{assert_data_eq, str};

use crate::common::planned::World;

const MIB: u64 = 1 << 20;

/// A site of 300 MiB that takes no space here.
fn world(min_storage: &str) -> World {
    let text = format!(
        r#"image "web" {{
  os linux debian 13
{min_storage}  packages ["jq", "curl"]
  app nginx
  copy "site/" to "/var/www"
  copy <<-TEXT to "/etc/motd"
    welcome
  TEXT
}}
"#
    );
    let mut world = World::new(&text);
    world.write("site/index.html", "hello");
    std::fs::File::create(world.path("site/film")).unwrap().set_len(300 * MIB).unwrap();
    world.packages = vec!["curl", "jq", "nginx-light"];
    world.packages_grow = 90 * MIB;
    world
}

fn said(world: &World) -> String {
    world.plan().expect_err("the disk is too small")
}

#[test]
fn the_sum_is_shown_part_by_part_at_the_statements_that_ask_for_them() {
    assert_data_eq!(
        said(&world("  min_storage 1GiB\n")),
        str![[r#"
error[E0314]: `min_storage 1GiB` is too small for this image
  ┌─ ImageFile:3:15
3 │   min_storage 1GiB
  │               ^^^^ too small
4 │   packages ["jq", "curl"]
  │             ---- packages (3): 90 MiB
5 │   app nginx
  │       ----- app nginx: 4 MiB
6 │   copy "site/" to "/var/www"
  │   -------------------------- copy site to /var/www: 301 MiB
  = note: what is known to be needed:
          base debian-13             600 MiB
          app nginx                    4 MiB
          packages (3)                90 MiB
          copy site to /var/www      301 MiB
          smaller copies               1 MiB
          kept free                  256 MiB
          together                  1251 MiB
  = help: write `min_storage 2GiB` or more


"#]]
    );
}

#[test]
fn the_bases_own_disk_is_held_against_the_same_sum() {
    let mut world = world("");
    world.packages_grow = 3500 * MIB;
    assert_data_eq!(
        said(&world),
        str![[r#"
error[E0314]: the disk of `debian-13` is too small for this image
  ┌─ ImageFile:1:7
1 │ image "web" {
  │       ^^^^^ it has 4GiB, and no `min_storage` asks for more
  ·
3 │   packages ["jq", "curl"]
  │             ---- packages (3): 3500 MiB
4 │   app nginx
  │       ----- app nginx: 4 MiB
5 │   copy "site/" to "/var/www"
  │   -------------------------- copy site to /var/www: 301 MiB
  = note: what is known to be needed:
          base debian-13             600 MiB
          app nginx                    4 MiB
          packages (3)              3500 MiB
          copy site to /var/www      301 MiB
          smaller copies               1 MiB
          kept free                  256 MiB
          together                  4661 MiB
  = help: write `min_storage 5GiB` or more


"#]]
    );
}

#[test]
fn what_fits_is_planned() {
    // 600 of the base, 90 of packages, 300 copied, 256 kept free, and what nginx asks for.
    for enough in ["  min_storage 2GiB\n", ""] {
        if let Err(said) = world(enough).plan() {
            panic!("{said}");
        }
    }
}

#[test]
fn what_the_image_below_brings_counts_too() {
    let mut world = world("  min_storage 2GiB\n");
    world.text.push_str(
        r#"
image "shop" {
  base image "web"
  min_storage 2GiB
  app redis
  copy "site/" to "/srv"
}
"#,
    );
    let below = world.plan().unwrap();
    world.base_grown = growth(&below, world.packages_grow);
    world.image = 1;
    world.packages = vec!["redis-server"];
    world.packages_grow = 900 * MIB;
    assert_data_eq!(
        said(&world),
        str![[r#"
error[E0314]: `min_storage 2GiB` is too small for this image
   ┌─ ImageFile:14:15
13 │   base image "web"
   │              ----- app nginx: 4 MiB
   │   ---------------- packages and copies of web: 391 MiB
14 │   min_storage 2GiB
   │               ^^^^ too small
15 │   app redis
   │       ----- app redis: 4 MiB
16 │   copy "site/" to "/srv"
   │   ---------------------- copy site to /srv: 301 MiB
   = note: what is known to be needed:
           base web                        600 MiB
           app nginx                         4 MiB
           app redis                         4 MiB
           packages and copies of web      391 MiB
           packages (1)                    900 MiB
           copy site to /srv               301 MiB
           kept free                       256 MiB
           together                       2455 MiB
   = help: write `min_storage 3GiB` or more


"#]]
    );
    world.text = world.text.replace("min_storage 2GiB", "min_storage 3GiB");
    world.plan().unwrap();
}

#[test]
fn an_image_that_adds_nothing_fits_the_disk_of_the_one_below() {
    let mut world = world("");
    world.text.push_str("\nimage \"same\" {\n  base image \"web\"\n}\n");
    world.base_grown = 3400 * MIB;
    world.image = 1;
    world.packages = Vec::new();
    world.packages_grow = 0;
    world.plan().unwrap();
}
