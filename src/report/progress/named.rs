//! Names and messages in events come from projects and guests: before a view shows them, what would be hidden in
//! them is replaced. A step's output is for [`Lines`](super::Lines), which sees it as a whole.

use std::borrow::Cow;

use crate::{
    exec::{Event, Observer, What},
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
        What::Started { steps } => steps.iter().any(|step| is_bad(step)),
        What::Note { text: name }
        | What::StepStarted { step: name }
        | What::Output { step: name, .. }
        | What::Console { step: name, .. }
        | What::Progress { task: name, .. }
        | What::Exited { step: name, .. }
        | What::StepFinished { step: name, .. }
        | What::Artifact { path: name, .. }
        | What::Finished { message: Some(name), .. } => is_bad(name),
        What::Begun { .. } | What::Planned(_) | What::Finished { message: None, .. } | What::Ended { .. } => {
            false
        }
    };
    if any {
        match &mut event.to_mut().what {
            What::Started { steps } => steps.iter_mut().for_each(|step| *step = shown(step)),
            What::Note { text: name }
            | What::StepStarted { step: name }
            | What::Output { step: name, .. }
            | What::Console { step: name, .. }
            | What::Progress { task: name, .. }
            | What::Exited { step: name, .. }
            | What::StepFinished { step: name, .. }
            | What::Artifact { path: name, .. }
            | What::Finished { message: Some(name), .. } => *name = shown(name),
            What::Begun { .. }
            | What::Planned(_)
            | What::Finished { message: None, .. }
            | What::Ended { .. } => {}
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
            What::StepStarted { step: step.clone() },
            What::Output { step, stream: crate::exec::Stream::Stdout, text: "\u{1b}[1mraw".into() },
            What::Started { steps: vec!["a\u{9b}b".into()] },
        ] {
            view.event(&Event { at_ms: 0, image: Some("w\u{200b}eb".into()), what });
        }
        let seen = view.0.0.into_inner().unwrap();
        let step = "script \u{FFFD}x\u{FFFD}[2K".to_owned();
        assert!(seen.iter().all(|event| event.image.as_deref() == Some("w\u{FFFD}eb")));
        assert_eq!(seen[0].what, What::StepStarted { step: step.clone() });
        let text = "\u{1b}[1mraw".to_owned();
        assert_eq!(seen[1].what, What::Output { step, stream: crate::exec::Stream::Stdout, text });
        assert_eq!(seen[2].what, What::Started { steps: vec!["a\u{FFFD}b".into()] });
    }
}
