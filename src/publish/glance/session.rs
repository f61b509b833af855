//! A connection of one user to one cloud: a token, which is renewed when it ends, and where Glance is.

use std::{collections::BTreeSet, path::Path};

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{Client, RequestBuilder, StatusCode, header::HeaderValue};
use serde_json::Value;
use tokio::sync::Mutex;

use super::clouds::Cloud;
use crate::{
    diagnostic::codes,
    publish::{
        Progress, PublishError, Sending,
        service::{self, Answer, Secrets},
    },
    store::{fetch::Network, read_regular},
};

/// Bytes of a file of certificates.
const CA: u64 = 16 << 20;
/// A token that ends sooner is renewed before anything large is sent by it.
const SOON: TimeDelta = TimeDelta::minutes(10);

/// What Keystone said of a user.
#[derive(Clone)]
struct Token {
    /// Marked as a secret.
    header: HeaderValue,
    secrets: Secrets,
    ends: Option<DateTime<Utc>>,
    /// Of the project that it is for.
    project: String,
    catalogue: Value,
}

/// One user at one cloud.
pub struct Session {
    pub http: Client,
    cloud: Cloud,
    token: Mutex<Token>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("cloud", &self.cloud).finish_non_exhaustive()
    }
}

impl Session {
    /// Logs in.
    pub async fn open(cloud: Cloud, network: &Network) -> Result<Self, PublishError> {
        let http = service::client(network, |builder| match &cloud.cacert {
            Some(path) => Ok(builder.tls_certs_merge(certificates(path)?)),
            None => Ok(builder),
        })?;
        let token = log_in(&http, &cloud).await?;
        Ok(Self { http, cloud, token: Mutex::new(token) })
    }

    /// Id of the project that images are published to.
    pub async fn project(&self) -> String {
        self.token.lock().await.project.clone()
    }

    /// A service's words without secrets.
    pub async fn words(&self, answer: &Answer) -> String {
        self.token.lock().await.secrets.masked(&answer.words())
    }

    /// Sends a request, with a token, and once more with a new one where that was refused.
    pub async fn ask(&self, request: impl Fn() -> RequestBuilder) -> Result<Answer, PublishError> {
        let (token, answer) = {
            let token = self.token.lock().await.header.clone();
            let answer = service::ask(request().header("X-Auth-Token", token.clone())).await?;
            (token, answer)
        };
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let token = self.renewed(&token).await?;
        service::ask(request().header("X-Auth-Token", token)).await
    }

    /// Sends a file. A token that is about to end is renewed before, since all of the file would have to go again.
    pub async fn upload(
        &self,
        request: impl Fn(&Sending) -> Result<RequestBuilder, PublishError>,
        size: u64,
        progress: Progress<'_>,
    ) -> Result<(Answer, Sending), PublishError> {
        let token = {
            let token = self.token.lock().await;
            let ends_soon = token.ends.is_some_and(|ends| ends - Utc::now() < SOON);
            let header = token.header.clone();
            drop(token);
            if ends_soon { self.renewed(&header).await? } else { header }
        };
        let sending = Sending::default();
        let sent = request(&sending)?.header("X-Auth-Token", token.clone());
        let answer = service::upload(sent, &sending, size, progress).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok((answer, sending));
        }
        let token = self.renewed(&token).await?;
        let sending = Sending::default();
        let sent = request(&sending)?.header("X-Auth-Token", token);
        Ok((service::upload(sent, &sending, size, progress).await?, sending))
    }

    /// A token in place of one that was refused; another task may have got it already.
    async fn renewed(&self, refused: &HeaderValue) -> Result<HeaderValue, PublishError> {
        let mut token = self.token.lock().await;
        if token.header == *refused {
            *token = log_in(&self.http, &self.cloud).await?;
        }
        Ok(token.header.clone())
    }

    /// The region that is meant and where Glance is in it, without `/v2`.
    pub async fn glance(&self, region: Option<&str>) -> Result<(Option<String>, String), PublishError> {
        let region = region.or(self.cloud.region.as_deref());
        let clean = |url: &str| url.trim_end_matches('/').trim_end_matches("/v2").to_owned();
        if let Some(url) = &self.cloud.image_endpoint {
            return Ok((region.map(str::to_owned), clean(url)));
        }
        let token = self.token.lock().await;
        let found = endpoints(&token.catalogue, &self.cloud.interface);
        drop(token);
        let regions: BTreeSet<&str> = found.iter().map(|(region, _)| region.as_str()).collect();
        let known = || regions.iter().map(|region| format!("`{region}`")).collect::<Vec<_>>().join(", ");
        let cloud = &self.cloud.name;
        if found.is_empty() {
            let interface = &self.cloud.interface;
            return Err(PublishError::new(
                codes::REGION_UNKNOWN,
                format!("the cloud `{cloud}` has no image service"),
            )
            .note(format!("its catalogue names no `{interface}` address of type `image`")));
        }
        let chosen = match region {
            Some(region) => found.iter().find(|(known, _)| known == region),
            None if regions.len() == 1 => found.first(),
            None => {
                let message = format!("the cloud `{cloud}` has several regions, and none is named");
                return Err(PublishError::new(codes::REGION_UNKNOWN, message)
                    .help(format!("name some: `regions = [\"…\"]`; there are {}", known())));
            }
        };
        match chosen {
            Some((region, url)) => Ok((Some(region.clone()), clean(url))),
            None => {
                let region = region.unwrap_or_default();
                let message = format!("the cloud `{cloud}` has no region `{region}` with an image service");
                Err(PublishError::new(codes::REGION_UNKNOWN, message).help(format!("there are {}", known())))
            }
        }
    }
}

