//! `clouds.yaml`, as every tool of OpenStack reads it: one entry of it, with its `secure.yaml`.
//!
//! The working folder's is left out: it is a project's file, and would say where the user's password goes.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

use crate::{
    diagnostic::codes,
    publish::{PublishError, TargetConfig, service::Secrets},
    store::read_regular,
};

/// Bytes of a file.
const LIMIT: u64 = 1 << 20;

/// One cloud of the file, with what is needed of it.
pub struct Cloud {
    /// As `cloud = "…"` names it.
    pub name: String,
    /// Of Keystone, without `/v3`.
    pub auth_url: String,
    /// The body of the request for a token.
    pub auth: Value,
    /// `region_name`
    pub region: Option<String>,
    /// Which of a service's addresses: `public`, `internal` or `admin`.
    pub interface: String,
    /// Certificate authorities of the cloud.
    pub cacert: Option<PathBuf>,
    /// Address of Glance in place of what Keystone's catalogue says.
    pub image_endpoint: Option<String>,
    /// What no message may show.
    pub secrets: Secrets,
}

impl std::fmt::Debug for Cloud {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cloud")
            .field("name", &self.name)
            .field("auth_url", &self.auth_url)
            .finish_non_exhaustive()
    }
}

impl Cloud {
    /// The cloud that a target names.
    pub fn of(
        config: &TargetConfig,
        env: &(dyn Fn(&str) -> Option<OsString> + Sync),
    ) -> Result<Self, PublishError> {
        let name = config.text("cloud").unwrap_or_default();
        let file = file(config, env)?;
        let clouds = read(&file)?;
        let Some(cloud) = clouds.get(name) else {
            let known: Vec<String> = clouds.keys().map(|name| format!("`{name}`")).collect();
            return Err(unusable(format!("there is no cloud `{name}` in {}", file.display())).help(format!(
                "it has {}",
                if known.is_empty() { "none".to_owned() } else { known.join(", ") }
            )));
        };
        let mut cloud = cloud.clone();
        let secure =
            env("OS_CLIENT_SECURE_FILE").map_or_else(|| file.with_file_name("secure.yaml"), PathBuf::from);
        if secure.is_file()
            && let Some(more) = read(&secure)?.get(name)
        {
            merge(&mut cloud, more);
        }
        Entry { name, file: &file, value: &cloud }.cloud()
    }
}

fn unusable(message: String) -> PublishError {
    PublishError::new(codes::TARGET_CONFIG, message)
}

