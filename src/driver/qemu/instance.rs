//! An image that runs with nothing of ours in it: QEMU, its monitor, and the serial line.

use std::path::Path;

use futures_util::FutureExt;
use serde_json::json;
use tokio::net::UnixStream;

use super::super::{DriverError, End, Instance, Op};
use super::console::tail;
use super::qmp::{Observed, Qmp};
use crate::cell::Process;

/// A running instance of the QEMU driver.
#[derive(Debug)]
pub(super) struct QemuInstance {
    process: Process,
    qmp: Qmp,
    console: Option<UnixStream>,
    /// Where QEMU's own complaints go.
    stderr: std::path::PathBuf,
}

impl QemuInstance {
    pub(super) const fn new(
        process: Process,
        qmp: Qmp,
        console: UnixStream,
        stderr: std::path::PathBuf,
    ) -> Self {
        Self { process, qmp, console: Some(console), stderr }
    }

    /// Waits until its network leads to the world outside, and what is published leads to it.
    pub(super) async fn connected(&mut self) -> Result<(), DriverError> {
        let doing = "connect the machine with the network".to_owned();
        self.process.connected().await.map_err(|source| DriverError::Host { doing, source })
    }

    async fn execute(
        &mut self,
        doing: &str,
        command: &str,
        arguments: serde_json::Value,
    ) -> Result<(), DriverError> {
        self.qmp.execute(command, arguments).await.map_err(|reason| DriverError::Host {
            doing: doing.to_owned(),
            source: std::io::Error::other(reason),
        })
    }

    async fn wait(&mut self) -> Result<End, DriverError> {
        let mut observed = self.qmp.observed();
        let seen = observed.wait_for(Observed::is_end).await.map(|seen| seen.clone()).unwrap_or_default();
        let ended = |source| DriverError::Host { doing: "wait for the machine".to_owned(), source };
        if seen.disk_full {
            self.process.kill();
            return Err(DriverError::HostFull);
        }
        if seen.disk_error.is_some() {
            self.process.kill();
        }
        let status = self.process.wait().await.map_err(ended)?;
        // Its last words may have come after what was seen first.
        let shutdown = self.qmp.observed().borrow().shutdown.clone().or(seen.shutdown);
        Ok(match shutdown.as_deref() {
            Some("guest-shutdown") => End::PoweredOff,
            Some("guest-panic") => End::Panicked,
            _ => {
                let stderr = seen.disk_error.unwrap_or_else(|| tail(&self.stderr));
                End::EmulatorDied { status: status.to_string(), stderr }
            }
        })
    }
}

impl Instance for QemuInstance {
    fn console(&mut self) -> Option<UnixStream> {
        self.console.take()
    }

    fn ended(&mut self) -> Op<'_, End> {
        self.wait().boxed()
    }

    fn press_power_button(&mut self) -> Op<'_, ()> {
        self.execute("press the power button", "system_powerdown", json!({})).boxed()
    }

    fn screenshot<'a>(&'a mut self, to: &'a Path) -> Op<'a, ()> {
        let arguments = json!({ "filename": to, "format": "png" });
        self.execute("take a picture of the screen", "screendump", arguments).boxed()
    }
}
