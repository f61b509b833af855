//! The host's end of the channel to the agent: one request at a time, everything it says taken as
//! hostile input.

use std::io;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use imgfile_agent::protocol::VERSION;
use imgfile_agent::protocol::frame::{self, CHUNK, Decoder};
use imgfile_agent::protocol::message::{AgentStage, Answer, Body, FromGuest, Reply, Request, ToGuest};
use imgfile_agent::protocol::wire::{Bytes, Wire};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc::Receiver;

/// What can go wrong on the channel.
#[derive(Debug)]
pub(super) enum ChannelError {
    /// The emulator closed its end.
    Closed,
    /// The agent could not do it.
    Refused { reason: String, errno: i32 },
    /// Nothing moved for the given time.
    Silent(Duration),
    /// Another agent came up in the middle of a conversation: after a shutdown that the host did not ask for, with
    /// what was asked for, or, without that, in the place of one that was ended.
    Replaced(Option<String>),
    /// Not what an agent says.
    Nonsense(String),
    /// What was to be sent could not be read on the host.
    Source(io::Error),
}

/// How much noise between frames is tolerated before the channel is given up, in bytes. The hand-over
/// between agents may tear a frame or two; anything beyond is someone else writing.
const NOISE_LIMIT: u64 = 4 * 1024 * 1024;

/// What a request streams after itself.
pub(super) type Upload = Receiver<io::Result<Chunk>>;

/// A piece of a stream.
#[derive(Debug)]
pub(super) enum Chunk {
    Bytes(Vec<u8>),
    /// Of a terminal: rows and columns.
    Resize(u32, u32),
}

#[derive(Debug)]
pub(super) struct Channel {
    reader: Reader,
    writer: OwnedWriteHalf,
    epoch: u32,
    next_id: u32,
}

#[derive(Debug)]
struct Reader {
    half: OwnedReadHalf,
    decoder: Decoder,
    buffer: Vec<u8>,
}

impl Reader {
    /// The next message of `epoch`.
    async fn message(&mut self, epoch: u32) -> Result<FromGuest, ChannelError> {
        self.either(epoch, epoch).await.map(|(_, message)| message)
    }

    /// The next message of one of two epochs, and whose it is.
    async fn either(&mut self, one: u32, other: u32) -> Result<(u32, FromGuest), ChannelError> {
        loop {
            while let Some((of, payload)) = self.decoder.next_frame() {
                if of == one || of == other {
                    let message = FromGuest::read(payload)
                        .map_err(|error| ChannelError::Nonsense(error.to_string()))?;
                    return Ok((of, message));
                }
            }
            if self.decoder.skipped() > NOISE_LIMIT {
                return Err(ChannelError::Nonsense("a flood of noise on the channel to the agent".into()));
            }
            match self.half.read(&mut self.buffer).await {
                Ok(0) | Err(_) => return Err(ChannelError::Closed),
                Ok(len) => self.decoder.feed(&self.buffer[..len]),
            }
        }
    }
}

impl Channel {
    /// A channel on which nobody has spoken yet.
    pub(super) fn new(stream: UnixStream) -> Self {
        let (half, writer) = stream.into_split();
        let reader = Reader { half, decoder: Decoder::default(), buffer: vec![0; 2 * CHUNK] };
        Self { reader, writer, epoch: 0, next_id: 1 }
    }

    /// The epoch that the next agent is to speak in.
    pub(super) const fn next_epoch(&self) -> u32 {
        self.epoch + 1
    }

    /// Waits for the first word of the agent of `epoch`; answers where it is.
    pub(super) async fn hello(&mut self, epoch: u32, limit: Duration) -> Result<AgentStage, ChannelError> {
        let first = tokio::time::timeout(limit, self.reader.message(epoch));
        match first.await.map_err(|_| ChannelError::Silent(limit))??.reply {
            Reply::Hello { version, .. } if version != VERSION => {
                Err(ChannelError::Nonsense(format!("an agent of protocol version {version}, not {VERSION}")))
            }
            Reply::Hello { stage, .. } => {
                self.epoch = epoch;
                Ok(stage)
            }
            _ => Err(ChannelError::Nonsense("an agent that does not say hello".into())),
        }
    }

    /// Takes up with an agent that has said hello before its machine's memory was kept.
    pub(super) const fn take_up(&mut self, epoch: u32) {
        self.epoch = epoch;
    }

