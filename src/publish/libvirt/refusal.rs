//! What libvirt refuses, in its own words, and the way out.

use crate::{diagnostic::codes, driver::virsh::VirshError, publish::PublishError, store::room::says_full};

/// What a command that failed means for the volume `name` of a pool; without one it was about the pool.
pub fn refusal(pool: &str, name: Option<&str>, error: &VirshError) -> PublishError {
    let what =
        name.map_or_else(|| format!("the pool `{pool}`"), |name| format!("`{name}` in the pool `{pool}`"));
    let VirshError::Refused(said) = error else {
        let unreached =
            PublishError::new(codes::TARGET_UNREACHABLE, format!("libvirt is not reached: {error}"));
        return match error {
            VirshError::Absent(_) => {
                unreached.help("`virsh` comes with libvirt's clients: install the package `libvirt-clients` (Debian, Ubuntu) or `libvirt-client` (Fedora)")
            }
            _ => unreached.help("`imgfile publish` may be typed again: what is there is not sent twice"),
        };
    };
    let has = |words: &str| said.to_lowercase().contains(words);
    let told = |code, message: String| PublishError::new(code, message).said(said);
    if has("storage pool not found") {
        return told(codes::TARGET_CONFIG, format!("libvirt has no pool `{pool}`")).help(
            "`virsh pool-list --all` shows those that it has; name one in your configuration: `pool = \"…\"`",
        );
    }
    if has("is not active") {
        return told(codes::TARGET_CONFIG, format!("the pool `{pool}` is not active"))
            .help(format!("start it: `virsh pool-start {pool}`"));
    }
    if says_full(said) || has("not enough free space") || has("exceeds available space") {
        return told(codes::TARGET_QUOTA, format!("there is no room for {what}"))
            .help("make room in the pool, or name another in your configuration");
    }
    if has("authentication") || has("access denied") || has("permission denied") || has("polkit") {
        return told(codes::TARGET_DENIED, format!("you may not write {what}"))
            .help("on many hosts members of the group `libvirt` may; `virsh pool-list` tells whether you are let in");
    }
    if has("failed to connect")
        || has("cannot recv data")
        || has("end of file")
        || has("no connection driver")
    {
        return told(codes::TARGET_UNREACHABLE, "libvirt is not reached".to_owned())
            .help("`virsh --connect URI pool-list` tells whether it answers you; `connection = \"…\"` names another");
    }
    if has("exists already") || has("already exists") {
        return told(codes::NAME_TAKEN, format!("there is another volume {what}"))
            .help("let each version have a name of its own: `name = \"…-${version}\"`, with a `param`");
    }
    told(codes::TARGET_REFUSED, format!("libvirt does not take {what}"))
}
