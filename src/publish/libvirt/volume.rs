//! One volume: looked for, sent, read back, and compared.

use std::{process::Stdio, time::Duration};

use futures_util::StreamExt as _;
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, Command},
};

use super::{
    Libvirt,
    marker::{self, ENDING, HalfSent, Sender},
    refusal::refusal,
};
use crate::{
    check::Visibility,
    diagnostic::codes,
    driver::virsh::{self, VirshError, option},
    publish::{Progress, PublishError, Published, Request, Sending, Sent, upload},
    text::Digest,
};

/// For an answer about what libvirt has in its memory or makes at once.
const ANSWER: Duration = Duration::from_secs(30);
/// Bytes that are read at a time.
const PIECE: usize = 1 << 20;
/// Bytes of a complaint that are read.
const COMPLAINT: u64 = 1 << 16;

impl Libvirt {
    /// Asks, to the end: what is begun is known to be.
    async fn ask(&self, words: &[&str]) -> Result<String, VirshError> {
        // Others have their turn.
        tokio::task::yield_now().await;
        tokio::task::block_in_place(|| self.virsh.run(words, ANSWER, None))
    }

    /// Refuses a pool that is not there, or whose volumes are no files.
    pub(super) async fn look_at_pool(&self) -> Result<(), PublishError> {
        let described = self.ask(&["pool-dumpxml", &option("pool", &self.pool)]).await;
        let described = described.map_err(|error| refusal(&self.pool, None, &error))?;
        let kind = described.split_once("<pool type='").and_then(|(_, rest)| Some(rest.split_once('\'')?.0));
        match kind {
            Some("dir" | "fs" | "netfs") => Ok(()),
            other => {
                let kind = other.unwrap_or("unknown");
                let message =
                    format!("the pool `{}` is of the kind `{kind}`: its volumes are no files", self.pool);
                Err(PublishError::new(codes::TARGET_CONFIG, message)
                    .help("name one of the kind `dir`, `fs` or `netfs`: `virsh pool-list --all` shows them"))
            }
        }
    }
}

pub struct Volume<'a> {
    libvirt: &'a Libvirt,
    request: &'a Request,
    name: String,
}

impl<'a> Volume<'a> {
    pub fn of(libvirt: &'a Libvirt, request: &'a Request) -> Result<Self, PublishError> {
        let refused = |what: &str| {
            let message = format!("a volume of libvirt has nothing like `{what}`");
            Err(PublishError::new(codes::TARGET_REFUSED, message).help("leave it out"))
        };
        if !request.share.is_empty() || request.visibility != Visibility::Private {
            return refused("share");
        }
        if request.protect {
            return refused("protect");
        }
        if !request.tags.is_empty() {
            return refused("tags");
        }
        if !request.properties.is_empty() {
            return refused("properties");
        }
        let name = format!("{}.{}", request.name, request.format.extension());
        let is_file = !name.contains('/') && !name.starts_with('.') && name.len() + ENDING.len() <= 255;
        if !is_file || name.chars().any(char::is_control) {
            let message = format!("`{name}` cannot be the name of a volume");
            return Err(PublishError::new(codes::TARGET_REFUSED, message).help("give it another `name`"));
        }
        Ok(Self { libvirt, request, name })
    }

    fn refused(&self, error: &VirshError) -> PublishError {
        refusal(&self.libvirt.pool, Some(&self.name), error)
    }

    /// The words of a command about a volume of the pool.
    fn words(&self, command: &str, volume: &str) -> [String; 3] {
        [command.to_owned(), option("pool", &self.libvirt.pool), option("vol", volume)]
    }

