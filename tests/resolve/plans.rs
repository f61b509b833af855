//! Which steps a plan has, and which it has not.

use imgfile::plan::ImagePlan;

use crate::common::planned::World;

fn plan(statements: &str) -> ImagePlan {
    let text = format!("image \"web\" {{\n  os linux debian 13\n{statements}\n}}\n");
    World::new(&text).plan().unwrap_or_else(|said| panic!("{said}"))
}

#[test]
fn the_default_account_is_made_where_anything_needs_it() {
    let made = |statements: &str| plan(statements).steps.iter().any(|step| step.name == "user debian");
    let script = |options: &str| format!("script <<-SH {{ name = x{options} }}\n  #!/bin/sh -e\n  id\n  SH");
    let test = |options: &str| format!("test \"x\" <<-SH {options}\n  #!/bin/sh -e\n  id\n  SH");
    let copy = |options: &str| format!("copy <<-TEXT to \"/etc/x\" {options}\n  x\n  TEXT");
    for statements in [
        test(""),
        test("{ offline = true }"),
        test("{ user = debian }"),
        script(""),
        script(", offline = true"),
        script(", user = debian"),
        copy("{ owner = debian }"),
        copy("{ group = debian }"),
        "user debian".to_owned(),
    ] {
        assert!(made(&statements), "{statements}");
    }
    for statements in [test("{ user = root }"), script(", user = root"), copy(""), "user root".to_owned()] {
        assert!(!made(&statements), "{statements}");
    }
}

#[test]
fn a_vhd_has_whole_mebibytes() {
    let size = |statements: &str| plan(statements).disk_size;
    assert_eq!(size("  min_storage 20GB\n  output vhd"), 20_000_538_624);
    assert_eq!(size("  min_storage 20GB\n  output qcow2"), 20_000_000_000);
    let outputs = plan("  output vhd\n  output vhd { name = \"grows\", subformat = dynamic }").outputs;
    assert_eq!(outputs.iter().map(|output| output.dynamic).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn a_tree_over_the_whole_image_is_a_copy() {
    let world = World::new("image \"web\" {\n  os linux debian 13\n  copy \"overlay/\" to \"/\"\n}\n");
    world.write("overlay/etc/app.conf", "a");
    let plan = world.plan().unwrap();
    assert_eq!(plan.written_paths(), ["/etc/app.conf"]);
}