/// The file that is read: the one that the target or `OS_CLIENT_CONFIG_FILE` names, the user's own, or the host's.
fn file(
    config: &TargetConfig,
    env: &(dyn Fn(&str) -> Option<OsString> + Sync),
) -> Result<PathBuf, PublishError> {
    if let Some(path) = config.path("config") {
        return Ok(path.to_owned());
    }
    if let Some(path) = env("OS_CLIENT_CONFIG_FILE").filter(|path| !path.is_empty()) {
        return Ok(path.into());
    }
    let absolute = |name: &str| env(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let own = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")));
    let folders = own.into_iter().map(|own| own.join("openstack")).chain([PathBuf::from("/etc/openstack")]);
    let files: Vec<PathBuf> =
        folders.flat_map(|folder| ["clouds.yaml", "clouds.yml"].map(|name| folder.join(name))).collect();
    match files.iter().find(|file| file.is_file()) {
        Some(file) => Ok(file.clone()),
        None => {
            let own = files.first().map(|file| file.display().to_string()).unwrap_or_default();
            Err(unusable("there is no clouds.yaml".to_owned()).help(format!(
                "download it from your cloud's dashboard to {own}, or name it: `OS_CLIENT_CONFIG_FILE=…`, or \
                 `config = \"…\"` of the target"
            )))
        }
    }
}

fn read(path: &Path) -> Result<Map<String, Value>, PublishError> {
    let wrong = |reason: String| unusable(format!("{} cannot be used: {reason}", path.display()));
    let bytes = read_regular(path, LIMIT).map_err(|error| wrong(error.to_string()))?;
    // Where it is wrong is told, and not what stands there.
    let text = String::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8 text".to_owned()))?;
    let yaml: Value = serde_yaml::from_str(&text).map_err(|error| match error.location() {
        Some(place) => wrong(format!("line {} is not YAML", place.line())),
        None => wrong("it is not YAML".to_owned()),
    })?;
    match yaml.get("clouds") {
        Some(Value::Object(clouds)) => Ok(clouds.clone()),
        _ => Err(wrong("it has no `clouds`".to_owned())),
    }
}

fn merge(one: &mut Value, more: &Value) {
    match (one, more) {
        (Value::Object(one), Value::Object(more)) => {
            for (key, value) in more {
                merge(one.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (one, more) => *one = more.clone(),
    }
}

/// An entry that is read.
struct Entry<'a> {
    name: &'a str,
    file: &'a Path,
    value: &'a Value,
}

impl Entry<'_> {
    fn cloud(&self) -> Result<Cloud, PublishError> {
        let auth_url = self.auth("auth_url").ok_or_else(|| self.lacks("auth.auth_url"))?;
        let auth_url = auth_url.trim_end_matches('/').trim_end_matches("/v3").to_owned();
        if self.value.get("verify") == Some(&Value::Bool(false)) {
            return Err(unusable(format!("the cloud `{}` has `verify: false`", self.name))
                .note("whoever is between here and there could read the password")
                .help("name the certificate authority of the cloud: `cacert: /etc/ssl/mycloud.pem`"));
        }
        let mut secrets = Secrets::default();
        for key in ["password", "application_credential_secret", "token"] {
            if let Some(secret) = self.auth(key) {
                secrets.add(&secret);
            }
        }
        let cacert = text(&self.value["cacert"]).map(PathBuf::from);
        Ok(Cloud {
            name: self.name.to_owned(),
            auth_url,
            auth: self.request()?,
            region: text(&self.value["region_name"]),
            interface: text(&self.value["interface"]).unwrap_or_else(|| "public".to_owned()),
            cacert: cacert.map(|path| self.file.parent().unwrap_or(Path::new("/")).join(path)),
            image_endpoint: text(&self.value["image_endpoint_override"]),
            secrets,
        })
    }

    fn auth(&self, key: &str) -> Option<String> {
        text(&self.value["auth"][key])
    }

    fn lacks(&self, key: &str) -> PublishError {
        unusable(format!("the cloud `{}` in {} has no `{key}`", self.name, self.file.display()))
    }

    /// What is posted for a token.
    fn request(&self) -> Result<Value, PublishError> {
        let kind = text(&self.value["auth_type"]).unwrap_or_default();
        let identity = match kind.trim_start_matches("v3") {
            "applicationcredential" => return self.application_credential(),
            "token" => json!({
                "methods": ["token"],
                "token": { "id": self.auth("token").ok_or_else(|| self.lacks("auth.token"))? },
            }),
            "" | "password" => {
                let password = self.auth("password").ok_or_else(|| self.lacks("auth.password"))?;
                let mut user = self.user()?;
                user["password"] = password.into();
                json!({ "methods": ["password"], "password": { "user": user } })
            }
            other => {
                return Err(unusable(format!("the cloud `{}` has `auth_type: {other}`", self.name)).help(
                    "`password`, `v3applicationcredential` and `token` are understood; an application credential is \
                     made for programs: `openstack application credential create imgfile`",
                ));
            }
        };
        Ok(json!({ "auth": { "identity": identity, "scope": { "project": self.project()? } } }))
    }

    fn application_credential(&self) -> Result<Value, PublishError> {
        let secret = self
            .auth("application_credential_secret")
            .ok_or_else(|| self.lacks("auth.application_credential_secret"))?;
        let mut credential = json!({ "secret": secret });
        match (self.auth("application_credential_id"), self.auth("application_credential_name")) {
            (Some(id), _) => credential["id"] = id.into(),
            (None, Some(name)) => {
                credential["name"] = name.into();
                credential["user"] = self.user()?;
            }
            (None, None) => return Err(self.lacks("auth.application_credential_id")),
        }
        // It knows its project.
        let identity = json!({ "methods": ["application_credential"], "application_credential": credential });
        Ok(json!({ "auth": { "identity": identity } }))
    }

    fn user(&self) -> Result<Value, PublishError> {
        if let Some(id) = self.auth("user_id") {
            return Ok(json!({ "id": id }));
        }
        let name = self.auth("username").ok_or_else(|| self.lacks("auth.username"))?;
        Ok(json!({ "name": name, "domain": self.domain("user_domain") }))
    }

    fn project(&self) -> Result<Value, PublishError> {
        if let Some(id) = self.auth("project_id").or_else(|| self.auth("tenant_id")) {
            return Ok(json!({ "id": id }));
        }
        let name = self.auth("project_name").or_else(|| self.auth("tenant_name"));
        let name = name.ok_or_else(|| self.lacks("auth.project_name"))?;
        Ok(json!({ "name": name, "domain": self.domain("project_domain") }))
    }

    /// The domain of a user or project; the one that every cloud has, if none is named.
    fn domain(&self, whose: &str) -> Value {
        let either = |suffix: &str| {
            let own = self.auth(&format!("{whose}_{suffix}"));
            own.or_else(|| self.auth(&format!("domain_{suffix}")))
                .or_else(|| self.auth(&format!("default_domain_{suffix}")))
        };
        match (either("id"), either("name")) {
            (Some(id), _) => json!({ "id": id }),
            (None, Some(name)) => json!({ "name": name }),
            (None, None) => json!({ "id": "default" }),
        }
    }
}

/// A text; numbers, which YAML makes of some ids, are as they are written.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::{ConfigValue, TargetEntry};

    fn cloud(clouds: &str, secure: Option<&str>) -> Result<Cloud, PublishError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("clouds.yaml");
        std::fs::write(&file, clouds).unwrap();
        if let Some(secure) = secure {
            std::fs::write(folder.path().join("secure.yaml"), secure).unwrap();
        }
        let values = [("cloud".to_owned(), ConfigValue::Text("mine".to_owned()))].into();
        let driver = TargetEntry::named("glance").unwrap();
        let config = TargetConfig { name: "prod".into(), driver, values };
        Cloud::of(&config, &|name| (name == "OS_CLIENT_CONFIG_FILE").then(|| file.clone().into()))
    }

    #[test]
    fn a_password_may_lie_in_another_file() {
        let found = cloud(
            "clouds:\n  mine:\n    region_name: a\n    auth:\n      auth_url: http://k:5000/v3/\n      username: ann\n      \
             project_name: shop\n      user_domain_name: Default\n      project_domain_id: default\n",
            Some("clouds:\n  mine:\n    auth:\n      password: hunter22\n"),
        );
        let found = found.unwrap();
        assert_eq!(found.auth_url, "http://k:5000");
        assert_eq!(found.region.as_deref(), Some("a"));
        let user = &found.auth["auth"]["identity"]["password"]["user"];
        assert_eq!(*user, json!({ "name": "ann", "domain": { "name": "Default" }, "password": "hunter22" }));
        let project = &found.auth["auth"]["scope"]["project"];
        assert_eq!(*project, json!({ "name": "shop", "domain": { "id": "default" } }));
        assert!(!format!("{found:?}").contains("hunter22"));
        assert_eq!(found.secrets.masked("hunter22"), "***");
    }

    #[test]
    fn an_application_credential_knows_its_project() {
        let found = cloud(
            "clouds:\n  mine:\n    auth_type: v3applicationcredential\n    auth:\n      auth_url: http://k:5000\n      \
             application_credential_id: abc\n      application_credential_secret: hunter22\n",
            None,
        );
        let auth = found.unwrap().auth;
        assert_eq!(
            auth["auth"]["identity"]["application_credential"],
            json!({ "id": "abc", "secret": "hunter22" })
        );
        assert_eq!(auth["auth"].get("scope"), None);
    }

    #[test]
    fn what_is_missing_is_told_and_no_secret_is() {
        let told = |clouds: &str| cloud(clouds, None).unwrap_err().to_string();
        assert!(told("clouds: {other: {}}").contains("there is no cloud `mine`"));
        assert!(told("clouds: {mine: {auth: {}}}").contains("has no `auth.auth_url`"));
        assert!(
            told("clouds: {mine: {auth: {auth_url: u, username: ann}}}").contains("has no `auth.password`")
        );
        assert!(told("clouds: {mine: {verify: false, auth: {auth_url: u}}}").contains("verify: false"));
        assert!(told("clouds: {mine: {auth_type: v3oidc, auth: {auth_url: u}}}").contains("auth_type: oidc"));
        let broken = told("clouds:\n  mine:\n    auth: {password: hunter22\n");
        assert!(broken.contains("not YAML") && !broken.contains("hunter22"), "{broken}");
    }
}
