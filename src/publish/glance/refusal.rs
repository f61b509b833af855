//! What Glance refuses, in its own words, and the way out.

use reqwest::StatusCode;

use crate::{
    diagnostic::{Code, codes},
    publish::{PublishError, Request, service::Answer},
};

/// What was being done when Glance refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    Looking,
    Creating,
    Sending,
    Changing,
    Sharing,
}

impl Doing {
    const fn words(self) -> &'static str {
        match self {
            Self::Looking => "look for",
            Self::Creating => "create",
            Self::Sending => "take the file of",
            Self::Changing => "change",
            Self::Sharing => "share",
        }
    }
}

/// What an answer that is no success means. `said` are its words without secrets.
pub fn refusal(doing: Doing, request: &Request, answer: &Answer, said: &str) -> PublishError {
    let name = &request.name;
    let status = answer.status;
    let lower = said.to_lowercase();
    let error = |code: Code, message: String| PublishError::new(code, message).said(said);
    let is_limit = lower.contains("quota") || lower.contains("limit");
    if status == StatusCode::PAYLOAD_TOO_LARGE || status == StatusCode::FORBIDDEN && is_limit {
        return error(codes::TARGET_QUOTA, format!("the project has no room for `{name}`"))
            .help("delete images there that nobody needs: `openstack image list --sort created_at:asc`")
            .help("or ask the cloud's administrators for more");
    }
    if status == StatusCode::UNAUTHORIZED {
        return error(codes::TARGET_DENIED, format!("Glance does not let you {} `{name}`", doing.words()))
            .note("a new token was refused as well")
            .help("look at the credentials in your clouds.yaml");
    }
    if status == StatusCode::FORBIDDEN && lower.contains("protected") {
        return error(codes::TARGET_PROTECTED, format!("`{name}` is protected there"))
            .help(format!("whoever may takes that off: `openstack image set --unprotected {name}`"));
    }
    if status == StatusCode::FORBIDDEN && (lower.contains("publicize") || lower.contains("communitize")) {
        let visibility = request.visibility.as_str();
        return error(codes::TARGET_REFUSED, format!("you may not make an image `{visibility}` there")).help(
            "write `visibility = shared` and name projects by `share`, or let an administrator publish",
        );
    }
    if status == StatusCode::CONFLICT && doing == Doing::Creating {
        return error(codes::NAME_TAKEN, format!("there is another image `{name}`"));
    }
    if status.is_server_error() {
        let message = format!("Glance could not {} `{name}`", doing.words());
        return error(codes::TARGET_UNREACHABLE, message)
            .help("`imgfile publish` may be typed again: what is there is not sent twice");
    }
    error(codes::TARGET_REFUSED, format!("Glance does not {} `{name}`", doing.words()))
}

/// Another image of this name is there already, and has other content.
pub fn name_taken(request: &Request, id: &str, protected: bool) -> PublishError {
    let name = &request.name;
    let message = format!("there is another image `{name}`, with other content");
    let mut error = PublishError::new(codes::NAME_TAKEN, message).note(format!("its id is {id}")).help(
        format!("let each version have a name of its own: `name = \"{name}-${{version}}\"`, with a `param`"),
    );
    if protected {
        error = error.note("it is protected, so that it cannot be deleted");
    } else {
        error = error.help(format!("or give that one another: `openstack image set --name {name}-old {id}`"));
    }
    error
}
