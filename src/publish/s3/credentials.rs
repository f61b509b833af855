//! Who one is: the variables and the file that every client of S3 goes by.

use std::{ffi::OsString, path::PathBuf};

use super::sign::Credentials;
use crate::{
    diagnostic::codes,
    publish::{PublishError, TargetConfig, service::Secrets},
    store::read_regular,
};

/// Bytes of the file.
const LIMIT: u64 = 1 << 20;

type Env<'a> = &'a (dyn Fn(&str) -> Option<OsString> + Sync);

/// The profile that the target names, else the variables, else the profile that these or nobody name.
pub fn find(config: &TargetConfig, env: Env<'_>) -> Result<(Credentials, Secrets), PublishError> {
    let text = |name: &str| env(name)?.into_string().ok().filter(|text| !text.is_empty());
    if config.text("profile").is_none()
        && let (Some(key), Some(secret)) = (text("AWS_ACCESS_KEY_ID"), text("AWS_SECRET_ACCESS_KEY"))
    {
        return Ok(made(key, secret, text("AWS_SESSION_TOKEN")));
    }
    let profile = config.text("profile").map(str::to_owned).or_else(|| text("AWS_PROFILE"));
    let profile = profile.unwrap_or_else(|| "default".to_owned());
    let named = text("AWS_SHARED_CREDENTIALS_FILE").map(PathBuf::from);
    let Some(file) = named.or_else(|| Some(PathBuf::from(text("HOME")?).join(".aws/credentials"))) else {
        return Err(unusable("nothing says where your credentials for S3 are: `HOME` is not set".to_owned()));
    };
    let read = read_regular(&file, LIMIT).map_err(|error| {
        unusable(format!("your credentials for S3 cannot be read from {}: {error}", file.display()))
            .help("set `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or write the file by `aws configure`")
    })?;
    let entries = section(&String::from_utf8_lossy(&read), &profile);
    let value =
        |key: &str| entries.iter().rev().find(|(known, _)| known == key).map(|(_, value)| value.clone());
    match (value("aws_access_key_id"), value("aws_secret_access_key")) {
        (Some(key), Some(secret)) => Ok(made(key, secret, value("aws_session_token"))),
        _ => Err(unusable(format!("{} has no credentials of the profile `{profile}`", file.display()))
            .help(format!("write them by `aws configure --profile {profile}`"))),
    }
}

fn unusable(message: String) -> PublishError {
    PublishError::new(codes::TARGET_CONFIG, message)
}

fn made(key: String, secret: String, token: Option<String>) -> (Credentials, Secrets) {
    let mut secrets = Secrets::default();
    secrets.add(&secret);
    if let Some(token) = &token {
        secrets.add(token);
    }
    (Credentials { key, secret, token }, secrets)
}

/// The entries of one section of an INI file.
fn section(text: &str, name: &str) -> Vec<(String, String)> {
    let (mut within, mut entries) = (false, Vec::new());
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
        if let Some(head) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            within = head.trim() == name;
        } else if let (true, Some((key, value))) = (within, line.split_once('=')) {
            entries.push((key.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::{ConfigValue, TargetEntry};

    fn found(profile: Option<&str>, env: &[(&str, &str)]) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("credentials");
        let text = "[default]\naws_access_key_id = ann\naws_secret_access_key=secret one\n# [default]\n[ci]\n\
                    aws_access_key_id = robot\naws_secret_access_key = secret two\naws_session_token = token\n";
        std::fs::write(&file, text).unwrap();
        let profile = profile.map(|profile| ("profile".to_owned(), ConfigValue::Text(profile.to_owned())));
        let values = profile.into_iter().collect();
        let driver = TargetEntry::named("s3").unwrap();
        let config = TargetConfig { name: "prod".into(), driver, values };
        let look = |name: &str| match name {
            "AWS_SHARED_CREDENTIALS_FILE" => Some(file.clone().into()),
            _ => env.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into()),
        };
        let found = find(&config, &look).map_err(|error| error.to_string())?;
        assert!(!format!("{:?}", found.1).contains("secret"));
        Ok(format!("{} {} {}", found.0.key, found.0.secret, found.0.token.as_deref().unwrap_or("-")))
    }

    #[test]
    fn the_nearest_credentials_count() {
        let own = [("AWS_ACCESS_KEY_ID", "me"), ("AWS_SECRET_ACCESS_KEY", "mine")];
        assert_eq!(found(None, &[]).unwrap(), "ann secret one -");
        assert_eq!(found(None, &own).unwrap(), "me mine -");
        assert_eq!(found(None, &[("AWS_PROFILE", "ci")]).unwrap(), "robot secret two token");
        assert_eq!(found(Some("ci"), &own).unwrap(), "robot secret two token");
        assert!(found(Some("other"), &own).unwrap_err().contains("no credentials of the profile `other`"));
    }
}