    async fn ask(&self, words: &[String]) -> Result<String, VirshError> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.libvirt.ask(&words).await
    }

    /// Whether there is such a volume.
    async fn has(&self, volume: &str) -> Result<bool, PublishError> {
        match self.ask(&self.words("vol-key", volume)).await {
            Ok(_) => Ok(true),
            Err(VirshError::Refused(said)) if said.to_lowercase().contains("storage volume not found") => {
                Ok(false)
            }
            Err(VirshError::Refused(said)) if said.contains("failed to get vol") => Ok(false),
            Err(error) => Err(self.refused(&error)),
        }
    }

    pub async fn publish(&self, progress: Progress<'_>) -> Result<Published, PublishError> {
        let mut notes = Vec::new();
        let marker = format!("{}{ENDING}", self.name);
        if self.has(&marker).await? {
            self.take_away_half(&marker).await?;
            notes.push(format!("what was there of `{}` was half sent, and is gone", self.name));
        }
        let sent = if !self.has(&self.name).await? {
            self.send(progress).await?;
            Sent::Sent
        } else if self.digest(&self.name).await?.0 == self.request.sha256 {
            Sent::There
        } else {
            let pool = &self.libvirt.pool;
            let message =
                format!("there is another volume `{}` in the pool `{pool}`, with other content", self.name);
            return Err(PublishError::new(codes::NAME_TAKEN, message).help(format!(
                "let each version have a name of its own: `name = \"{}-${{version}}\"`, with a `param`",
                self.request.name
            )));
        };
        let id = self.ask(&self.words("vol-key", &self.name)).await.map_err(|error| self.refused(&error))?;
        Ok(Published { id: id.trim().to_owned(), region: None, sent, notes })
    }

    /// Removes a volume that somebody began to send who is no more, and then its marker.
    async fn take_away_half(&self, marker: &str) -> Result<(), PublishError> {
        let (_, content) = self.digest(marker).await?;
        if marker::sender(&content) != Sender::Gone {
            let message = format!("`{}` is being sent by somebody else", self.name);
            return Err(PublishError::new(codes::TARGET_REFUSED, message).help(format!(
                "wait for that; if nobody sends it any more, take both away: `virsh vol-delete --pool {pool} {}` and `virsh \
                 vol-delete --pool {pool} {marker}`",
                self.name,
                pool = self.libvirt.pool
            )));
        }
        if self.has(&self.name).await? {
            self.ask(&self.words("vol-delete", &self.name)).await.map_err(|error| self.refused(&error))?;
        }
        self.ask(&self.words("vol-delete", marker)).await.map_err(|error| self.refused(&error))?;
        Ok(())
    }

    /// Makes a volume of so many bytes, which has no content yet.
    async fn create(&self, volume: &str, size: u64) -> Result<(), PublishError> {
        let words = [
            "vol-create-as".to_owned(),
            option("pool", &self.libvirt.pool),
            option("name", volume),
            format!("--capacity={size}B"),
            "--allocation=0".to_owned(),
            // It holds the bytes of a file, whatever they are.
            "--format=raw".to_owned(),
        ];
        self.ask(&words).await.map_err(|error| self.refused(&error)).map(drop)
    }

    async fn send(&self, progress: Progress<'_>) -> Result<(), PublishError> {
        let (virsh, pool) = (&self.libvirt.virsh, self.libvirt.pool.as_str());
        let marker = format!("{}{ENDING}", self.name);
        self.create(&marker, marker::content(0).len() as u64).await?;
        // From here on both go, unless all is well.
        let mut half = HalfSent { virsh, pool, volume: &self.name, is_begun: false };
        let content = bytes::Bytes::from(marker::content(std::process::id()));
        let mut one = futures_util::stream::iter([Ok(content)]);
        self.upload(&marker, &mut one, &|| {}).await?;
        self.create(&self.name, self.request.size).await?;
        half.is_begun = true;
        let sending = Sending::default();
        let mut pieces = sending.pieces(&self.request.file)?;
        let size = self.request.size;
        self.upload(&self.name, &mut pieces, &|| progress(sending.bytes().min(size), size)).await?;
        if sending.sums().sha256 != self.request.sha256 {
            let message = format!("{} changed while it was sent", self.request.file.display());
            return Err(
                PublishError::new(codes::ARTIFACT_CHANGED, message).help("publish it when it is at rest")
            );
        }
        let (there, _) = self.digest(&self.name).await?;
        if there != self.request.sha256 {
            let message = format!("what the pool has of `{}` is not what was sent", self.name);
            return Err(PublishError::new(codes::CHECKSUM_DIFFERS, message)
                .note(format!("its SHA-256 is {there} there and {} here", self.request.sha256))
                .help("type `imgfile publish` again; if it happens again, the pool's storage is at fault"));
        }
        half.is_begun = false;
        drop(half);
        // Now libvirt sees of which format it is; nothing of the volume depends on it.
        let _ = self.ask(&["pool-refresh".to_owned(), option("pool", pool)]).await;
        Ok(())
    }

    /// A program that takes or brings a volume's bytes by its standard streams.
    fn start(&self, words: &[String], input: Stdio, output: Stdio) -> Result<Child, PublishError> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut command = Command::from(self.libvirt.virsh.command(&words));
        command.stdin(input).stdout(output).stderr(Stdio::piped()).kill_on_drop(true);
        command.spawn().map_err(|error| self.refused(&VirshError::Absent(error)))
    }

    /// Waits for the end of a program whose streams have ended.
    async fn end(&self, mut child: Child) -> Result<(), PublishError> {
        let mut said = Vec::new();
        if let Some(stderr) = child.stderr.take() {
            // What cannot be read was not said.
            let _ = stderr.take(COMPLAINT).read_to_end(&mut said).await;
        }
        match child.wait().await {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => {
                let said = virsh::refusal(&String::from_utf8_lossy(&said));
                Err(self.refused(&VirshError::Refused(said)))
            }
            Err(error) => Err(self.refused(&VirshError::Absent(error))),
        }
    }

    /// Writes a volume's bytes; `each` is called after each piece.
    async fn upload(
        &self,
        volume: &str,
        pieces: &mut (dyn futures_util::Stream<Item = std::io::Result<bytes::Bytes>> + Send + Unpin),
        each: &(dyn Fn() + Sync),
    ) -> Result<(), PublishError> {
        let [command, pool, volume] = self.words("vol-upload", volume);
        let words = [command, pool, volume, option("file", "/dev/stdin")];
        let mut child = self.start(&words, Stdio::piped(), Stdio::null())?;
        let mut input = child.stdin.take();
        while let (Some(piece), Some(stdin)) = (pieces.next().await, input.as_mut()) {
            let piece = piece.map_err(|error| upload::unreadable(&self.request.file, &error))?;
            if stdin.write_all(&piece).await.is_err() {
                // It has ended, and says why.
                break;
            }
            each();
        }
        drop(input);
        self.end(child).await
    }

    /// The digest of a volume's bytes, and the first of them.
    async fn digest(&self, volume: &str) -> Result<(Digest, Vec<u8>), PublishError> {
        let [command, pool, volume] = self.words("vol-download", volume);
        let words = [command, pool, volume, option("file", OUTPUT)];
        let mut child = self.start(&words, Stdio::null(), Stdio::piped())?;
        let (mut sum, mut first) = (Sha256::new(), Vec::new());
        if let Some(mut output) = child.stdout.take() {
            let mut piece = vec![0; PIECE];
            while let Ok(length @ 1..) = output.read(&mut piece).await {
                sum.update(&piece[..length]);
                if first.is_empty() {
                    first.extend_from_slice(&piece[..length.min(256)]);
                }
            }
        }
        self.end(child).await?;
        Ok((Digest::from_bytes(sum.finalize().into()), first))
    }
}

/// Where a program finds its standard output as a file.
const OUTPUT: &str = "/dev/stdout";