    /// Sends a request that ends this agent, and waits for the first word of the next one; an
    /// agent that cannot go says why, or that it is on its way.
    pub(super) async fn hand_over(
        &mut self,
        request: Request,
        epoch: u32,
        limit: Duration,
    ) -> Result<AgentStage, ChannelError> {
        let (id, old) = (self.take_id(), self.epoch);
        send(&mut self.writer, old, ToGuest { id, body: Body::Ask { request } }).await?;
        let waiting = async {
            loop {
                let (of, message) = self.reader.either(old, epoch).await?;
                match message.reply {
                    Reply::Hello { version, stage, .. } if of == epoch && version == VERSION => {
                        return Ok(stage);
                    }
                    Reply::Failed { reason, errno } if of == old => {
                        return Err(ChannelError::Refused { reason, errno });
                    }
                    Reply::Done { .. } if of == old => {}
                    _ => return Err(ChannelError::Nonsense("an agent that does not say hello".into())),
                }
            }
        };
        let stage = tokio::time::timeout(limit, waiting).await.map_err(|_| ChannelError::Silent(limit))??;
        self.epoch = epoch;
        Ok(stage)
    }

    /// Asks and waits for the answer, giving up when nothing has moved for `limit`.
    pub(super) async fn ask(&mut self, request: Request, limit: Duration) -> Result<Answer, ChannelError> {
        self.converse(request, None, Patience::Idle(limit), &mut unasked).await
    }

    /// The whole of a conversation: request, what is streamed, every reply but the last to `take`.
    pub(super) async fn converse(
        &mut self,
        request: Request,
        upload: Option<Upload>,
        patience: Patience,
        take: &mut (dyn FnMut(Reply) -> Result<(), ChannelError> + Send),
    ) -> Result<Answer, ChannelError> {
        let (id, epoch) = (self.take_id(), self.epoch);
        let moved = Mutex::new(Instant::now());
        let touch = || *moved.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Instant::now();
        let (answered, mut done) = tokio::sync::watch::channel(false);
        let (reader, writer) = (&mut self.reader, &mut self.writer);
        let sending = async {
            send(writer, epoch, ToGuest { id, body: Body::Ask { request } }).await?;
            let mut source = Ok(());
            let streamed = upload.is_some();
            let mut upload = upload;
            loop {
                // A request that failed takes no more; the stream is still to be ended properly.
                let chunk = tokio::select! {
                    biased;
                    () = is_true(&mut done) => break,
                    chunk = next(&mut upload) => chunk,
                };
                match chunk {
                    None => break,
                    Some(Ok(Chunk::Resize(rows, columns))) => {
                        send(writer, epoch, ToGuest { id, body: Body::Resize { rows, columns } }).await?;
                    }
                    Some(Ok(Chunk::Bytes(chunk))) => {
                        for piece in chunk.chunks(CHUNK) {
                            let bytes = Bytes(piece.to_vec());
                            send(writer, epoch, ToGuest { id, body: Body::Data { bytes } }).await?;
                            touch();
                        }
                    }
                    Some(Err(error)) => {
                        source = Err(ChannelError::Source(error));
                        break;
                    }
                }
            }
            if streamed {
                send(writer, epoch, ToGuest { id, body: Body::End }).await?;
            }
            if let Patience::Command { limit, .. } = patience {
                // By the clock of the host: a guest's may run wild on a busy one.
                tokio::select! {
                    () = tokio::time::sleep(limit) => send(writer, epoch, ToGuest { id, body: Body::Cancel }).await?,
                    () = is_true(&mut done) => {}
                }
            }
            source
        };
        let receiving = async {
            loop {
                let (of, message) = reader.either(epoch, epoch + 1).await?;
                touch();
                if let Some(error) = replaced(&message, of == epoch) {
                    return Err(error);
                }
                if message.id != id {
                    return Err(ChannelError::Nonsense("an answer to another question".into()));
                }
                match message.reply {
                    Reply::Done { result } => return Ok(Ok(result)),
                    Reply::Failed { reason, errno } => {
                        return Ok(Err(ChannelError::Refused { reason, errno }));
                    }
                    other => take(other)?,
                }
            }
        };
        let watching = async {
            let started = Instant::now();
            loop {
                let (since, limit) = match patience {
                    Patience::Endless => return std::future::pending().await,
                    Patience::Idle(limit) => {
                        (*moved.lock().unwrap_or_else(std::sync::PoisonError::into_inner), limit)
                    }
                    Patience::Command { limit, grace } => (started, limit + grace),
                };
                match limit.checked_sub(since.elapsed()) {
                    Some(rest) if !rest.is_zero() => tokio::time::sleep(rest).await,
                    _ => return limit,
                }
            }
        };
        let both = async {
            let receiving = async {
                let received = receiving.await;
                // Whatever came of it: nothing more is to be sent.
                answered.send_replace(true);
                received
            };
            // An agent that talks nonsense may have stopped listening too: it is not waited for.
            let (sent, received) = tokio::try_join!(async { Ok(sending.await) }, receiving)?;
            // The agent's own reason tells more than a stream that it stopped taking.
            match (sent, received) {
                (Err(error), Ok(_)) => Err(error),
                (_, received) => received,
            }
        };
        tokio::select! {
            result = both => result,
            limit = watching => Err(ChannelError::Silent(limit)),
        }
    }

