//! Messages in a byte stream.
//!
//! A frame is 16 bytes of header and a payload: magic, epoch, payload length, and a check of the
//! two, all `u32` little-endian. Every agent (the one in the initramfs, the one in the booted
//! system, the one after it) speaks in an epoch of its own; frames of another epoch are leftovers
//! and dropped. A reader that lost its place looks for the next header whose check holds.

/// Start of every frame; no valid UTF-8, so no text on the line can look like one.
pub const MAGIC: [u8; 4] = [0xf1, b'i', b'm', 0xfe];
/// Bytes of a header.
pub const HEADER: usize = 16;
/// Longest payload in bytes.
pub const MAX_PAYLOAD: usize = 256 * 1024;
/// How many bytes of file content or output one message carries at most.
pub const CHUNK: usize = 64 * 1024;

/// A message that does not fit into a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

fn check(epoch: u32, len: u32) -> u32 {
    // Two rounds of a multiplicative hash: not against malice (which may write whole valid frames
    // anyway), only against taking noise for a header.
    let mixed = (epoch ^ 0x9e37_79b9).wrapping_mul(0x85eb_ca6b) ^ len.rotate_left(16);
    mixed.wrapping_mul(0xc2b2_ae35) ^ (mixed >> 15)
}

/// Appends a frame whose payload `write` appends.
pub fn encode(epoch: u32, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), TooLong> {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER]);
    write(out);
    let len = out.len() - start - HEADER;
    let Some(len32) = u32::try_from(len).ok().filter(|_| len <= MAX_PAYLOAD) else {
        out.truncate(start);
        return Err(TooLong);
    };
    let header = &mut out[start..start + HEADER];
    header[..4].copy_from_slice(&MAGIC);
    header[4..8].copy_from_slice(&epoch.to_le_bytes());
    header[8..12].copy_from_slice(&len32.to_le_bytes());
    header[12..].copy_from_slice(&check(epoch, len32).to_le_bytes());
    Ok(())
}

/// Finds frames in whatever arrives; holds at most one frame and one read.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    start: usize,
    /// Bytes thrown away while looking for a header.
    skipped: u64,
}

impl Decoder {
    /// Takes in what was read.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        } else if self.start >= HEADER + MAX_PAYLOAD {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame: its epoch and payload.
    pub fn next_frame(&mut self) -> Option<(u32, &[u8])> {
        let (epoch, len) = loop {
            let rest = &self.buffer[self.start..];
            if rest.len() < HEADER {
                // What cannot become a header is dropped at once, so noise is never kept.
                let keep = (0..rest.len()).find(|&at| MAGIC.starts_with(&rest[at..(at + 4).min(rest.len())]));
                self.skip(keep.unwrap_or(rest.len()));
                return None;
            }
            if let Some(found) = header(rest) {
                break found;
            }
            let next = rest[1..].iter().position(|&byte| byte == MAGIC[0]);
            self.skip(next.map_or(rest.len(), |at| at + 1));
        };
        let from = self.start + HEADER;
        let payload = self.buffer.get(from..from + len)?;
        self.start = from + len;
        Some((epoch, payload))
    }

    /// How many bytes belonged to no frame so far.
    #[must_use]
    pub const fn skipped(&self) -> u64 {
        self.skipped
    }

    /// How many bytes of memory it takes.
    #[must_use]
    pub fn held(&self) -> usize {
        self.buffer.capacity()
    }

    fn skip(&mut self, bytes: usize) {
        self.start += bytes;
        self.skipped += bytes as u64;
    }
}

