//! What S3 refuses, in its own words, and the way out.

use reqwest::StatusCode;

use crate::{
    diagnostic::codes,
    publish::{PublishError, Request, service::Answer},
};

/// What an answer that is no success means. `said` are its words without secrets.
pub fn refusal(request: &Request, bucket: &str, answer: &Answer, said: &str) -> PublishError {
    let name = &request.name;
    let has = |code: &str| said.contains(code);
    let error = |code, message: String| PublishError::new(code, message).said(said);
    if has("ExpiredToken") || has("TokenRefreshRequired") {
        return error(codes::TARGET_DENIED, "your session at the service has ended".to_owned())
            .help("get new credentials, such as by `aws sso login`, and type `imgfile publish` again");
    }
    if has("InvalidAccessKeyId") || has("SignatureDoesNotMatch") || answer.status == StatusCode::UNAUTHORIZED
    {
        return error(codes::TARGET_DENIED, "your credentials are refused".to_owned())
            .help("look at `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or at ~/.aws/credentials");
    }
    if has("NoSuchBucket") {
        return error(codes::TARGET_CONFIG, format!("there is no bucket `{bucket}`"))
            .help(format!("make it: `aws s3 mb s3://{bucket}`; or name another in your configuration"));
    }
    if has("PermanentRedirect") || has("AuthorizationHeaderMalformed") || answer.status.is_redirection() {
        return error(codes::REGION_UNKNOWN, format!("the bucket `{bucket}` is in another region")).help(
            format!(
                "say which: `region = \"…\"`; `aws s3api get-bucket-location --bucket {bucket}` knows it"
            ),
        );
    }
    if has("BadDigest") || has("InvalidDigest") {
        return error(codes::CHECKSUM_DIFFERS, format!("what came of `{name}` is not what was sent"))
            .help("type `imgfile publish` again");
    }
    if has("EntityTooLarge") || said.to_lowercase().contains("quota") {
        return error(codes::TARGET_QUOTA, format!("the bucket `{bucket}` has no room for `{name}`"));
    }
    if answer.status == StatusCode::FORBIDDEN {
        return error(codes::TARGET_DENIED, format!("you may not write `{name}` to the bucket `{bucket}`"))
            .help("ask for the rights `s3:PutObject`, `s3:GetObject` and `s3:AbortMultipartUpload`");
    }
    if answer.status.is_server_error() || has("SlowDown") {
        return error(codes::TARGET_UNREACHABLE, format!("the service could not take `{name}`"))
            .help("`imgfile publish` may be typed again: what is there is not sent twice");
    }
    error(codes::TARGET_REFUSED, format!("the service does not take `{name}`"))
}