    fn take_id(&mut self) -> u32 {
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        id
    }
}

/// What it means that another agent says hello: in the epoch of the one that was asked, or in the next.
fn replaced(message: &FromGuest, same_epoch: bool) -> Option<ChannelError> {
    match &message.reply {
        Reply::Hello { stage: AgentStage::AfterShutdown, verb, .. } if !same_epoch => {
            Some(ChannelError::Replaced(Some(verb.clone())))
        }
        Reply::Hello { stage: AgentStage::Booted, .. } if same_epoch && message.id == 0 => {
            Some(ChannelError::Replaced(None))
        }
        _ if !same_epoch => Some(ChannelError::Nonsense("an agent that does not say hello".into())),
        _ => None,
    }
}

/// Replies that none of ours sends to a request like this. Taken silently, they would keep a
/// conversation alive for ever.
pub(super) fn unasked(reply: Reply) -> Result<(), ChannelError> {
    let what = match reply {
        Reply::Hello { .. } => "greets in the middle of a conversation",
        Reply::Data { .. } => "sends data that nobody asked for",
        Reply::Output { .. } => "sends output of a command that nobody ran",
        Reply::Done { .. } | Reply::Failed { .. } => "answers twice",
    };
    Err(ChannelError::Nonsense(format!("an agent that {what}")))
}

/// The data of an answer, never more of it than was asked for.
#[derive(Debug)]
pub(super) struct Collected {
    pub(super) content: Vec<u8>,
    most: u64,
}

impl Collected {
    /// At most `most` bytes.
    pub(super) const fn new(most: u64) -> Self {
        Self { content: Vec::new(), most }
    }

    pub(super) fn take(&mut self, reply: Reply) -> Result<(), ChannelError> {
        let Reply::Data { bytes: Bytes(bytes) } = reply else { return unasked(reply) };
        if bytes.is_empty() {
            return Err(ChannelError::Nonsense("an agent that sends pieces of nothing".into()));
        }
        if (self.content.len() + bytes.len()) as u64 > self.most {
            return Err(ChannelError::Nonsense("more data than was asked for".into()));
        }
        self.content.extend_from_slice(&bytes);
        Ok(())
    }
}

/// How long a conversation may take.
#[derive(Debug, Clone, Copy)]
pub(super) enum Patience {
    /// Since something last moved.
    Idle(Duration),
    /// From its start: after `limit` the command is cancelled, after `grace` more the agent is
    /// given up.
    Command { limit: Duration, grace: Duration },
    /// As long as a person likes.
    Endless,
}

/// Waits until the value is true; its lock is not held by then.
async fn is_true(value: &mut tokio::sync::watch::Receiver<bool>) {
    let _ = value.wait_for(|&value| value).await;
}

async fn next(upload: &mut Option<Upload>) -> Option<io::Result<Chunk>> {
    upload.as_mut()?.recv().await
}

async fn send(writer: &mut OwnedWriteHalf, epoch: u32, message: ToGuest) -> Result<(), ChannelError> {
    let mut bytes = Vec::new();
    frame::encode(epoch, &mut bytes, |out| message.put(out))
        .map_err(|_| ChannelError::Source(io::Error::other("a request that is too long for one message")))?;
    writer.write_all(&bytes).await.map_err(|_| ChannelError::Closed)
}

#[cfg(test)]
mod tests;