fn header(bytes: &[u8]) -> Option<(u32, usize)> {
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let (epoch, len) = (word(4)?, word(8)?);
    let sound = bytes.starts_with(&MAGIC) && word(12)? == check(epoch, len) && len as usize <= MAX_PAYLOAD;
    sound.then_some((epoch, len as usize))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What can be on a line that was handed from one writer to another.
    #[derive(Debug, Clone)]
    enum Piece {
        Frame(Vec<u8>),
        /// The end of a frame whose beginning was lost.
        Tail(Vec<u8>, usize),
        /// The beginning of a frame whose end was lost: a header, and less than it promises.
        Head(Vec<u8>, usize),
        Noise(Vec<u8>),
    }

    fn pieces() -> impl Strategy<Value = Vec<Piece>> {
        let payload = || proptest::collection::vec(any::<u8>(), 0..40);
        // Rich in what looks like the beginning of a header.
        let noise = proptest::collection::vec(
            prop_oneof![Just(MAGIC.to_vec()), Just(MAGIC[..3].to_vec()), payload()],
            0..6,
        );
        let piece = prop_oneof![
            payload().prop_map(Piece::Frame),
            (payload(), 1..HEADER).prop_map(|(payload, lost)| Piece::Tail(payload, lost)),
            (payload(), any::<prop::sample::Index>())
                .prop_filter("there must be something to lose", |(payload, _)| !payload.is_empty())
                .prop_map(|(payload, kept)| {
                    let kept = kept.index(payload.len());
                    Piece::Head(payload, kept)
                }),
            noise.prop_map(|noise| Piece::Noise(noise.concat())),
        ];
        proptest::collection::vec(piece, 0..20)
    }

    proptest! {
        /// Noise and lost beginnings (of an epoch before) cost nothing but themselves. A lost end costs what its header
        /// promised: frames that begin within that are lost with it, and the next one is found.
        #[test]
        fn every_whole_frame_outside_of_a_torn_one_is_found(pieces in pieces(), cut in 1usize..200) {
            let mut stream = Vec::new();
            let mut frames = Vec::new();
            let mut torn_until = 0;
            for piece in &pieces {
                let start = stream.len();
                match piece {
                    Piece::Noise(noise) => stream.extend_from_slice(noise),
                    Piece::Tail(payload, lost) => stream.extend_from_slice(&frame(9, payload)[*lost..]),
                    Piece::Frame(payload) => {
                        stream.extend_from_slice(&frame(1, payload));
                        if start >= torn_until {
                            frames.push(payload.clone());
                        }
                    }
                    Piece::Head(payload, kept) => {
                        stream.extend_from_slice(&frame(9, payload)[..HEADER + kept]);
                        if start >= torn_until {
                            torn_until = start + HEADER + payload.len();
                        }
                    }
                }
            }
            let mut decoder = Decoder::default();
            let mut seen = Vec::new();
            for bytes in stream.chunks(cut) {
                decoder.feed(bytes);
                seen.extend(all(&mut decoder).into_iter().filter(|(epoch, _)| *epoch == 1));
            }
            let seen: Vec<_> = seen.into_iter().map(|(_, payload)| payload).collect();
            prop_assert_eq!(seen, frames);
        }

        #[test]
        fn what_is_held_is_bounded_whatever_comes(
            pieces in proptest::collection::vec((0usize..3, any::<u8>()), 1..40)
        ) {
            let mut decoder = Decoder::default();
            for (kind, byte) in pieces {
                let bytes = match kind {
                    0 => vec![byte; CHUNK],
                    1 => frame(u32::from(byte), &vec![byte; MAX_PAYLOAD]),
                    _ => frame(u32::from(byte), &vec![byte; MAX_PAYLOAD])[..CHUNK].to_vec(),
                };
                for bytes in bytes.chunks(CHUNK) {
                    decoder.feed(bytes);
                    while decoder.next_frame().is_some() {}
                }
            }
            // A frame that was taken, one that is not whole yet, a read; a vector grows by doubling.
            let bound = 2 * (2 * (HEADER + MAX_PAYLOAD) + CHUNK);
            prop_assert!(decoder.held() <= bound, "{} of {}", decoder.held(), bound);
        }
    }

    fn frame(epoch: u32, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        encode(epoch, &mut out, |out| out.extend_from_slice(payload)).unwrap();
        out
    }

    fn all(decoder: &mut Decoder) -> Vec<(u32, Vec<u8>)> {
        std::iter::from_fn(|| decoder.next_frame().map(|(epoch, payload)| (epoch, payload.to_vec())))
            .collect()
    }

    #[test]
    fn frames_arrive_whole_however_the_stream_is_cut() {
        let stream = [frame(1, b"one"), frame(1, b""), frame(2, &vec![0xf1; 70_000])].concat();
        for cut in [1, 3, 15, 16, 17, 4096] {
            let mut decoder = Decoder::default();
            let mut seen = Vec::new();
            for piece in stream.chunks(cut) {
                decoder.feed(piece);
                seen.extend(all(&mut decoder));
            }
            assert_eq!(
                seen,
                [(1, b"one".to_vec()), (1, Vec::new()), (2, vec![0xf1; 70_000])],
                "cut at {cut}"
            );
            assert_eq!(decoder.skipped(), 0);
        }
    }

    #[test]
    fn a_torn_stream_is_found_again_at_the_next_frame() {
        let torn = &frame(1, b"lost")[7..];
        let mut decoder = Decoder::default();
        decoder.feed(&[torn, &MAGIC, b"noise", &frame(2, b"found")].concat());
        assert_eq!(all(&mut decoder), [(2, b"found".to_vec())]);
        assert!(decoder.skipped() > 0);
    }

    #[test]
    fn an_absurd_length_is_no_header() {
        let mut lie = frame(1, b"x");
        let len = u32::MAX;
        lie[8..12].copy_from_slice(&len.to_le_bytes());
        lie[12..16].copy_from_slice(&check(1, len).to_le_bytes());
        let mut decoder = Decoder::default();
        decoder.feed(&[lie, frame(1, b"true")].concat());
        assert_eq!(all(&mut decoder), [(1, b"true".to_vec())]);
    }

    #[test]
    fn a_flood_of_noise_is_not_kept() {
        let mut decoder = Decoder::default();
        for _ in 0..1000 {
            decoder.feed(&[b'y'; 4096]);
            assert_eq!(decoder.next_frame(), None);
        }
        assert!(decoder.held() <= 64 * 1024, "{}", decoder.held());
    }

    #[test]
    fn what_does_not_fit_is_refused_and_leaves_nothing() {
        let mut out = vec![7];
        assert_eq!(encode(1, &mut out, |out| out.resize(out.len() + MAX_PAYLOAD + 1, 0)), Err(TooLong));
        assert_eq!(out, [7]);
    }
}
