//! From a Spec to what the solve takes of it.

use super::{BaseFacts, OptionInput, Wanted, WantedApp, WantedBase, WantedOption, WantedOs};
use crate::check::{BaseSource, ImageSpec, Literal};
use crate::text::Spanned;

/// What `image` asks of the solve. `facts` are about a base from outside the catalogue (`base
/// file`, `base url`, `base image`), if anybody has looked into it.
#[must_use]
pub fn wanted(image: &ImageSpec, facts: Option<BaseFacts>) -> Wanted {
    let given = |name: Spanned<String>| WantedBase::Given { name, facts };
    Wanted {
        image: image.name.clone(),
        os: image.os.as_ref().map(|os| WantedOs {
            span: os.span,
            distro: os.distribution.clone(),
            requirement: os.version.clone(),
        }),
        arch: image.arch,
        base: match &image.base.source {
            _ if image.unknown.base => WantedBase::Unknown,
            BaseSource::Auto => WantedBase::Auto,
            BaseSource::Named { name, version } => {
                WantedBase::Named { name: name.clone(), requirement: version.clone() }
            }
            BaseSource::File { path: name, .. }
            | BaseSource::Url { url: name, .. }
            | BaseSource::Image { name } => given(name.clone()),
        },
        firmware: image.base.firmware,
        apps: image
            .apps
            .iter()
            .map(|app| WantedApp {
                span: app.span,
                name: app.name.clone(),
                requirement: app.version.clone(),
                options: app
                    .options
                    .iter()
                    .map(|option| WantedOption {
                        name: option.key.clone(),
                        value: Spanned::new(value(&option.value.value), option.value.span),
                    })
                    .collect(),
                inherited: None,
                doubtful: app.doubtful,
            })
            .collect(),
        min_storage: image.min_storage.map(|size| size.map(crate::check::Size::bytes)),
    }
}

fn value(literal: &Literal) -> OptionInput {
    match literal {
        Literal::Text(text) => OptionInput::Scalar(text.clone()),
        // A list within a list has no option that takes it; its text shows in the message.
        Literal::List(items) => OptionInput::List(
            items
                .iter()
                .map(|item| {
                    let text = match &item.value {
                        Literal::Text(text) => text.clone(),
                        Literal::List(_) => "\u{0}".to_owned(),
                    };
                    Spanned::new(text, item.span)
                })
                .collect(),
        ),
    }
}
