//! [`Instance`] of the fake driver.

use std::io;
use std::path::Path;

use futures_util::FutureExt;
use tokio::net::UnixStream;
use tokio::sync::watch;

use super::super::{DriverError, End, Instance, Op};
use super::{Event, FakeDriver};

#[derive(Debug)]
pub(super) struct FakeInstance {
    driver: FakeDriver,
    console: Option<UnixStream>,
    off: watch::Sender<bool>,
}

impl FakeInstance {
    pub(super) fn new(driver: FakeDriver) -> Result<Self, DriverError> {
        let failed = |source| DriverError::Host { doing: "make a socket".to_owned(), source };
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        let off = watch::Sender::new(false);
        let mut ended = off.subscribe();
        tokio::spawn(async move {
            let (mut typed, mut shown) = ours.into_split();
            tokio::select! {
                _ = tokio::io::copy(&mut typed, &mut shown) => {}
                _ = ended.wait_for(|off| *off) => {}
            }
        });
        Ok(Self { driver, console: Some(theirs), off })
    }
}

impl Instance for FakeInstance {
    fn console(&mut self) -> Option<UnixStream> {
        self.console.take()
    }

    fn ended(&mut self) -> Op<'_, End> {
        async {
            // The sender is this machine's own, so there is an answer.
            let _ = self.off.subscribe().wait_for(|off| *off).await;
            Ok(End::PoweredOff)
        }
        .boxed()
    }

    fn press_power_button(&mut self) -> Op<'_, ()> {
        async {
            self.driver.happen(Event::PowerOff).await?;
            self.off.send_replace(true);
            Ok(())
        }
        .boxed()
    }

    fn screenshot<'a>(&'a mut self, to: &'a Path) -> Op<'a, ()> {
        let failed = |source: io::Error| DriverError::Host { doing: "take a picture".to_owned(), source };
        async move { std::fs::write(to, b"\x89PNG\r\n\x1a\n").map_err(failed) }.boxed()
    }
}

impl Drop for FakeInstance {
    fn drop(&mut self) {
        if !*self.off.borrow() {
            self.driver.script().events.push(Event::Killed);
        }
    }
}
