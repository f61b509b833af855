//! [`Machine`] of the fake driver.

use std::io::Read;
use std::path::Path;

use futures_util::FutureExt;

use super::super::inspect::{Facts, Init};
use super::super::{
    BootOptions, DriverError, Exec, ExecEnd, Machine, MachineSpec, MountOptions, Op, Output, Program,
    RootSource, Sink, Stage, Start, Stream, TerminalInput, TerminalSize,
};
use super::{Event, FakeDriver, debian};
use crate::model::{DiskLayout, FileContent, SystemTree, TreeLimits, TreeNode};
use crate::text::Digest;

#[derive(Debug)]
pub(super) struct FakeMachine {
    driver: FakeDriver,
    stage: Stage,
    spec: MachineSpec,
    off: bool,
}

/// The disk of a saved machine, in its folder.
pub(super) const SAVED_DISK: &str = "disk.qcow2";

impl FakeMachine {
    pub(super) const fn new(driver: FakeDriver, stage: Stage, spec: MachineSpec) -> Self {
        Self { driver, stage, spec, off: false }
    }

    /// Holds the executor to the order of the stages, then has what the script says.
    async fn step(&mut self, event: Event, from: &[Stage]) -> Result<(), DriverError> {
        let doing = event.name().to_owned();
        let stage = self.stage;
        self.driver.happen(event).await?;
        if from.contains(&stage) {
            return Ok(());
        }
        Err(DriverError::Refused {
            doing,
            reason: format!("the machine is not in the right stage ({stage:?})"),
        })
    }

    async fn do_exec(&mut self, command: Exec, sink: Sink<'_>) -> Result<ExecEnd, DriverError> {
        let (what, text) = match command.program {
            Program::Argv(argv) => (argv.join(" "), String::new()),
            Program::Script { name, content } => (name, String::from_utf8_lossy(&content).into_owned()),
        };
        let user = command.user.unwrap_or_else(|| "root".into());
        self.step(Event::Exec { what: what.clone(), user }, &[Stage::Mounted, Stage::Booted]).await?;
        let (output, end) = {
            let mut script = self.driver.script();
            let rule = script
                .commands
                .iter_mut()
                .find(|rule| what.contains(&rule.needle) || text.contains(&rule.needle));
            match rule {
                None => (String::new(), ExecEnd::Code(0)),
                Some(rule) => {
                    let end = rule.ends.front().copied().unwrap_or(ExecEnd::Code(0));
                    if rule.ends.len() > 1 {
                        rule.ends.pop_front();
                    }
                    (rule.output.clone(), end)
                }
            }
        };
        if !output.is_empty() {
            sink(Output { stream: Stream::Out, bytes: output.into_bytes() });
        }
        Ok(end)
    }

    async fn do_put(&mut self, tar: Box<dyn Read + Send>) -> Result<(), DriverError> {
        let (paths, files) =
            read_archive(tar).map_err(|source| DriverError::Host { doing: "write files".into(), source })?;
        self.step(Event::Put(paths), &[Stage::Mounted, Stage::Booted]).await?;
        self.driver.script().files.extend(files);
        Ok(())
    }

    async fn do_get(&mut self, path: &str, limit: u64) -> Result<Vec<u8>, DriverError> {
        self.step(Event::Get(path.to_owned()), &[Stage::Mounted, Stage::Booted]).await?;
        let doing = format!("read {path}");
        match self.driver.script().files.get(path) {
            Some(content) if content.len() as u64 <= limit => Ok(content.clone()),
            Some(_) => Err(DriverError::Refused { doing, reason: "too long".into() }),
            None => Err(DriverError::Refused { doing, reason: format!("{path}: No such file or directory") }),
        }
    }

    async fn turn(&mut self, event: Event, from: &[Stage], to: Stage) -> Result<(), DriverError> {
        self.step(event, from).await?;
        self.stage = to;
        Ok(())
    }
}

type Archive = (Vec<String>, Vec<(String, Vec<u8>)>);

