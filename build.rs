//! Builds the guest agent and embeds it, so that `cargo build` alone yields a complete program.
//!
//! The agent is linked statically (`crt-static`), which needs an explicit target: without one the
//! flag would reach proc macros too, which cannot be static. It has a target folder of its own
//! inside `OUT_DIR`, because the outer cargo holds the lock of the common one; that cargo of it
//! decides what is to be done again.

use std::env;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The profile `agent`. It travels in every boot, so size is time. Given here because a package from a registry
/// brings no profiles.
const PROFILE: [&str; 6] = [
    "profile.agent.inherits=\"release\"",
    "profile.agent.opt-level=\"z\"",
    "profile.agent.lto=true",
    "profile.agent.codegen-units=1",
    "profile.agent.panic=\"abort\"",
    "profile.agent.strip=true",
];

fn main() -> ExitCode {
    for path in ["Cargo.lock", "build.rs"] {
        println!("cargo::rerun-if-changed={path}");
    }
    keep_published_schema();
    match agent() {
        Ok(path) => {
            println!("cargo::rustc-env=IMGFILE_AGENT={}", path.display());
            ExitCode::SUCCESS
        }
        Err(reason) => {
            println!("cargo::error=the guest agent was not built: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// Puts the published schema of SARIF, which the dev-dependency `serde-sarif` carries, where the tests can
/// take it in: they run as another user, who may not see cargo's folders. Without dev-dependencies, as when
/// the crate is installed, the file is empty.
fn keep_published_schema() {
    let schema = || {
        let output = Command::new(env::var_os("CARGO")?)
            .args(["metadata", "--format-version", "1", "--offline", "--filter-platform", TARGET])
            .current_dir(env::var_os("CARGO_MANIFEST_DIR")?)
            .output()
            .ok()?;
        let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
        let mut packages = metadata["packages"].as_array()?.iter();
        let manifest =
            packages.find(|package| package["name"] == "serde-sarif")?["manifest_path"].as_str()?;
        std::fs::read_to_string(PathBuf::from(manifest).with_file_name("src").join("schema.json")).ok()
    };
    let schema = schema().unwrap_or_default();
    if let Some(out) = env::var_os("OUT_DIR") {
        // A test says so if the file is missing or empty.
        let _ = std::fs::write(PathBuf::from(out).join("sarif.schema.json"), schema);
    }
}

fn agent() -> Result<PathBuf, String> {
    let variable = |name: &str| env::var_os(name).ok_or_else(|| format!("cargo did not set {name}"));
    // A crate of its own, since cargo leaves nested ones out of a package; its build script says where it is.
    let sources = PathBuf::from(variable("DEP_IMGFILE_AGENT_DIR")?);
    for path in ["src", "Cargo.toml"] {
        println!("cargo::rerun-if-changed={}", sources.join(path).display());
    }
    let target_dir = PathBuf::from(variable("OUT_DIR")?).join("agent");
    let mut cargo = Command::new(variable("CARGO")?);
    cargo
        .current_dir(&sources)
        .args(["build", "--quiet", "--bin", "imgfile-agent", "--profile", "agent", "--target", TARGET])
        .args(PROFILE.iter().flat_map(|setting| ["--config", setting]))
        .arg("--target-dir")
        .arg(&target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static");
    // What the outer cargo says about itself (clippy's wrapper, the profile, coverage) is not
    // meant for a program of another target; the job server and network settings are.
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        let outer = [
            "RUSTC",
            "RUSTFLAGS",
            "CARGO_BUILD_",
            "CARGO_PROFILE_",
            "CARGO_TARGET_",
            "CARGO_CFG_",
            "CARGO_FEATURE_",
        ]
        .iter()
        .any(|prefix| name.starts_with(prefix));
        if outer && name != "RUSTC" && name != "CARGO_BUILD_JOBS" {
            cargo.env_remove(name.as_ref());
        }
    }
    let output = cargo.output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).replace('\n', "\ncargo::error="));
    }
    Ok(target_dir.join(TARGET).join("agent").join("imgfile-agent"))
}