/// Regions and addresses of the image service.
fn endpoints(catalogue: &Value, interface: &str) -> Vec<(String, String)> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let images = list(catalogue).into_iter().filter(|service| service["type"] == "image");
    let all = images.flat_map(|service| list(&service["endpoints"]));
    all.filter(|endpoint| endpoint["interface"] == interface)
        .filter_map(|endpoint| {
            let region = endpoint["region_id"].as_str().or_else(|| endpoint["region"].as_str())?;
            Some((region.to_owned(), endpoint["url"].as_str()?.to_owned()))
        })
        .collect()
}

fn certificates(path: &Path) -> Result<Vec<reqwest::Certificate>, PublishError> {
    let unusable = |reason: String| {
        let message = format!("the certificates in {} cannot be used: {reason}", path.display());
        PublishError::new(codes::TARGET_CONFIG, message)
    };
    let pem = read_regular(path, CA).map_err(|error| unusable(error.to_string()))?;
    reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| unusable(error.to_string()))
}

async fn log_in(http: &Client, cloud: &Cloud) -> Result<Token, PublishError> {
    let url = format!("{}/v3/auth/tokens", cloud.auth_url);
    let request = http.post(&url).header("Content-Type", "application/json").body(cloud.auth.to_string());
    let answer = service::ask(request).await?;
    let said = cloud.secrets.masked(&answer.words());
    let name = &cloud.name;
    let denied = |message: String| PublishError::new(codes::TARGET_DENIED, message).said(&said);
    match answer.status {
        StatusCode::CREATED => {}
        StatusCode::UNAUTHORIZED => {
            return Err(denied(format!("the credentials of the cloud `{name}` are refused")).help(format!(
                "look at `{name}` in your clouds.yaml; `openstack --os-cloud {name} token issue` tries the same"
            )));
        }
        StatusCode::FORBIDDEN => {
            return Err(denied(format!("the user of the cloud `{name}` may not work in its project"))
                .help("ask for a role in the project, such as `member`"));
        }
        status if status.is_server_error() => {
            let message = format!("Keystone of the cloud `{name}` has a defect of its own");
            return Err(PublishError::new(codes::TARGET_UNREACHABLE, message).said(&said));
        }
        _ => {
            let message = format!("no Keystone answers at `{url}`");
            return Err(PublishError::new(codes::TARGET_UNREACHABLE, message)
                .said(&said)
                .help(format!("look at `auth_url` of `{name}` in your clouds.yaml")));
        }
    }
    let json = answer.json();
    let token = &json["token"];
    let subject = answer.headers.get("X-Subject-Token").cloned();
    let (Some(mut header), Some(project)) = (subject, token["project"]["id"].as_str()) else {
        return Err(PublishError::new(
            codes::TARGET_DENIED,
            format!("the credentials of the cloud `{name}` are good for no project"),
        )
        .help(format!("name one: `project_name` or `project_id` of `{name}` in your clouds.yaml")));
    };
    header.set_sensitive(true);
    let mut secrets = cloud.secrets.clone();
    secrets.add(header.to_str().unwrap_or_default());
    let ends = token["expires_at"].as_str().and_then(|time| DateTime::parse_from_rfc3339(time).ok());
    Ok(Token {
        header,
        secrets,
        ends: ends.map(|ends| ends.to_utc()),
        project: project.to_owned(),
        catalogue: token["catalog"].clone(),
    })
}
