//! Tells the product's build script where this crate's sources are, beside it in the workspace or in cargo's
//! registry: it builds the agent for the guest from them.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Cargo sets it for every build script.
    if let Some(dir) = std::env::var_os("CARGO_MANIFEST_DIR") {
        println!("cargo::metadata=dir={}", dir.display());
    }
}
