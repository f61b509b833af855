//! S3, and what speaks it: an object of a bucket, sent in parts of which each has its checksum.

mod credentials;
mod object;
mod parts;
mod refusal;
mod sign;

use reqwest::Client;

use super::{
    ConfigKey, KeyKind, Op, OpenContext, Progress, PublishError, Published, Request, Target, TargetConfig,
    TargetEntry,
    service::{self, Secrets},
};
use crate::{diagnostic::codes, text::without_credentials};
use sign::{Bucket, Credentials};

const fn optional(name: &'static str, about: &'static str) -> ConfigKey {
    ConfigKey { name, kind: KeyKind::Text, required: false, about }
}

/// Its line of the registry.
pub const ENTRY: TargetEntry = TargetEntry {
    name: "s3",
    about: "a bucket of S3, or of what speaks it; credentials come from the environment or ~/.aws/credentials",
    takes: |_| true,
    has_regions: false,
    keys: &[
        ConfigKey { required: true, ..optional("bucket", "name of the bucket") },
        optional("region", "region of the bucket, `us-east-1` unless it is said"),
        optional("endpoint", "address of another service than Amazon's, such as `https://s3.example.org`"),
        optional("prefix", "what names begin with in the bucket, such as `images/`"),
        optional("profile", "profile of ~/.aws/credentials"),
    ],
    open: |config, context| Box::pin(async move { open(config, context) }),
};

fn open(config: &TargetConfig, context: OpenContext<'_>) -> Result<Box<dyn Target>, PublishError> {
    let (credentials, secrets) = credentials::find(config, context.env)?;
    let region = config.text("region").unwrap_or("us-east-1").to_owned();
    let name = config.text("bucket").unwrap_or_default().to_owned();
    // Hosts of other services seldom have a name for each bucket, and a certificate is for names without a dot.
    let (endpoint, by_path) = match config.text("endpoint") {
        Some(endpoint) => (endpoint.trim_end_matches('/').to_owned(), true),
        None if name.contains('.') => (format!("https://s3.{region}.amazonaws.com"), true),
        None => (format!("https://{name}.s3.{region}.amazonaws.com"), false),
    };
    let Some((scheme, host)) = endpoint.split_once("://").filter(|(scheme, host)| {
        matches!(*scheme, "http" | "https") && !host.is_empty() && !host.contains(['/', '?', '#', '@', ' '])
    }) else {
        let message = format!("`{}` is no address of a service", without_credentials(&endpoint));
        return Err(PublishError::new(codes::TARGET_CONFIG, message)
            .help("write it whole, without a path: `endpoint = \"https://s3.example.org\"`"));
    };
    let base = if by_path { format!("/{name}/") } else { "/".to_owned() };
    let bucket = Bucket { scheme: scheme.to_owned(), host: host.to_owned(), base, name, region };
    let http = service::client(context.network, Ok)?;
    let prefix = config.text("prefix").unwrap_or_default().to_owned();
    Ok(Box::new(S3 { http, bucket, credentials, secrets, prefix }))
}

struct S3 {
    http: Client,
    bucket: Bucket,
    credentials: Credentials,
    secrets: Secrets,
    prefix: String,
}

impl std::fmt::Debug for S3 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3").field("bucket", &self.bucket).finish_non_exhaustive()
    }
}

impl Target for S3 {
    fn publish<'a>(&'a self, request: &'a Request, progress: Progress<'a>) -> Op<'a, Published> {
        Box::pin(async move { object::Object::of(self, request)?.publish(progress).await })
    }
}
