use futures_util::FutureExt;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::oneshot;

use super::*;
use crate::cell::Cell;
use imgfile_agent::protocol::message::FromGuest;
use imgfile_agent::protocol::wire::Wire;
use imgfile_agent::protocol::{VERSION, frame};

/// Longer than any test may take: what ends earlier does not end because of it.
const LONG: Duration = Duration::from_hours(1);

/// A machine whose agent hangs up when it is asked something, and whose emulator says `event` a good while after that.
async fn hanging_up(event: &'static str) -> (tempfile::TempDir, Guest) {
    let folder = tempfile::tempdir().unwrap();
    let (channel, mut agent) = UnixStream::pair().unwrap();
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
        // The host has its turn first, and sees a channel that has ended and a machine that has not.
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        writer.write_all(event.as_bytes()).await.unwrap();
    });
    let process = Cell::new("true").start().unwrap();
    let files = Files { console: folder.path().join("console"), stderr: folder.path().join("stderr") };
    let qmp = Qmp::connect(monitor).await.unwrap();
    (folder, Guest::new(Channel::new(channel), qmp, process, files, LONG))
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

/// A machine that has printed `console`, and the agent's end of its channel.
async fn starting(folder: &Path, console: &str) -> (Guest, UnixStream) {
    let (channel, agent) = UnixStream::pair().unwrap();
    let (monitor, mut emulator) = UnixStream::pair().unwrap();
    emulator.write_all(b"{\"return\": {}}\n").await.unwrap();
    // It stays connected for as long as anybody may ask.
    tokio::spawn(async move { tokio::io::copy(&mut emulator, &mut tokio::io::sink()).await });
    let files = Files { console: folder.join("console"), stderr: folder.join("stderr") };
    let qmp = Qmp::connect(monitor).await.unwrap();
    let process = Cell::new("true").start().unwrap();
    let guest = Guest::new(Channel::new(channel), qmp, process, files.clone(), LONG);
    let mut log = std::fs::File::options().create(true).append(true).open(&files.console).unwrap();
    std::io::Write::write_all(&mut log, console.as_bytes()).unwrap();
    (guest, agent)
}

const STALL: &str = "[   21.6] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\n";

#[tokio::test]
async fn a_machine_whose_kernel_is_stuck_has_another_started_in_its_place_once() {
    let folder = tempfile::tempdir().unwrap();
    let agents = std::sync::Mutex::new(Vec::new());
    let launched = std::sync::atomic::AtomicU32::new(0);
    let launch = || {
        async {
            let (guest, mut agent) = starting(folder.path(), STALL).await;
            if launched.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 1 {
                let stage = AgentStage::Initramfs;
                let reply =
                    Reply::Hello { version: VERSION, stage, kernel: "6.12".into(), verb: String::new() };
                let mut bytes = Vec::new();
                frame::encode(1, &mut bytes, |out| FromGuest { id: 0, reply }.put(out)).unwrap();
                agent.write_all(&bytes).await.unwrap();
            }
            agents.lock().unwrap().push(agent);
            Ok(guest)
        }
        .boxed()
    };
    Guest::that_comes_up(launch, 1, LONG).await.unwrap();
    // The second is up whatever its console shows.
    assert_eq!(launched.into_inner(), 2);
}
