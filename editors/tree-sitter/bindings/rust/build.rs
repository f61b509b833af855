//! Compiles the generated parser and its scanner.

fn main() {
    let sources = ["src/parser.c", "src/scanner.c"];
    cc::Build::new()
        .include("src")
        .std("c11")
        .warnings(false)
        .files(sources)
        .compile("tree-sitter-imagefile");
    println!("cargo::rerun-if-changed=src");
}
