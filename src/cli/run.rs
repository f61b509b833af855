//! `imgfile run`: an image as its users will run it, with its console here.

use std::{
    io::Write as _,
    path::PathBuf,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UnixStream, unix::OwnedWriteHalf},
    signal::unix::{SignalKind, signal},
    sync::mpsc::Receiver,
};

use super::{
    CommandResult, Exit, failed, listener::OnScreen, recorded, screen, setting_args::given,
    terminal::Terminal,
};
use crate::{
    driver::{DriverError, End, Publish, TerminalInput},
    exec::{Reporter, instance::SshAccess},
    model::Firmware,
    ops::{
        Listener as _, records,
        run::{self, Changes, RunOptions, Running},
        shown,
    },
    report::TerminalFilter,
};

/// Run an image that was built, or any disk with a Linux system.
///
/// It boots by its own boot loader in a throw-away overlay: the file does not change. Its console is here; Ctrl-]
/// leaves it, and the machine goes. `imgfile ssh` logs in from another terminal.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What `imgfile images` lists, or the path of a disk; without it the one image of the project here.
    #[arg(add = clap_complete::ArgValueCompleter::new(super::candidates::artifacts))]
    image: Option<String>,
    /// Let a port of this host (of its loopback, unless an address is given) lead to one of the machine.
    #[arg(long, value_name = "[ADDRESS:]PORT[:GUEST_PORT]", value_parser = run::parse_ports)]
    publish: Vec<Publish>,
    /// Boot by UEFI.
    #[arg(long, conflicts_with = "bios")]
    uefi: bool,
    /// Boot by BIOS.
    #[arg(long)]
    bios: bool,
    /// Keep what the machine writes in a file, and go on from it the next time; without a name IMAGE.changes.qcow2.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    #[expect(clippy::option_option, reason = "not given, given without a file, given with one")]
    persist: Option<Option<PathBuf>>,
}

/// What leaves the console: Ctrl-].
const LEAVE: u8 = 0x1D;

/// How often a machine that comes up is asked whether somebody can log in, and how long it may take to answer.
const ASK: Duration = Duration::from_millis(250);
const ANSWER: Duration = Duration::from_secs(2);

pub(super) fn run(args: Args) -> Exit {
    super::block_on(async { start(args).await.err().unwrap_or(Exit::Done) })
}

async fn start(args: Args) -> CommandResult<()> {
    let listener = OnScreen::default();
    let settings = records::settings(&given(), &listener).map_err(failed)?;
    let store = recorded::store(&settings)?;
    let records = store.records().map_err(recorded::refused)?;
    let firmware = match (args.uefi, args.bios) {
        (true, _) => Some(Firmware::Uefi),
        (_, true) => Some(Firmware::Bios),
        _ => None,
    };
    let changes = args.persist.map_or(Changes::Discarded, Changes::Kept);
    let options = RunOptions { image: args.image, firmware, publish: args.publish, changes };
    let reporter = Reporter::new(listener.preparing());
    let mut running = run::run(&options, (&settings, &store), &records, &reporter).await.map_err(failed)?;
    let began = Instant::now();
    let keeps = running.kept.is_some();
    introduce(&running);
    let Some(console) = running.machine.console() else { return Err(Exit::Host) };
    let screen = if screen::is_interactive() { Screen::terminal()? } else { Screen::lines() };
    let mut session = Session { running, screen, began, keeps, said: false };
    let ended = session.watch(console).await;
    // The terminal is as it was before anything else is said.
    let Session { running, screen, .. } = session;
    drop(screen);
    let name = running.record.name.clone();
    drop(running);
    match ended {
        Ok(Ended::Left) => {
            screen::say!("`{name}` is gone{}", if keeps { "; what it wrote is kept" } else { "" });
        }
        Ok(Ended::ByItself(End::EmulatorDied { status, stderr })) => {
            super::complain(&format!("`{name}` {}", End::EmulatorDied { status, stderr }));
            return Err(Exit::Host);
        }
        Ok(Ended::ByItself(end)) => screen::say!("`{name}` {end}"),
        Err(fault) => {
            super::complain(&format!("the machine is lost: {fault}"));
            return Err(Exit::Host);
        }
    }
    Ok(())
}

