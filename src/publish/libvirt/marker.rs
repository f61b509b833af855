//! A small volume that stands beside one that is being sent: who finds it knows that the other is not whole.

use std::{path::Path, time::Duration};

use crate::driver::virsh::{Virsh, option};

/// What its name adds to that of the volume.
pub const ENDING: &str = ".imgfile-sending";
/// Its bytes.
const SIZE: usize = 64;
/// Ctrl-C is to end a command within two seconds: so long may each word take that clears up.
const CLEAR: Duration = Duration::from_millis(600);

/// What it holds: this boot of this host, and the process.
#[must_use]
pub fn content(process: u32) -> Vec<u8> {
    let mut text = format!("{} {process}", boot()).into_bytes();
    text.resize(SIZE, b'\n');
    text
}

/// What is known of who wrote one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// A process of this host that is no more.
    Gone,
    /// One that is there still.
    Works,
    /// Of another host, or of one that was booted since: nobody here can say.
    Elsewhere,
}

/// Who wrote a marker.
#[must_use]
pub fn sender(content: &[u8]) -> Sender {
    let text = String::from_utf8_lossy(content);
    let mut words = text.split_whitespace();
    let (on, process) = (words.next().unwrap_or_default(), words.next());
    match process.and_then(|process| process.parse::<u32>().ok()) {
        Some(process) if on == boot() => {
            if Path::new(&format!("/proc/{process}")).exists() {
                Sender::Works
            } else {
                Sender::Gone
            }
        }
        _ => Sender::Elsewhere,
    }
}

/// Names this host until it is booted again.
fn boot() -> String {
    let read = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    read.trim().replace('-', "")
}

/// A volume that is being sent, and its marker: dropped before it is whole, both go.
#[derive(Debug)]
pub struct HalfSent<'a> {
    pub virsh: &'a Virsh,
    pub pool: &'a str,
    pub volume: &'a str,
    /// The volume itself may be there, and is not whole.
    pub is_begun: bool,
}

impl HalfSent<'_> {
    fn remove(&self, volume: &str) -> bool {
        let words = ["vol-delete", &option("pool", self.pool), &option("vol", volume)];
        self.virsh.run(&words, CLEAR, None).is_ok()
    }
}

impl Drop for HalfSent<'_> {
    fn drop(&mut self) {
        // A marker that stays tells the next one; what it stands beside has to go first.
        if !self.is_begun || (0..2).any(|_| self.remove(self.volume)) {
            self.remove(&format!("{}{ENDING}", self.volume));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_tells_whether_its_sender_works() {
        assert_eq!(content(1).len(), SIZE);
        assert_eq!(content(u32::MAX).len(), SIZE);
        assert_eq!(sender(&content(std::process::id())), Sender::Works);
        assert_eq!(sender(&content(u32::MAX)), Sender::Gone);
        assert_eq!(sender(b"another 1\n"), Sender::Elsewhere);
        assert_eq!(sender(b""), Sender::Elsewhere);
    }
}
