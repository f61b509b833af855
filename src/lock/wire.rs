//! The lock as text.

use super::{FORMAT, Lock};
use crate::{
    diagnostic::{Diagnostic, codes},
    text::{SourceId, Sources, Span},
};

const HEADER: &str = "# Written by imgfile: what the images beside this file are made of, exactly. Check it in.\n";

impl Lock {
    /// The lock's text, the same for the same content.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        // Text keys and plain values: there is nothing that YAML cannot hold.
        let body = serde_yaml::to_string(self).unwrap_or_default();
        format!("{HEADER}{body}")
    }

    /// Reads a lock.
    pub fn read(source: SourceId, sources: &Sources) -> Result<Self, Vec<Diagnostic>> {
        let text = &sources.get(source).text;
        let lock: Self = serde_yaml::from_str(text).map_err(|error| {
            let start = error.location().map_or(0, |location| location.index().min(text.len()));
            let start = u32::try_from(text.floor_char_boundary(start)).unwrap_or(0);
            let message = format!("the lock cannot be read: {error}");
            let diagnostic = Diagnostic::new(codes::LOCK_UNREADABLE, message)
                .label(Span::new(source, start, start), "here")
                .help("restore it from version control, or delete it and run `imgfile lock`");
            vec![diagnostic]
        })?;
        if lock.version == FORMAT {
            return Ok(lock);
        }
        let message = format!("the lock has format version {}, and this imgfile knows {FORMAT}", lock.version);
        Err(vec![
            Diagnostic::new(codes::LOCK_UNREADABLE, message)
                .label(Span::new(source, 0, 0), "written by another imgfile")
                .help("use the imgfile that wrote it, or delete it and run `imgfile lock`"),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_lock_comes_back() {
        let lock = Lock { version: FORMAT, images: std::collections::BTreeMap::new() };
        let mut sources = Sources::default();
        let source = sources.add("ImageFile.lock", lock.to_yaml());
        assert_eq!(Lock::read(source, &sources), Ok(lock));
    }
}
