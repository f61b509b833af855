//! The host against an agent that lies: whatever it sends, a conversation ends, with a reason, and
//! little of it is kept.

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use imgfile_agent::protocol::frame::{HEADER, MAGIC, MAX_PAYLOAD};

use super::*;

/// A time within which an agent that says nothing is given up.
const SHORT: Duration = Duration::from_millis(20);
/// Longer than any test may take: what ends earlier does not end because of it.
const LONG: Duration = Duration::from_hours(1);
/// Of the agent that the host talks to.
const EPOCH: u32 = 7;

fn channel() -> (Channel, UnixStream) {
    let (host, guest) = UnixStream::pair().unwrap();
    let mut channel = Channel::new(host);
    channel.epoch = EPOCH;
    (channel, guest)
}

fn frame(epoch: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::encode(epoch, &mut bytes, |out| out.extend_from_slice(payload)).unwrap();
    bytes
}

/// A reply to the first request of a channel.
fn reply(reply: Reply) -> Vec<u8> {
    let mut payload = Vec::new();
    FromGuest { id: 1, reply }.put(&mut payload);
    frame(EPOCH, &payload)
}

fn done() -> Vec<u8> {
    reply(Reply::Done { result: Answer::Nothing })
}

fn hello(version: u32) -> Vec<u8> {
    reply(Reply::Hello { version, stage: AgentStage::Initramfs, kernel: "6.12".into(), verb: String::new() })
}

fn data(bytes: &[u8]) -> Vec<u8> {
    reply(Reply::Data { bytes: Bytes(bytes.to_vec()) })
}

fn words(result: Result<Answer, ChannelError>) -> String {
    match result {
        Ok(answer) => format!("{answer:?}"),
        Err(ChannelError::Nonsense(words)) => words,
        Err(other) => format!("{other:?}"),
    }
}

/// Asks an agent that says this whatever it is asked, and then listens for ever.
async fn ask(said: &[u8]) -> String {
    let (mut channel, mut guest) = channel();
    guest.write_all(said).await.unwrap();
    words(channel.ask(Request::Trim, LONG).await)
}

/// Asks an agent that says this again and again, for as long as anybody listens.
async fn ask_flood(said: Vec<u8>, patience: Duration) -> (String, usize) {
    let (mut channel, mut guest) = channel();
    let flood = tokio::spawn(async move { while guest.write_all(&said).await.is_ok() {} });
    let words = words(channel.ask(Request::Trim, patience).await);
    let held = channel.reader.decoder.held();
    drop(channel);
    flood.await.unwrap();
    (words, held)
}

#[tokio::test]
async fn an_honest_agent_is_understood() {
    assert_eq!(ask(&done()).await, "Nothing");
    let failed = reply(Reply::Failed { reason: "no".into(), errno: 2 });
    assert_eq!(ask(&failed).await, "Refused { reason: \"no\", errno: 2 }");
}

#[tokio::test]
async fn what_is_no_message_is_nonsense() {
    assert_eq!(ask(&frame(EPOCH, b"")).await, "malformed message");
    assert_eq!(ask(&frame(EPOCH, &[0xff; 100])).await, "malformed message");
    // A message, and one byte more.
    let mut payload = Vec::new();
    FromGuest { id: 1, reply: Reply::Done { result: Answer::Nothing } }.put(&mut payload);
    payload.push(0);
    assert_eq!(ask(&frame(EPOCH, &payload)).await, "malformed message");
}

#[tokio::test]
async fn an_absurd_length_inside_a_message_allocates_nothing() {
    // Id 1, `Done`, `Entries`, four billion of them; and `Data` of four billion bytes.
    for payload in [&[1, 0, 0, 0, 3, 4, 255, 255, 255, 255][..], &[1, 0, 0, 0, 1, 255, 255, 255, 255][..]] {
        assert_eq!(ask(&frame(EPOCH, payload)).await, "malformed message");
    }
}

