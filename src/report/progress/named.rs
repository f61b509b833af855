//! Names and messages in events come from projects and guests: before a view shows them, what would be hidden in
//! them is replaced. A step's output is for [`Lines`](super::Lines), which sees it as a whole.

use std::borrow::Cow;

use crate::{
    exec::{Event, EventKind, Observer},
    text::is_hidden,
};

/// A view whose events have only visible names.
#[derive(Debug)]
pub struct VisibleNames<O>(pub O);

impl<O: Observer> Observer for VisibleNames<O> {
    fn event(&self, event: &Event) {
        self.0.event(&visible(event));
    }
}

fn visible(event: &Event) -> Cow<'_, Event> {
    let is_bad = |text: &str| text.chars().any(is_hidden);
    let named = event.image.as_deref().is_some_and(is_bad);
    let shown =
        |text: &str| text.chars().map(|c| if is_hidden(c) { '\u{FFFD}' } else { c }).collect::<String>();
    let mut event = Cow::Borrowed(event);
    if named {
        let event = event.to_mut();
        event.image = event.image.as_deref().map(shown);
    }
    let any = match &event.what {
        EventKind::Started { steps } => steps.iter().any(|step| is_bad(step)),
        EventKind::Note { text: name }
        | EventKind::StepStarted { step: name, .. }
        | EventKind::Output { step: name, .. }
        | EventKind::Console { step: name, .. }
        | EventKind::Progress { task: name, .. }
        | EventKind::Exited { step: name, .. }
        | EventKind::StepFinished { step: name, .. }
        | EventKind::Artifact { path: name, .. }
        | EventKind::Finished { message: Some(name), .. } => is_bad(name),
        EventKind::Begun { .. }
        | EventKind::Planned(_)
        | EventKind::Finished { message: None, .. }
        | EventKind::Ended { .. } => false,
    };
    if let EventKind::StepStarted { within: Some(within), .. } = &event.what
        && is_bad(within)
    {
        let within = Some(shown(within));
        if let EventKind::StepStarted { within: old, .. } = &mut event.to_mut().what {
            *old = within;
        }
    }
    if any {
        match &mut event.to_mut().what {
            EventKind::Started { steps } => steps.iter_mut().for_each(|step| *step = shown(step)),
            EventKind::Note { text: name }
            | EventKind::StepStarted { step: name, .. }
            | EventKind::Output { step: name, .. }
            | EventKind::Console { step: name, .. }
            | EventKind::Progress { task: name, .. }
            | EventKind::Exited { step: name, .. }
            | EventKind::StepFinished { step: name, .. }
            | EventKind::Artifact { path: name, .. }
            | EventKind::Finished { message: Some(name), .. } => *name = shown(name),
            EventKind::Begun { .. }
            | EventKind::Planned(_)
            | EventKind::Finished { message: None, .. }
            | EventKind::Ended { .. } => {}
        }
    }
    event
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Debug, Default)]
    struct Seen(Mutex<Vec<Event>>);

    impl Observer for Seen {
        fn event(&self, event: &Event) {
            self.0.lock().unwrap().push(event.clone());
        }
    }

    #[test]
    fn a_name_that_hides_something_shows_that() {
        let view = VisibleNames(Seen::default());
        let step = "script \u{202e}x\u{1b}[2K".to_owned();
        for what in [
            EventKind::StepStarted { step: step.clone(), within: None },
            EventKind::Output { step, stream: crate::exec::Stream::Stdout, text: "\u{1b}[1mraw".into() },
            EventKind::Started { steps: vec!["a\u{9b}b".into()] },
        ] {
            view.event(&Event { at_ms: 0, image: Some("w\u{200b}eb".into()), what });
        }
        let seen = view.0.0.into_inner().unwrap();
        let step = "script \u{FFFD}x\u{FFFD}[2K".to_owned();
        assert!(seen.iter().all(|event| event.image.as_deref() == Some("w\u{FFFD}eb")));
        assert_eq!(seen[0].what, EventKind::StepStarted { step: step.clone(), within: None });
        let text = "\u{1b}[1mraw".to_owned();
        assert_eq!(seen[1].what, EventKind::Output { step, stream: crate::exec::Stream::Stdout, text });
        assert_eq!(seen[2].what, EventKind::Started { steps: vec!["a\u{FFFD}b".into()] });
    }
}
