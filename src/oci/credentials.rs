//! Names and passwords as docker and podman keep them: `auth.json` and `config.json`.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::Repository;
use crate::store::read_regular;

/// Bytes of a file of credentials.
const LIMIT: u64 = 1 << 20;

/// Who asks a registry. Nothing shows what is in it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    login: Option<(String, String)>,
    /// Why there is none, where there is something to say.
    remark: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("login", &self.login.is_some())
            .field("remark", &self.remark)
            .finish()
    }
}

impl Credentials {
    /// A name and a password.
    #[must_use]
    pub fn login(name: &str, password: &str) -> Self {
        Self { login: Some((name.to_owned(), password.to_owned())), remark: None }
    }

    /// Those of the first of the user's files that has some for a repository, in podman's order, then docker's.
    pub fn of_user(repository: &Repository, env: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let mut remark = None;
        for path in files(env) {
            let Ok(bytes) = read_regular(&path, LIMIT) else { continue };
            let Ok(json) = serde_json::from_slice::<serde_json::Value>(&bytes) else {
                remark.get_or_insert(format!("`{}` is not JSON", path.display()));
                continue;
            };
            match in_file(&json, repository) {
                Ok(Some(login)) => return Self { login: Some(login), remark: None },
                Ok(None) => {}
                Err(what) => drop(remark.get_or_insert(format!("`{}` {what}", path.display()))),
            }
        }
        Self { login: None, remark }
    }

    /// As a header says it; none where nobody in particular asks.
    pub(super) fn basic(&self) -> Option<String> {
        let (name, password) = self.login.as_ref()?;
        Some(format!("Basic {}", STANDARD.encode(format!("{name}:{password}"))))
    }

    pub(super) fn remark(&self) -> Option<&str> {
        self.remark.as_deref()
    }
}

fn files(env: &dyn Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let folder = |name: &str| env(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = folder("HOME");
    let below = |name: &str| home.as_deref().map(|home: &Path| home.join(name));
    [
        folder("REGISTRY_AUTH_FILE"),
        folder("XDG_RUNTIME_DIR").map(|path| path.join("containers/auth.json")),
        folder("XDG_CONFIG_HOME").or_else(|| below(".config")).map(|path| path.join("containers/auth.json")),
        folder("DOCKER_CONFIG").or_else(|| below(".docker")).map(|path| path.join("config.json")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The most special entry for a repository, as podman chooses: of the repository, of a folder above it, of the registry.
fn in_file(json: &serde_json::Value, repository: &Repository) -> Result<Option<(String, String)>, String> {
    let whole = format!("{}/{}", repository.host(), repository.path());
    let mut names: Vec<&str> = whole.match_indices('/').map(|(at, _)| &whole[..at]).collect();
    names.push(&whole);
    let host = repository.host();
    let docker = [format!("https://{host}"), format!("https://{host}/v1/"), format!("https://{host}/v2/")];
    let names = names.into_iter().rev().chain(docker.iter().map(String::as_str));
    let auths = &json["auths"];
    if let Some(entry) = names.into_iter().map(|name| &auths[name]).find(|entry| !entry.is_null()) {
        let text = |name: &str| entry[name].as_str().filter(|text| !text.is_empty());
        if let Some(auth) = text("auth") {
            let login = STANDARD.decode(auth).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let login = login.and_then(|login| {
                let (name, password) = login.split_once(':')?;
                Some((name.to_owned(), password.trim_end_matches('\0').to_owned()))
            });
            return login.map(Some).ok_or_else(|| format!("has a broken `auth` for `{host}`"));
        }
        if let (Some(name), Some(password)) = (text("username"), text("password")) {
            return Ok(Some((name.to_owned(), password.to_owned())));
        }
        if text("identitytoken").is_some() {
            return Err(format!("has an identity token for `{host}`, which imgfile cannot use"));
        }
    }
    let helper = json["credHelpers"][host].as_str().or_else(|| json["credsStore"].as_str());
    match helper {
        Some(helper) => Err(format!(
            "leaves credentials to the program `docker-credential-{helper}`, which imgfile does not run"
        )),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(file: &str, text: &str, repository: &str) -> Credentials {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        let env = |name: &str| (name == "HOME").then(|| home.path().as_os_str().to_owned());
        Credentials::of_user(&Repository::parse(repository).unwrap(), &env)
    }

    const DOCKER: &str = ".docker/config.json";

    #[test]
    fn the_most_special_entry_counts() {
        let text = format!(
            r#"{{"auths": {{"r.example": {{"auth": "{}"}}, "r.example/team": {{"auth": "{}"}}}}}}"#,
            STANDARD.encode("all:a:b"),
            STANDARD.encode("team:t")
        );
        assert_eq!(of(DOCKER, &text, "oci://r.example/x"), Credentials::login("all", "a:b"));
        assert_eq!(of(DOCKER, &text, "oci://r.example/team/x"), Credentials::login("team", "t"));
        assert_eq!(of(DOCKER, &text, "oci://r.example/teams"), Credentials::login("all", "a:b"));
        assert_eq!(of(DOCKER, &text, "oci://other.example/x"), Credentials::default());
        assert_eq!(
            of(".config/containers/auth.json", &text, "oci://r.example/x"),
            Credentials::login("all", "a:b")
        );
        let docker = text.replace("\"r.example\"", "\"https://r.example/v1/\"");
        assert_eq!(of(DOCKER, &docker, "oci://r.example/x"), Credentials::login("all", "a:b"));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let remark = |text: &str| of(DOCKER, text, "oci://r.example/x").remark.unwrap();
        assert!(remark(r#"{"credsStore": "pass"}"#).contains("docker-credential-pass"));
        assert!(remark(r#"{"credHelpers": {"r.example": "gcr"}}"#).contains("docker-credential-gcr"));
        assert!(remark(r#"{"auths": {"r.example": {"auth": "*"}}}"#).contains("broken `auth`"));
        assert!(remark(r#"{"auths": {"r.example": {"identitytoken": "x"}}}"#).contains("identity token"));
        assert!(remark("{").contains("is not JSON"));
    }

    #[test]
    fn nothing_shows_a_password() {
        assert!(!format!("{:?}", Credentials::login("name", "hunter22")).contains("hunter22"));
    }
}
