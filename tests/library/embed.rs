//! `examples/embed/main.rs` does what it says; `tests/machine/embed.rs` is about the one beside it.

#[path = "../../examples/embed/main.rs"]
mod example;

/// The example's own ImageFile, with a word in it replaced.
fn run(from: &str, to: &str) -> Result<String, Vec<miette::Report>> {
    let text = include_str!("../../examples/embed/main.rs");
    let image_file = text.split("IMAGE_FILE: &str = r#\"").nth(1).unwrap().split("\"#;").next().unwrap();
    example::run(&image_file.replace(from, to))
}

#[test]
fn strings_become_a_plan() {
    let said = run("", "").unwrap();
    assert!(said.starts_with("application greeting 1.0\n"), "{said}");
    assert!(said.lines().any(|line| line.starts_with("step script")), "{said}");
    let _ = example::main();
}

#[test]
fn a_word_more_is_another_key() {
    let steps = |said: &str| {
        said.lines().filter(|line| line.starts_with("step ")).map(str::to_owned).collect::<Vec<_>>()
    };
    let (one, other) = (steps(&run("", "").unwrap()), steps(&run("hello", "good day").unwrap()));
    assert_eq!(one.len(), other.len());
    assert_ne!(one, other);
}

#[test]
fn what_is_wrong_is_told() {
    let complaints = run("word = ", "wrod = ").unwrap_err();
    let complaint = complaints.iter().map(ToString::to_string).find(|complaint| complaint.contains("wrod"));
    assert_eq!(complaint.as_deref(), Some("`greeting` has no option `wrod`"), "{complaints:?}");
}