/// Says what runs, and how it is reached.
fn introduce(running: &Running) {
    let name = &running.record.name;
    let leave = if screen::is_interactive() { "; its console follows, Ctrl-] leaves it" } else { "" };
    screen::say!("`{name}` boots by {}{leave}", running.firmware.as_str());
    let ssh_port = running.record.ssh.as_ref().map(|ssh| ssh.port);
    for Publish { address, port, guest } in &running.published {
        if Some(*port) != ssh_port {
            screen::say!("  {address}:{port} leads to its port {guest}");
        }
    }
    match (&running.record.ssh, &running.without_key) {
        (Some(SshAccess { user, .. }), _) => {
            screen::say!("  `imgfile ssh {name}` logs in as {user}, once it is up");
        }
        (None, Some(why)) => screen::say!("  nobody can log in by ssh: {why}"),
        (None, None) => {}
    }
    match &running.kept {
        Some(file) => screen::say!("  what it writes is kept in {}", shown(file)),
        None => screen::say!("  what it writes is thrown away"),
    }
}

/// How it came to an end.
enum Ended {
    /// Somebody left.
    Left,
    /// The machine ended.
    ByItself(End),
}

/// Where the console is shown.
enum Screen {
    /// A person's terminal, in raw mode.
    Terminal { terminal: Box<Terminal>, keys: Receiver<TerminalInput>, filter: TerminalFilter },
    /// Lines of text; nobody types.
    Lines(Lines),
}

impl Screen {
    fn terminal() -> CommandResult<Self> {
        let taken = Terminal::take().and_then(|terminal| Ok((terminal.input()?, Box::new(terminal))));
        match taken {
            Ok((keys, terminal)) => Ok(Self::Terminal { terminal, keys, filter: TerminalFilter::default() }),
            Err(error) => {
                super::complain(&format!("the terminal cannot be used: {error}"));
                Err(Exit::Host)
            }
        }
    }

    fn lines() -> Self {
        Self::Lines(Lines { out: screen::out(), kept: Vec::new() })
    }

    /// Shows what the guest printed.
    fn show(&mut self, bytes: &[u8]) {
        match self {
            Self::Terminal { terminal, filter, .. } => terminal.show(&filter.pass(bytes)),
            Self::Lines(lines) => lines.show(bytes),
        }
    }

    /// Says something of ours beside it.
    fn say(&mut self, text: &str) {
        match self {
            Self::Terminal { terminal, .. } => terminal.show(format!("\r\n[{text}]\r\n").as_bytes()),
            Self::Lines(_) => screen::say!("{text}"),
        }
    }

    /// What is typed; none when the terminal has gone. Nobody types where there is none.
    async fn typed(&mut self) -> Option<TerminalInput> {
        match self {
            Self::Terminal { keys, .. } => keys.recv().await,
            Self::Lines(_) => std::future::pending().await,
        }
    }
}

/// A console as lines of text.
struct Lines {
    out: crate::report::Sink<screen::Output>,
    /// What has no line end yet: a control sequence may be cut in two.
    kept: Vec<u8>,
}

/// A line that is longer is shown in pieces.
const LONGEST_LINE: usize = 16 << 10;

impl Lines {
    fn show(&mut self, bytes: &[u8]) {
        self.kept.extend(bytes);
        let whole = self.kept.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.put(if self.kept.len() - whole > LONGEST_LINE { self.kept.len() } else { whole });
    }

    fn put(&mut self, len: usize) {
        let text = strip(&self.kept[..len]);
        self.kept.drain(..len);
        // A reader that went away has seen enough.
        let _ = self.out.write_all(&text).and_then(|()| self.out.flush());
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.put(self.kept.len());
    }
}

/// Console bytes as lines: without carriage returns and control sequences.
fn strip(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    console::strip_ansi_codes(&text).replace('\r', "").into_bytes()
}

struct Session {
    running: Running,
    screen: Screen,
    began: Instant,
    /// What the machine writes is kept: then it is not killed while it writes.
    keeps: bool,
    /// That somebody can log in.
    said: bool,
}