/// An archive's paths, and its regular files.
fn read_archive(tar: impl Read) -> std::io::Result<Archive> {
    let mut archive = tar::Archive::new(tar);
    let (mut paths, mut files) = (Vec::new(), Vec::new());
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = format!("/{}", entry.path()?.to_string_lossy().trim_start_matches(['.', '/']));
        if entry.header().entry_type().is_file() {
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            files.push((path.clone(), content));
        }
        paths.push(path);
    }
    Ok((paths, files))
}

impl Drop for FakeMachine {
    fn drop(&mut self) {
        if !self.off {
            self.driver.script().events.push(Event::Killed);
        }
    }
}

impl Machine for FakeMachine {
    fn stage(&self) -> Stage {
        self.stage
    }

    fn inspect(&mut self) -> Op<'_, Facts> {
        async {
            self.step(Event::Inspect, &[Stage::Offline, Stage::Viewed]).await?;
            Ok(self.driver.script().facts.clone().unwrap_or_else(|| debian("13")))
        }
        .boxed()
    }

    fn init(&mut self) -> Op<'_, Init> {
        async {
            let facts = self.driver.script().facts.clone();
            Ok(facts.map_or(Init::Systemd, |facts| facts.init))
        }
        .boxed()
    }

    fn mount(&mut self, _options: MountOptions) -> Op<'_, ()> {
        self.turn(Event::Mount, &[Stage::Offline], Stage::Mounted).boxed()
    }

    fn unmount(&mut self) -> Op<'_, ()> {
        self.turn(Event::Unmount, &[Stage::Mounted, Stage::Viewed], Stage::Offline).boxed()
    }

    fn view(&mut self, _root: RootSource) -> Op<'_, DiskLayout> {
        async {
            self.turn(Event::View, &[Stage::Offline, Stage::Mounted], Stage::Viewed).await?;
            Ok(self.driver.script().layout.clone())
        }
        .boxed()
    }

    fn tree(&mut self, _limits: TreeLimits) -> Op<'_, SystemTree> {
        async {
            self.step(Event::Tree, &[Stage::Viewed, Stage::Mounted]).await?;
            let script = self.driver.script();
            Ok(SystemTree::of_paths(
                script
                    .files
                    .iter()
                    .map(|(path, content)| (path.clone().into_bytes(), TreeNode::file(content.len() as u64))),
            ))
        }
        .boxed()
    }

    fn read_files<'a>(&'a mut self, paths: &'a [Vec<u8>], each: u64, total: u64) -> Op<'a, Vec<FileContent>> {
        async move {
            let asked = paths.iter().map(|path| String::from_utf8_lossy(path).into_owned()).collect();
            self.step(Event::ReadFiles(asked), &[Stage::Viewed, Stage::Mounted]).await?;
            let (script, mut left) = (self.driver.script(), total);
            let read = |path: &Vec<u8>| match script.file(path) {
                None => FileContent::Absent,
                Some(content) if content.len() as u64 > each.min(left) => {
                    FileContent::TooLong(content.len() as u64)
                }
                Some(content) => {
                    left -= content.len() as u64;
                    FileContent::Whole(content.clone())
                }
            };
            Ok(paths.iter().map(read).collect())
        }
        .boxed()
    }

    fn digests<'a>(&'a mut self, paths: &'a [Vec<u8>]) -> Op<'a, Vec<Option<Digest>>> {
        async move {
            self.step(Event::Digests(paths.len()), &[Stage::Viewed, Stage::Mounted]).await?;
            let script = self.driver.script();
            Ok(paths.iter().map(|path| script.file(path).map(Digest::of)).collect())
        }
        .boxed()
    }

    fn exec<'a>(&'a mut self, command: Exec, sink: Sink<'a>) -> Op<'a, ExecEnd> {
        self.do_exec(command, sink).boxed()
    }

    fn shell<'a>(
        &'a mut self,
        command: Exec,
        _size: TerminalSize,
        mut input: tokio::sync::mpsc::Receiver<TerminalInput>,
        sink: Sink<'a>,
    ) -> Op<'a, ExecEnd> {
        async move {
            let what = match command.program {
                Program::Argv(argv) => argv.join(" "),
                Program::Script { name, .. } => name,
            };
            self.step(Event::Shell(what), &[Stage::Mounted, Stage::Booted]).await?;
            // An echo, until it is hung up.
            while let Some(input) = input.recv().await {
                if let TerminalInput::Typed(bytes) = input {
                    sink(Output { stream: Stream::Out, bytes });
                }
            }
            Ok(ExecEnd::Code(0))
        }
        .boxed()
    }

    fn put(&mut self, tar: Box<dyn Read + Send>) -> Op<'_, ()> {
        self.do_put(tar).boxed()
    }

    fn get<'a>(&'a mut self, path: &'a str, limit: u64) -> Op<'a, Vec<u8>> {
        self.do_get(path, limit).boxed()
    }

    fn grow_root(&mut self) -> Op<'_, u64> {
        async {
            self.step(Event::GrowRoot, &[Stage::Mounted]).await?;
            Ok(self.driver.script().facts.as_ref().map_or(3 << 30, |facts| facts.root.size))
        }
        .boxed()
    }

    fn boot(&mut self, _options: BootOptions) -> Op<'_, ()> {
        self.turn(Event::Boot, &[Stage::Offline, Stage::Mounted], Stage::Booted).boxed()
    }

    fn offline(&mut self) -> Op<'_, ()> {
        async {
            self.turn(Event::Offline, &[Stage::Booted], Stage::Mounted).await?;
            let facts = self.driver.script().facts.clone();
            if facts.is_some_and(|facts| facts.init == Init::OpenRc) {
                // Nothing is handed back: the machine is off, and comes up a second time.
                self.driver.happen(Event::Start(Start::Offline)).await?;
                self.driver.happen(Event::Mount).await?;
            }
            Ok(())
        }
        .boxed()
    }

    fn save<'a>(&'a mut self, to: &'a Path) -> Op<'a, bool> {
        async move {
            self.step(Event::Save, &[Stage::Booted]).await?;
            let Some(disk) = self.spec.disks.first() else { return Ok(false) };
            let host = |source| DriverError::Host { doing: "save".into(), source };
            std::fs::copy(&disk.path, to.join(SAVED_DISK)).map(|_| true).map_err(host)
        }
        .boxed()
    }

    fn cut<'a>(&'a mut self, overlay: &'a Path) -> Op<'a, ()> {
        async move {
            self.turn(Event::Cut, &[Stage::Mounted], Stage::Mounted).await?;
            if let Some(disk) = self.spec.disks.first_mut() {
                overlay.clone_into(&mut disk.path);
            }
            Ok(())
        }
        .boxed()
    }

    fn trim(&mut self) -> Op<'_, u64> {
        async { self.step(Event::Trim, &[Stage::Mounted]).await.map(|()| 0) }.boxed()
    }

    fn power_off(mut self: Box<Self>) -> Op<'static, ()> {
        async move {
            self.driver.happen(Event::PowerOff).await?;
            self.off = true;
            Ok(())
        }
        .boxed()
    }

    fn console_tail(&self) -> String {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::super::{Driver, Limits, Network};
    use super::*;

    fn spec() -> MachineSpec {
        MachineSpec {
            cpus: 1,
            memory_mib: 256,
            start: Start::Offline,
            disks: Vec::new(),
            payload: Vec::new(),
            network: Network::None,
            run_dir: "unused".into(),
            limits: Limits::default(),
        }
    }

    #[tokio::test]
    async fn commands_are_answered_from_the_script() {
        let driver = FakeDriver::new().command("make", "oops\n", &[ExecEnd::Code(2), ExecEnd::Code(0)]);
        let mut machine = driver.start(spec()).await.unwrap();
        machine.mount(MountOptions::default()).await.unwrap();
        let mut seen = Vec::new();
        for _ in 0..3 {
            let end = machine
                .exec(Exec::argv(["make", "all"]), &mut |output| seen.extend(output.bytes))
                .await
                .unwrap();
            seen.extend(format!("{end:?} ").into_bytes());
        }
        machine.power_off().await.unwrap();
        assert_eq!(String::from_utf8(seen).unwrap(), "oops\nCode(2) oops\nCode(0) oops\nCode(0) ");
        assert_eq!(driver.operations(), ["start", "mount", "exec", "exec", "exec", "power_off"]);
    }

    #[tokio::test]
    async fn stages_are_kept() {
        let driver = FakeDriver::new();
        let mut machine = driver.start(spec()).await.unwrap();
        assert!(matches!(machine.offline().await, Err(DriverError::Refused { .. })));
        machine.boot(BootOptions::default()).await.unwrap();
        machine.offline().await.unwrap();
        assert_eq!(machine.stage(), Stage::Mounted);
    }

    #[tokio::test]
    async fn an_init_that_hands_nothing_back_costs_a_second_start() {
        let driver = FakeDriver::new().facts(Facts { init: Init::OpenRc, ..debian("13") });
        let mut machine = driver.start(spec()).await.unwrap();
        machine.boot(BootOptions::default()).await.unwrap();
        machine.offline().await.unwrap();
        assert_eq!(machine.stage(), Stage::Mounted);
        assert_eq!(machine.exec(Exec::argv(["true"]), &mut |_| {}).await.unwrap(), ExecEnd::Code(0));
        assert_eq!(driver.operations(), ["start", "boot", "offline", "start", "mount", "exec"]);
    }

    #[tokio::test]
    async fn a_machine_that_hangs_is_killed_by_being_dropped() {
        let driver = FakeDriver::new().hang("mount", 0);
        let mut machine = driver.start(spec()).await.unwrap();
        tokio::time::timeout(Duration::from_millis(1), machine.mount(MountOptions::default()))
            .await
            .unwrap_err();
        drop(machine);
        assert_eq!(driver.operations(), ["start", "mount", "killed"]);
    }

    #[tokio::test]
    async fn files_are_told_of_all_at_once() {
        let driver = FakeDriver::new().file("/etc/motd", "hello").file("/etc/long", "0123456789");
        let mut machine = driver.start(spec()).await.unwrap();
        let refused = machine.tree(TreeLimits::default()).await;
        assert!(matches!(refused, Err(DriverError::Refused { .. })));
        machine.view(RootSource::Find).await.unwrap();
        let tree = machine.tree(TreeLimits::default()).await.unwrap();
        assert!(tree.find("/etc/motd").is_some());
        let paths = ["/etc/long", "/etc/motd", "/nothing"].map(|path| path.as_bytes().to_vec());
        let contents = machine.read_files(&paths, 5, 100).await.unwrap();
        let expected = [FileContent::TooLong(10), FileContent::Whole(b"hello".to_vec()), FileContent::Absent];
        assert_eq!(contents, expected);
        let digests = machine.digests(&paths[1..]).await.unwrap();
        assert_eq!(digests, [Some(Digest::of("hello")), None]);
        machine.unmount().await.unwrap();
        assert_eq!(machine.stage(), Stage::Offline);
    }

    #[tokio::test]
    async fn what_is_put_can_be_got() {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(5);
        tar.append_data(&mut header, "etc/motd", &b"hello"[..]).unwrap();
        let tar = std::io::Cursor::new(tar.into_inner().unwrap());
        let driver = FakeDriver::new().fail("put", 0, DriverError::HostFull);
        let mut machine = driver.start(spec()).await.unwrap();
        machine.mount(MountOptions::default()).await.unwrap();
        assert!(matches!(machine.put(Box::new(tar.clone())).await, Err(DriverError::HostFull)));
        machine.put(Box::new(tar)).await.unwrap();
        assert_eq!(machine.get("/etc/motd", 100).await.unwrap(), b"hello");
    }
}
