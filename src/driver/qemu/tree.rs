//! Many files of a mounted image at once: the tree of all of them, contents, digests. What the guest answers is taken as
//! hostile input.

use imgfile_agent::protocol::message::{Answer, Request};
use imgfile_agent::protocol::tree::{self, Content, Node, Sum};
use imgfile_agent::protocol::wire::{Bytes, Wire};

use super::super::DriverError;
use super::guest::{Guest, unexpected_answer};
use crate::model::{FileContent, SystemTree, TreeLimits, TreeNode};
use crate::text::Digest;

/// How much longer than the limit the last node may make the answer: a path, a target, attributes.
const NODE_BYTES: u64 = 4 << 20;
/// Paths of one request: they have to fit into a message.
const PATHS: usize = 1000;
const PATHS_BYTES: usize = 128 * 1024;
/// What the answer has beside each content or digest, in bytes, and signs of life.
const EACH: u64 = 512;
const BUSY: u64 = 1 << 20;

/// All that is on the mounted file systems.
pub(super) async fn walk(guest: &mut Guest, limits: TreeLimits) -> Result<SystemTree, DriverError> {
    let request = Request::Walk { nodes: limits.nodes, bytes: limits.bytes };
    let most = limits.bytes.saturating_add(NODE_BYTES);
    let (answer, stream) = guest.collect("list all its files", request, most).await?;
    let Answer::Walked { nodes: count, whole } = answer else { return Err(unexpected_answer()) };
    let nodes = all::<Node>(&stream)?.into_iter().map(node).collect::<Vec<_>>();
    if nodes.len() as u64 != count || count > limits.nodes.max(1) {
        return Err(unexpected_answer());
    }
    SystemTree::new(nodes, whole).map_err(|error| DriverError::Protocol { detail: error.to_string() })
}

/// What is in each of these files.
pub(super) async fn read(
    guest: &mut Guest,
    paths: &[Vec<u8>],
    each: u64,
    total: u64,
) -> Result<Vec<FileContent>, DriverError> {
    let (mut contents, mut left) = (Vec::with_capacity(paths.len()), total);
    for batch in batches(paths) {
        let request = Request::ReadFiles { paths: wired(batch), each, total: left };
        let most = left.saturating_add(EACH * batch.len() as u64);
        let (_, stream) = guest.collect("read files", request, most).await?;
        let found = all::<Content>(&stream)?;
        if found.len() != batch.len() {
            return Err(unexpected_answer());
        }
        for content in found {
            if let Content::Whole { bytes } = &content {
                let len = bytes.0.len() as u64;
                left = left.checked_sub(len).filter(|_| len <= each).ok_or_else(unexpected_answer)?;
            }
            contents.push(match content {
                Content::Whole { bytes } => FileContent::Whole(bytes.0),
                Content::Absent => FileContent::Absent,
                Content::NotAFile => FileContent::NotAFile,
                Content::TooLong { size } => FileContent::TooLong(size),
                Content::Unreadable { reason } => FileContent::Unreadable(reason),
            });
        }
    }
    Ok(contents)
}

/// The digest of each of these files, where there is such a file and it can be read.
pub(super) async fn digests(
    guest: &mut Guest,
    paths: &[Vec<u8>],
) -> Result<Vec<Option<Digest>>, DriverError> {
    let mut digests = Vec::with_capacity(paths.len());
    for batch in batches(paths) {
        let request = Request::Digests { paths: wired(batch) };
        let most = BUSY + EACH * batch.len() as u64;
        let (_, stream) = guest.collect("make digests of files", request, most).await?;
        let before = digests.len();
        for sum in all::<Sum>(&stream)? {
            digests.push(match sum {
                Sum::Sha256 { digest } => {
                    let bytes: [u8; 32] = digest.0.try_into().map_err(|_| unexpected_answer())?;
                    Some(Digest::from_bytes(bytes))
                }
                Sum::None | Sum::Unreadable { .. } => None,
                Sum::Busy => continue,
            });
        }
        if digests.len() - before != batch.len() {
            return Err(unexpected_answer());
        }
    }
    Ok(digests)
}

fn all<T: Wire>(stream: &[u8]) -> Result<Vec<T>, DriverError> {
    tree::values(stream)
        .collect::<Result<_, _>>()
        .map_err(|error| DriverError::Protocol { detail: error.to_string() })
}

fn node(node: Node) -> TreeNode {
    let attributes = node.attributes.into_iter();
    TreeNode {
        parent: node.parent,
        name: node.name.0.into(),
        mode: node.mode,
        uid: node.uid,
        gid: node.gid,
        size: node.size,
        used: node.used,
        mtime: node.mtime,
        links: node.links,
        device: node.device,
        inode: node.inode,
        target: node.target.0.into(),
        attributes: attributes.map(|(name, value)| (name.0.into(), value.0.into())).collect(),
    }
}

fn wired(paths: &[Vec<u8>]) -> Vec<Bytes> {
    paths.iter().map(|path| Bytes(path.clone())).collect()
}

/// Paths in groups that fit into a message; a path is at most 4 KiB, as the kernel has it, or else the agent refuses it.
fn batches(paths: &[Vec<u8>]) -> impl Iterator<Item = &[Vec<u8>]> {
    let mut rest = paths;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = rest.iter().take(PATHS).take_while(|path| {
            bytes += path.len() + size_of::<u32>();
            bytes <= PATHS_BYTES
        });
        let count = fits.count().max(1).min(rest.len());
        let (batch, left) = rest.split_at(count);
        rest = left;
        (!batch.is_empty()).then_some(batch)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_asked_for_in_groups_that_fit_a_message() {
        let paths: Vec<Vec<u8>> = (0..5000_usize).map(|number| vec![b'a'; number % 4096]).collect();
        let groups: Vec<_> = batches(&paths).collect();
        assert_eq!(groups.concat(), paths);
        for group in groups {
            let bytes: usize = group.iter().map(|path| path.len() + 4).sum();
            assert!(group.len() <= PATHS && bytes <= PATHS_BYTES, "{} paths, {bytes} bytes", group.len());
        }
        assert_eq!(batches(&[]).count(), 0);
    }
}
