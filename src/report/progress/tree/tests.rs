use super::*;
use crate::exec::{EventKind, Outcome, PlanSummary, Stream};

fn look(width: usize, height: usize) -> Look {
    Look { colour: false, unicode: true, width, height: Some(height) }
}

fn event(at_ms: u64, image: &str, what: EventKind) -> Event {
    Event { at_ms, image: (!image.is_empty()).then(|| image.to_owned()), what }
}

fn start(step: &str) -> EventKind {
    EventKind::StepStarted { step: step.into(), within: None }
}

fn part(step: &str, of: &str) -> EventKind {
    EventKind::StepStarted { step: step.into(), within: Some(of.into()) }
}

fn finish(step: &str, outcome: Outcome, elapsed_ms: u64) -> EventKind {
    EventKind::StepFinished { step: step.into(), outcome, elapsed_ms }
}

fn output(step: &str, text: &str) -> EventKind {
    EventKind::Output { step: step.into(), stream: Stream::Stdout, text: text.into() }
}

/// Two images under way.
fn events() -> Vec<Event> {
    let plan =
        PlanSummary { os: "debian 13".into(), arch: crate::model::Arch::X86_64, ..PlanSummary::default() };
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let (done, total) = (3 << 20, 12 << 20);
    vec![
        event(0, "", EventKind::Begun { build: 7, version: "0.1.0".into() }),
        event(0, "", start("make base debian-13")),
        event(2000, "", finish("make base debian-13", Outcome::Done, 2000)),
        event(2000, "web", EventKind::Planned(Box::new(plan))),
        event(
            2000,
            "web",
            EventKind::Started { steps: names(&["grow", "packages", "script announce", "test front"]) },
        ),
        event(2000, "web", finish("grow", Outcome::Reused, 0)),
        event(2100, "web", start("start the machine")),
        event(4100, "web", finish("start the machine", Outcome::Done, 2000)),
        event(4100, "web", start("packages")),
        event(
            4200,
            "web",
            output("packages", "Unpacking nginx\n\u{1b}[1mSetting up\tnginx\u{1b}[0m (1.26.3-3)\n"),
        ),
        event(4200, "db", EventKind::Started { steps: names(&["grow", "reboot"]) }),
        event(4300, "db", finish("grow", Outcome::Failed, 100)),
        event(
            4300,
            "db",
            EventKind::Finished { outcome: Outcome::Failed, elapsed_ms: 100, message: Some("no".into()) },
        ),
        event(4300, "", EventKind::Progress { task: "linux-image".into(), done: 0, total }),
        event(5300, "", EventKind::Progress { task: "linux-image".into(), done, total }),
    ]
}

/// The tree of `events` after drawing it on a terminal, with the bytes that made it.
fn shown(screens: &[(&[Event], u16, u16)]) -> String {
    let (_, height, width) = screens[0];
    let mut terminal = vt100::Parser::new(height, width, 100);
    let mut model = Model::default();
    let mut screen = Screen { out: Vec::new(), drawn: Vec::new() };
    for &(events, height, width) in screens {
        terminal.screen_mut().set_size(height, width);
        for event in events {
            model.event(event);
        }
        let above = std::mem::take(&mut model.notes);
        let lines = draw::draw(&model, model.at_ms, look(width.into(), usize::from(height) - 1));
        screen.show(&above, lines, width.into());
        terminal.process(&std::mem::take(&mut screen.out));
    }
    terminal.screen().contents()
}

#[test]
fn images_with_their_steps_the_current_line_and_transfers() {
    insta::assert_snapshot!(shown(&[(&events(), 24, 60)]));
}

#[test]
fn drawn_again_the_screen_holds_one_tree_and_the_notes_above() {
    let events = events();
    let later = [
        event(5400, "web", EventKind::Note { text: "KVM cannot be used; emulating".into() }),
        event(5400, "web", finish("packages", Outcome::Done, 1300)),
        event(5400, "web", start("script announce")),
        event(5400, "web", part("boot", "script announce")),
    ];
    insta::assert_snapshot!(shown(&[(&events[..9], 24, 60), (&events[9..], 24, 60), (&later, 24, 60)]));
}

#[test]
fn a_low_window_shows_what_runs() {
    insta::assert_snapshot!("low", shown(&[(&events(), 11, 50)]));
    insta::assert_snapshot!("lower", shown(&[(&events(), 9, 50)]));
    assert!(shown(&[(&events(), 3, 50)]).contains("linux-image"));
}

#[test]
fn no_window_is_too_narrow_and_no_line_wraps() {
    let mut model = Model::default();
    for event in &events() {
        model.event(event);
    }
    for width in 0..100 {
        for unicode in [true, false] {
            let look = Look { unicode, ..look(width, 50) };
            for line in draw::draw(&model, 0, look) {
                assert!(measure_text_width(&line) <= width.max(2), "{width}: {line:?}");
                assert!(unicode || line.is_ascii(), "{line}");
            }
        }
    }
}

#[test]
fn colours_come_only_where_they_are_wanted() {
    let mut model = Model::default();
    for event in &events() {
        model.event(event);
    }
    let coloured = draw::draw(&model, 0, Look { colour: true, ..look(60, 50) });
    let plain = draw::draw(&model, 0, look(60, 50));
    assert!(plain.iter().all(|line| !line.contains('\u{1b}')));
    let stripped: Vec<_> = coloured.iter().map(|line| console::strip_ansi_codes(line)).collect();
    assert_eq!(stripped, plain);
    assert_ne!(coloured, plain);
}

#[test]
fn the_last_state_stays_whole_when_the_tree_is_dropped() {
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);
    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let out = Shared::default();
    let tree = Tree::new(out.clone(), || look(60, 5));
    for event in &events() {
        tree.event(event);
    }
    drop(tree);
    let mut terminal = vt100::Parser::new(24, 60, 0);
    terminal.process(&out.0.lock().unwrap());
    let contents = terminal.screen().contents();
    assert_eq!(contents, shown(&[(&events(), 24, 60)]));
}