#[tokio::test]
async fn a_frame_of_absurd_length_is_noise() {
    // The header of a frame that would hold four billion bytes, and what is true after it.
    let mut header = frame(EPOCH, b"");
    header[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(ask(&[header, done()].concat()).await, "Nothing");
}

#[tokio::test]
async fn replies_that_do_not_belong_end_the_conversation() {
    let output = reply(Reply::Output { error: false, bytes: Bytes(b"x".to_vec()) });
    for (said, expected) in [
        (data(b"x"), "an agent that sends data that nobody asked for"),
        (output, "an agent that sends output of a command that nobody ran"),
        (hello(VERSION), "an agent that greets in the middle of a conversation"),
    ] {
        assert_eq!(ask(&[said, done()].concat()).await, expected);
    }
    let mut other = Vec::new();
    FromGuest { id: 2, reply: Reply::Done { result: Answer::Nothing } }.put(&mut other);
    assert_eq!(ask(&frame(EPOCH, &other)).await, "an answer to another question");
}

#[tokio::test]
async fn another_agent_in_the_middle_of_a_conversation_ends_it_with_what_it_says() {
    let hello = |epoch: u32, stage: AgentStage, verb: &str| {
        let mut payload = Vec::new();
        let reply = Reply::Hello { version: VERSION, stage, kernel: "6.12".into(), verb: verb.into() };
        FromGuest { id: 0, reply }.put(&mut payload);
        frame(epoch, &payload)
    };
    let after = hello(EPOCH + 1, AgentStage::AfterShutdown, "reboot");
    assert_eq!(ask(&after).await, "Replaced(Some(\"reboot\"))");
    assert_eq!(ask(&hello(EPOCH, AgentStage::Booted, "")).await, "Replaced(None)");
    let odd = "an agent that does not say hello";
    assert_eq!(ask(&hello(EPOCH + 1, AgentStage::Booted, "")).await, odd);
}

#[tokio::test]
async fn a_flood_of_noise_is_given_up_and_not_kept() {
    let (words, held) = ask_flood(vec![b'y'; 1 << 16], LONG).await;
    assert_eq!(words, "a flood of noise on the channel to the agent");
    assert!(held <= BOUND, "{held}");
}

#[tokio::test]
async fn a_flood_of_frames_of_another_epoch_is_silence_and_not_kept() {
    let (words, held) = ask_flood(frame(EPOCH - 1, &vec![0; MAX_PAYLOAD]), SHORT).await;
    assert_eq!(words, format!("Silent({SHORT:?})"));
    assert!(held <= BOUND, "{held}");
}

/// A frame waiting for its end, one being taken, what a read brings; doubled, as a vector grows.
const BOUND: usize = 2 * (2 * (HEADER + MAX_PAYLOAD) + 2 * CHUNK);

#[tokio::test]
async fn a_frame_without_an_end_is_silence() {
    let (mut channel, mut guest) = channel();
    guest.write_all(&frame(EPOCH, &[0; 1000])[..500]).await.unwrap();
    assert_eq!(words(channel.ask(Request::Trim, SHORT).await), format!("Silent({SHORT:?})"));
}

#[tokio::test]
async fn silence_ends_every_kind_of_waiting() {
    let silent = format!("Silent({SHORT:?})");
    let (mut channel, _guest) = channel();
    assert_eq!(words(channel.ask(Request::Trim, SHORT).await), silent);
    assert!(matches!(channel.hello(EPOCH + 1, SHORT).await, Err(ChannelError::Silent(SHORT))));
    assert!(matches!(
        channel.hand_over(Request::Shutdown, EPOCH + 1, SHORT).await,
        Err(ChannelError::Silent(SHORT))
    ));
    // A command that is told to stop, and whose agent does not.
    let patience = Patience::Command { limit: SHORT, grace: Duration::ZERO };
    assert_eq!(words(channel.converse(Request::Trim, None, patience, &mut unasked).await), silent);
    // An agent that takes nothing of what it is sent.
    let (sender, upload) = tokio::sync::mpsc::channel(1);
    let endless =
        tokio::spawn(async move { while sender.send(Ok(Chunk::Bytes(vec![0; CHUNK]))).await.is_ok() {} });
    let patience = Patience::Idle(SHORT);
    assert_eq!(words(channel.converse(Request::Put, Some(upload), patience, &mut unasked).await), silent);
    endless.await.unwrap();
}

#[tokio::test]
async fn an_agent_that_talks_nonsense_and_does_not_listen_is_not_waited_for() {
    let (mut channel, mut guest) = channel();
    guest.write_all(&frame(EPOCH, b"nonsense")).await.unwrap();
    let (sender, upload) = tokio::sync::mpsc::channel(1);
    let endless =
        tokio::spawn(async move { while sender.send(Ok(Chunk::Bytes(vec![0; CHUNK]))).await.is_ok() {} });
    let answer = channel.converse(Request::Put, Some(upload), Patience::Idle(LONG), &mut unasked).await;
    assert_eq!(words(answer), "malformed message");
    endless.await.unwrap();
}

#[tokio::test]
async fn a_line_that_closes_says_so_wherever_it_was() {
    for said in
        [Vec::new(), frame(EPOCH, &[0; 1000])[..HEADER].to_vec(), MAGIC.to_vec(), data(b"x")[..20].to_vec()]
    {
        let (mut channel, mut guest) = channel();
        guest.write_all(&said).await.unwrap();
        drop(guest);
        assert_eq!(words(channel.ask(Request::Trim, LONG).await), "Closed");
    }
    // In the middle of what is streamed to it.
    let (mut channel, mut guest) = channel();
    let (sender, upload) = tokio::sync::mpsc::channel(1);
    let endless =
        tokio::spawn(async move { while sender.send(Ok(Chunk::Bytes(vec![0; CHUNK]))).await.is_ok() {} });
    let listener = tokio::spawn(async move { guest.read_exact(&mut vec![0; 10 * CHUNK]).await.map(|_| ()) });
    let answer = channel.converse(Request::Put, Some(upload), Patience::Idle(LONG), &mut unasked).await;
    assert_eq!(words(answer), "Closed");
    listener.await.unwrap().unwrap();
    endless.await.unwrap();
}

#[tokio::test]
async fn only_a_greeting_of_this_version_begins_a_line() {
    for (said, expected) in [
        (hello(VERSION + 1), format!("an agent of protocol version {}, not {VERSION}", VERSION + 1)),
        (done(), "an agent that does not say hello".to_owned()),
        (frame(EPOCH, b"\xff"), "malformed message".to_owned()),
    ] {
        let (mut channel, mut guest) = channel();
        guest.write_all(&said).await.unwrap();
        match channel.hello(EPOCH, LONG).await {
            Err(ChannelError::Nonsense(words)) => assert_eq!(words, expected),
            other => panic!("{other:?}"),
        }
    }
    // What an agent before it left on the channel is passed over.
    let (mut channel, mut guest) = channel();
    guest.write_all(&[&frame(EPOCH - 1, b"old")[..], &hello(VERSION)[..]].concat()).await.unwrap();
    assert_eq!(channel.hello(EPOCH, LONG).await.unwrap(), AgentStage::Initramfs);
}

#[tokio::test]
async fn data_is_taken_up_to_what_was_asked_for() {
    for (said, expected) in [
        (vec![data(b"four"), done()], "Nothing"),
        (vec![data(b"four"), data(b"!"), done()], "more data than was asked for"),
        (vec![data(b""), done()], "an agent that sends pieces of nothing"),
        (vec![hello(VERSION)], "an agent that greets in the middle of a conversation"),
    ] {
        let (mut channel, mut guest) = channel();
        guest.write_all(&said.concat()).await.unwrap();
        let mut collected = Collected::new(4);
        let answer = channel
            .converse(Request::Trim, None, Patience::Idle(LONG), &mut |reply| collected.take(reply))
            .await;
        assert_eq!(words(answer), expected);
        assert!(collected.content.len() <= 4);
    }
}

proptest! {
    /// Frames with any content, noise, and halves of frames, in any order; then the channel closes.
    #[test]
    fn whatever_is_said_the_conversation_ends(pieces in proptest::collection::vec(piece(), 0..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let said = pieces.concat();
        runtime.block_on(async {
            let (mut channel, mut guest) = channel();
            let speaking = async move {
                let _ = guest.write_all(&said).await;
            };
            let mut collected = Collected::new(100);
            let mut take = |reply| collected.take(reply);
            let asking = channel.converse(Request::Trim, None, Patience::Idle(LONG), &mut take);
            let ((), _answer) = tokio::join!(speaking, asking);
            assert!(collected.content.len() <= 100 && channel.reader.decoder.held() <= BOUND);
        });
    }
}

fn piece() -> impl Strategy<Value = Vec<u8>> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..200);
    let message =
        (Just([1, 0, 0, 0]), bytes()).prop_map(|(id, rest)| frame(EPOCH, &[&id[..], &rest].concat()));
    prop_oneof![
        bytes(),
        bytes().prop_map(|payload| frame(EPOCH, &payload)),
        bytes().prop_map(|payload| frame(EPOCH + 1, &payload)),
        message,
        bytes().prop_map(|payload| data(&payload)),
        (bytes(), any::<prop::sample::Index>()).prop_map(|(payload, at)| {
            let whole = frame(EPOCH, &payload);
            whole[..at.index(whole.len())].to_vec()
        }),
    ]
}
