use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::oneshot;

use super::*;
use crate::cell::Cell;

/// Longer than any test may take: what ends earlier does not end because of it.
const LONG: Duration = Duration::from_hours(1);

/// A machine whose agent hangs up when it is asked something, and whose emulator says `event` a good while after that.
async fn hanging_up(event: &'static str) -> (tempfile::TempDir, Guest) {
    let folder = tempfile::tempdir().unwrap();
    let (line, mut agent) = UnixStream::pair().unwrap();
    let (monitor, emulator) = UnixStream::pair().unwrap();
    let (hung_up, after) = oneshot::channel();
    tokio::spawn(async move {
        let _ = agent.read(&mut [0; 4096]).await;
        drop(agent);
        let _ = hung_up.send(());
    });
    tokio::spawn(async move {
        let (half, mut writer) = emulator.into_split();
        let _ = BufReader::new(half).lines().next_line().await;
        writer.write_all(b"{\"return\": {}}\n").await.unwrap();
        let _ = after.await;
        // The host has its turn first, and sees a line that has ended and a machine that has not.
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        writer.write_all(event.as_bytes()).await.unwrap();
    });
    let process = Cell::new("true").start().unwrap();
    let files = Files { console: folder.path().join("console"), stderr: folder.path().join("stderr") };
    let qmp = Qmp::connect(monitor).await.unwrap();
    (folder, Guest::new(Line::new(line), qmp, process, files, LONG))
}

#[tokio::test]
async fn a_machine_that_is_asked_to_power_off_may_lose_its_line_before_its_power() {
    let event = "{\"event\": \"SHUTDOWN\", \"data\": {\"reason\": \"guest-shutdown\"}}\n";
    let (_folder, guest) = hanging_up(event).await;
    guest.power_off().await.unwrap();
}

#[tokio::test]
async fn a_machine_that_restarts_instead_of_powering_off_has_failed() {
    let event = "{\"event\": \"SHUTDOWN\", \"data\": {\"reason\": \"guest-reset\"}}\n";
    let (_folder, guest) = hanging_up(event).await;
    let fault = guest.power_off().await.unwrap_err();
    assert!(matches!(fault, DriverError::MachineEnded { end: End::Rebooted, .. }), "{fault:?}");
}

#[tokio::test(start_paused = true)]
async fn an_agent_is_given_up_when_no_other_comes_and_not_when_one_has_come() {
    let (observer, mut observed) = watch::channel(Observed::default());
    let gone = |gone| observer.send_modify(|observed| observed.agent_gone = gone);
    let is_given_up_within =
        async |observed: &mut _, within| tokio::time::timeout(within, abandoned(observed)).await.is_ok();
    assert!(!is_given_up_within(&mut observed, LONG).await, "it is there");
    gone(true);
    assert!(!is_given_up_within(&mut observed, SUCCESSION / 2).await, "another may come");
    assert!(is_given_up_within(&mut observed, SUCCESSION * 2).await);
    let back = async {
        tokio::time::sleep(SUCCESSION / 2).await;
        gone(false);
    };
    let (given_up, ()) = tokio::join!(is_given_up_within(&mut observed, LONG), back);
    assert!(!given_up, "another has come");
}

#[test]
fn a_console_cannot_play_tricks_on_a_terminal() {
    assert_eq!(plain("a\x1b[2J\x1b[1;31mb\x07\r\n\x1bcc\x1b[9999"), "ab\nc");
}

#[test]
fn the_tail_is_short_whatever_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    std::fs::write(&log, "line\n\n".repeat(100_000)).unwrap();
    assert_eq!(tail(&log).lines().count(), 40);
    assert_eq!(tail(&folder.path().join("none")), "");
}

#[test]
fn the_tail_of_a_panic_begins_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let trace = "[ 4.7] registers\n".repeat(60);
    std::fs::write(&log, format!("before\n[ 4.7] Kernel panic - not syncing: why\n{trace}")).unwrap();
    assert_eq!(tail(&log).lines().next(), Some("[ 4.7] Kernel panic - not syncing: why"));
    assert_eq!(tail(&log).lines().count(), SHOWN);
}
