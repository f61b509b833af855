//! The agent's end of the channel to the host: a virtio-serial port, found by its name.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use imgfile_agent::protocol::PORT_NAME;
use imgfile_agent::protocol::frame::{self, Decoder};
use imgfile_agent::protocol::message::{FromGuest, Reply, ToGuest};
use imgfile_agent::protocol::wire::{Bytes, Wire};

use crate::error::{AgentError, At, Result};

/// The port's writing end; messages of several threads go out whole.
#[derive(Clone)]
pub struct Port {
    writer: Arc<Mutex<Writer>>,
}

struct Writer {
    file: File,
    epoch: u32,
    buffer: Vec<u8>,
}

/// Opens the port for an agent of `epoch`; the second value is the reading end.
pub fn open(epoch: u32) -> Result<(Port, Incoming)> {
    let file = find()?;
    let reader = file.try_clone()?;
    let writer = Writer { file, epoch, buffer: Vec::with_capacity(frame::CHUNK + 256) };
    let incoming =
        Incoming { file: reader, epoch, decoder: Decoder::default(), buffer: vec![0; frame::CHUNK] };
    Ok((Port { writer: Arc::new(Mutex::new(writer)) }, incoming))
}

fn find() -> Result<File> {
    // A driver that is a module, or a udev that is busy, may bring the port late: ten seconds.
    for _ in 0..1000 {
        for entry in fs::read_dir("/sys/class/virtio-ports").into_iter().flatten().flatten() {
            let named =
                fs::read_to_string(entry.path().join("name")).is_ok_and(|name| name.trim_end() == PORT_NAME);
            if named {
                let path = std::path::Path::new("/dev").join(entry.file_name());
                if let Ok(file) = OpenOptions::new().read(true).write(true).open(&path) {
                    return Ok(file);
                }
            }
        }
        thread::sleep(Duration::from_millis(10));
    }
    Err(AgentError::new("there is no virtio-serial port to the host")).at(PORT_NAME)
}

impl Port {
    /// Sends one message; only a host that is gone makes it fail.
    pub fn send(&self, id: u32, reply: Reply) -> io::Result<()> {
        self.write(|out| FromGuest { id, reply }.put(out))
    }

    /// Sends a piece of content, at most [`frame::CHUNK`] bytes.
    pub fn data(&self, id: u32, bytes: Vec<u8>) -> io::Result<()> {
        self.send(id, Reply::Data { bytes: Bytes(bytes) })
    }

    fn write(&self, put: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let Writer { file, epoch, buffer } = &mut *writer;
        buffer.clear();
        frame::encode(*epoch, buffer, put).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        file.write_all(buffer)
    }
}

/// The port's reading end.
pub struct Incoming {
    file: File,
    epoch: u32,
    decoder: Decoder,
    buffer: Vec<u8>,
}

impl Incoming {
    /// The next message of this epoch; what is not one is dropped.
    pub fn next_message(&mut self) -> io::Result<ToGuest> {
        loop {
            while let Some((epoch, payload)) = self.decoder.next_frame() {
                if epoch == self.epoch
                    && let Ok(message) = ToGuest::read(payload)
                {
                    return Ok(message);
                }
            }
            match self.file.read(&mut self.buffer) {
                // The host's end is closed: it is gone, or not there yet.
                Ok(0) => thread::sleep(Duration::from_millis(50)),
                Ok(len) => self.decoder.feed(&self.buffer[..len]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