impl Session {
    /// Shows the console until the machine has ended, or somebody leaves.
    async fn watch(&mut self, console: UnixStream) -> Result<Ended, DriverError> {
        let (mut from, mut to) = console.into_split();
        let ssh = self.running.record.ssh.clone();
        let answers = answers(ssh);
        tokio::pin!(answers);
        let mut prompt = Prompt::default();
        let hung_up = hang_up();
        tokio::pin!(hung_up);
        let (mut piece, mut open, mut leaving) = (vec![0; 16 << 10], true, false);
        loop {
            tokio::select! {
                read = from.read(&mut piece), if open => match read {
                    Ok(len @ 1..) => {
                        self.screen.show(&piece[..len]);
                        if self.running.record.ssh.is_none() && prompt.is_in(&piece[..len]) {
                            self.ready("asks who wants to log in");
                        }
                    }
                    _ => open = false,
                },
                () = &mut answers, if !self.said => self.ready("can be logged in to"),
                typed = self.screen.typed() => match typed {
                    Some(TerminalInput::Resized(_)) => {}
                    Some(TerminalInput::Typed(bytes)) => {
                        if self.forward(&bytes, &mut to).await {
                            if leaving || !self.keeps {
                                return Ok(Ended::Left);
                            }
                            leaving = true;
                            self.screen.say("shutting down, so that what is kept is whole; Ctrl-] again does not wait");
                            self.running.machine.press_power_button().await?;
                        }
                    }
                    None => return Ok(Ended::Left),
                },
                () = &mut hung_up => return Ok(Ended::Left),
                ended = self.running.machine.ended() => {
                    // What it printed last is in the socket still.
                    while let Ok(len @ 1..) = from.try_read(&mut piece) {
                        self.screen.show(&piece[..len]);
                    }
                    return ended.map(Ended::ByItself);
                }
            }
        }
    }

    /// Passes on what is typed, up to the key that leaves; whether it was among it.
    async fn forward(&self, typed: &[u8], to: &mut OwnedWriteHalf) -> bool {
        let leave = typed.iter().position(|byte| *byte == LEAVE);
        let own = &typed[..leave.unwrap_or(typed.len())];
        // A guest that reads nothing does not keep anybody here.
        let _ = tokio::time::timeout(ANSWER, to.write_all(own)).await;
        leave.is_some()
    }

    fn ready(&mut self, how: &str) {
        if !std::mem::replace(&mut self.said, true) {
            let name = &self.running.record.name;
            let text = format!("`{name}` {how} after {:.1} s", self.began.elapsed().as_secs_f64());
            self.screen.say(&text);
        }
    }
}

/// Ends when the guest's ssh answers.
async fn answers(ssh: Option<SshAccess>) {
    let Some(SshAccess { address, port, .. }) = ssh else { return std::future::pending().await };
    loop {
        let asked = async {
            let mut stream = TcpStream::connect((address, port)).await?;
            let mut first = [0; 4];
            // RFC 4253, section 4.2: it speaks first. What is published answers before the guest does.
            stream.read_exact(&mut first).await?;
            Ok::<_, std::io::Error>(first == *b"SSH-")
        };
        if matches!(tokio::time::timeout(ANSWER, asked).await, Ok(Ok(true))) {
            return;
        }
        tokio::time::sleep(ASK).await;
    }
}

/// Ends when the terminal is closed. Without one, whoever started this decides what a hang-up does.
async fn hang_up() {
    let heard = if screen::is_interactive() { signal(SignalKind::hangup()).ok() } else { None };
    match heard {
        Some(mut signal) => {
            let _ = signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// Looks for the question of a console who wants to log in, however it is cut into pieces.
#[derive(Debug, Default)]
struct Prompt {
    end: Vec<u8>,
}

impl Prompt {
    fn is_in(&mut self, bytes: &[u8]) -> bool {
        const PROMPT: &[u8] = b" login: ";
        self.end.extend(bytes);
        let found = self.end.windows(PROMPT.len()).any(|words| words == PROMPT);
        let old = self.end.len().saturating_sub(PROMPT.len() - 1);
        self.end.drain(..old);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_found_however_it_is_cut() {
        let mut prompt = Prompt::default();
        assert!(!prompt.is_in(b"Debian GNU/Linux 13 web ttyS0\r\n\r\nweb log"));
        assert!(prompt.is_in(b"in: "));

        assert!(Prompt::default().is_in(b"web login: "));
    }

    #[test]
    fn lines_have_no_carriage_returns_and_no_sequences() {
        assert_eq!(strip(b"\x1b[32m[  OK  ]\x1b[0m Reached\r\n"), b"[  OK  ] Reached\n");
    }
}
