//! One image of one region: found, made, sent, compared, and brought into line with what is asked.

use reqwest::{Body, Method, RequestBuilder, StatusCode, Url};
use serde_json::{Value, json};

use super::{
    properties::{OURS, changes, described, disk_format},
    refusal::{Doing, name_taken, refusal},
    session::Session,
};
use crate::{
    diagnostic::codes,
    publish::{
        Progress, PublishError, Published, Request, Sent,
        service::Answer,
        upload::{Sums, sums},
    },
};

/// Times that a file is sent before a connection that breaks is complained of.
const TRIES: u32 = 3;
/// How often it is asked whether an image is ready, and how long between.
const LOOKS: u32 = 150;
const BETWEEN: std::time::Duration = std::time::Duration::from_millis(400);

/// Glance in one region.
pub struct Region<'a> {
    pub session: &'a Session,
    pub name: Option<String>,
    /// Without `/v2`.
    pub url: String,
}

/// What there is under a name.
enum Found {
    /// The same content, ready.
    Same(Value),
    /// An image of ours to which no file was sent yet: an upload that broke.
    Begun(String),
    Nothing,
}

impl Region<'_> {
    pub async fn publish(
        &self,
        request: &Request,
        progress: Progress<'_>,
    ) -> Result<Published, PublishError> {
        match self.find(request).await? {
            Found::Same(image) => {
                let id = id(&image).to_owned();
                compare(request, &image, &sums(&request.file).await?)?;
                let changed = self.bring_into_line(request, &image).await?;
                let sent = if changed { Sent::Updated } else { Sent::There };
                self.published(request, id, sent).await
            }
            Found::Begun(id) => self.send(request, id, progress).await,
            Found::Nothing => {
                self.room_for(request).await?;
                let id = self.create(request).await?;
                self.send(request, id, progress).await
            }
        }
    }

    /// What follows once the content is there.
    async fn published(&self, request: &Request, id: String, sent: Sent) -> Result<Published, PublishError> {
        let notes = self.share(request, &id).await?;
        Ok(Published { id, region: self.name.clone(), sent, notes })
    }

    fn image_url(&self, id: &str) -> String {
        format!("{}/v2/images/{id}", self.url)
    }

    async fn ask(
        &self,
        method: Method,
        url: &str,
        body: Option<(&str, &Value)>,
    ) -> Result<Answer, PublishError> {
        let make = || -> RequestBuilder {
            let request = self.session.http.request(method.clone(), url);
            match body {
                Some((kind, body)) => request.header("Content-Type", kind).body(body.to_string()),
                None => request,
            }
        };
        self.session.ask(make).await
    }

    async fn refused(&self, doing: Doing, request: &Request, answer: &Answer) -> PublishError {
        refusal(doing, request, answer, &self.session.words(answer).await)
    }

    /// Looks for images of the project that have the name.
    async fn find(&self, request: &Request) -> Result<Found, PublishError> {
        let project = self.session.project().await;
        let query = [("name", request.name.as_str()), ("owner", &project), ("limit", "100")];
        let url = Url::parse_with_params(&format!("{}/v2/images", self.url), &query);
        let url = url.map_err(|error| {
            PublishError::new(
                codes::TARGET_CONFIG,
                format!("`{}` is no address of Glance: {error}", self.url),
            )
        })?;
        let answer = self.ask(Method::GET, url.as_str(), None).await?;
        if answer.status != StatusCode::OK {
            return Err(self.refused(Doing::Looking, request, &answer).await);
        }
        let json = answer.json();
        let images = json["images"].as_array().cloned().unwrap_or_default();
        let ours = request.sha256.to_string();
        let is_ours = |image: &&Value| image[OURS].as_str() == Some(&ours);
        let mut begun = None;
        for image in images.iter().filter(is_ours) {
            match image["status"].as_str() {
                Some("active") => return Ok(Found::Same(image.clone())),
                Some("queued") => begun = Some(id(image).to_owned()),
                Some("saving" | "importing") => {
                    let message = format!("`{}` is being sent there just now", request.name);
                    return Err(PublishError::new(codes::NAME_TAKEN, message)
                        .note(format!("its id is {}", id(image)))
                        .help(format!(
                            "wait for the other upload; if there is none, what is left of it has to go: \
                             `openstack image delete {}`",
                            id(image)
                        )));
                }
                _ => {}
            }
        }
        let is_there =
            |image: &&Value| matches!(image["status"].as_str(), Some("active" | "saving" | "importing"));
        if let Some(other) = images.iter().filter(|image| !is_ours(image)).find(is_there) {
            return Err(name_taken(request, id(other), other["protected"] == true));
        }
        Ok(begun.map_or(Found::Nothing, Found::Begun))
    }

    /// Says what there is no room for before it is sent, where the cloud tells.
    async fn room_for(&self, request: &Request) -> Result<(), PublishError> {
        let answer = self.ask(Method::GET, &format!("{}/v2/info/usage", self.url), None).await?;
        // Clouds that do not count, or are too old to tell, answer otherwise.
        if answer.status != StatusCode::OK {
            return Ok(());
        }
        let json = answer.json();
        let of = |what: &str| {
            let quota = &json["usage"][what];
            Some((quota["limit"].as_i64().filter(|limit| *limit >= 0)?, quota["usage"].as_i64()?))
        };
        let mebibytes = i64::try_from(request.size.div_ceil(1 << 20)).unwrap_or(i64::MAX);
        let message = match (of("image_size_total"), of("image_count_total")) {
            (Some((limit, used)), _) if used.saturating_add(mebibytes) > limit => {
                format!(
                    "its images may take {limit} MiB, {used} are taken, and `{}` has {mebibytes}",
                    request.name
                )
            }
            (_, Some((limit, used))) if used >= limit => {
                format!("it may have {limit} images, and has {used}")
            }
            _ => return Ok(()),
        };
        Err(PublishError::new(codes::TARGET_QUOTA, format!("the project has no room for `{}`", request.name))
            .note(message)
            .help("delete images there that nobody needs: `openstack image list --sort created_at:asc`")
            .help("or ask the cloud's administrators for more"))
    }

    async fn create(&self, request: &Request) -> Result<String, PublishError> {
        let mut body = described(request);
        body.insert("name".into(), request.name.clone().into());
        body.insert("container_format".into(), "bare".into());
        body.insert("disk_format".into(), disk_format(request.format).into());
        let url = format!("{}/v2/images", self.url);
        let answer = self.ask(Method::POST, &url, Some(("application/json", &Value::Object(body)))).await?;
        match (answer.status, answer.json()["id"].as_str()) {
            (StatusCode::CREATED, Some(id)) => Ok(id.to_owned()),
            _ => Err(self.refused(Doing::Creating, request, &answer).await),
        }
    }

    /// Sends the file to an image that waits for it. One that cannot be had whole does not stay.
    async fn send(
        &self,
        request: &Request,
        id: String,
        progress: Progress<'_>,
    ) -> Result<Published, PublishError> {
        let sent = async {
            let sums = self.send_file(request, &id, progress).await?;
            if sums.sha256 != request.sha256 {
                return Err(PublishError::new(
                    codes::ARTIFACT_CHANGED,
                    format!("{} changed while it was sent", request.file.display()),
                )
                .help("publish it when it is at rest"));
            }
            let image = self.ready(request, &id).await?;
            compare(request, &image, &sums)?;
            Ok(image)
        };
        match sent.await {
            Ok(image) => {
                self.bring_into_line(request, &image).await?;
                self.published(request, id, Sent::Sent).await
            }
            Err(error) => Err(match self.ask(Method::DELETE, &self.image_url(&id), None).await {
                Ok(answer) if answer.status.is_success() || answer.status == StatusCode::NOT_FOUND => error,
                _ => error.note(format!(
                    "what came there of it could not be taken away: `openstack image delete {id}`"
                )),
            }),
        }
    }

    async fn send_file(
        &self,
        request: &Request,
        id: &str,
        progress: Progress<'_>,
    ) -> Result<Sums, PublishError> {
        let url = format!("{}/file", self.image_url(id));
        let make = |sending: &crate::publish::Sending| {
            let pieces = sending.pieces(&request.file)?;
            let put = self.session.http.put(&url).header("Content-Type", "application/octet-stream");
            Ok(put.header("Content-Length", request.size).body(Body::wrap_stream(pieces)))
        };
        let mut tried = 1;
        loop {
            match self.session.upload(make, request.size, progress).await {
                Ok((answer, sending)) if answer.status == StatusCode::NO_CONTENT => return Ok(sending.sums()),
                Ok((answer, _)) => return Err(self.refused(Doing::Sending, request, &answer).await),
                Err(error) => {
                    let is_cut = error.code() == codes::TARGET_UNREACHABLE;
                    if !is_cut || tried == TRIES || !self.waits(id).await {
                        return Err(error.note(format!("it was tried {tried} times")));
                    }
                    tried += 1;
                }
            }
        }
    }

    /// Whether an image waits for its file, some time after a connection broke.
    async fn waits(&self, id: &str) -> bool {
        for _ in 0..10 {
            let answer = self.ask(Method::GET, &self.image_url(id), None).await;
            match answer.ok().filter(|answer| answer.status == StatusCode::OK).map(|answer| answer.json()) {
                Some(image) if image["status"] == "queued" => return true,
                // Glance has not noticed yet.
                Some(image) if image["status"] == "saving" => {}
                _ => return false,
            }
            tokio::time::sleep(BETWEEN).await;
        }
        false
    }

    /// The image once it is ready.
    async fn ready(&self, request: &Request, id: &str) -> Result<Value, PublishError> {
        let mut status = String::new();
        for _ in 0..LOOKS {
            let answer = self.ask(Method::GET, &self.image_url(id), None).await?;
            if answer.status != StatusCode::OK {
                return Err(self.refused(Doing::Looking, request, &answer).await);
            }
            let image = answer.json();
            status = image["status"].as_str().unwrap_or_default().to_owned();
            match status.as_str() {
                "active" => return Ok(image),
                "saving" | "importing" | "uploading" => tokio::time::sleep(BETWEEN).await,
                _ => break,
            }
        }
        let message = format!("`{}` was sent, and is not ready there: it is `{status}`", request.name);
        Err(PublishError::new(codes::TARGET_REFUSED, message))
    }

    /// Changes what is said of an image where something else is asked; says whether there was something.
    async fn bring_into_line(&self, request: &Request, image: &Value) -> Result<bool, PublishError> {
        let mut asked = described(request);
        asked.insert("protected".into(), request.protect.into());
        let changes = changes(image, &asked);
        if changes.is_empty() {
            return Ok(false);
        }
        let kind = "application/openstack-images-v2.1-json-patch";
        let url = self.image_url(id(image));
        let answer = self.ask(Method::PATCH, &url, Some((kind, &Value::Array(changes)))).await?;
        if answer.status == StatusCode::OK {
            return Ok(true);
        }
        Err(self.refused(Doing::Changing, request, &answer).await)
    }

    /// Shares an image with the projects that it is not shared with yet; says what they have to do.
    async fn share(&self, request: &Request, image: &str) -> Result<Vec<String>, PublishError> {
        let url = format!("{}/members", self.image_url(image));
        let mut notes = Vec::new();
        if request.share.is_empty() {
            return Ok(notes);
        }
        let answer = self.ask(Method::GET, &url, None).await?;
        if answer.status != StatusCode::OK {
            return Err(self.refused(Doing::Sharing, request, &answer).await);
        }
        let json = answer.json();
        let members = json["members"].as_array().cloned().unwrap_or_default();
        for project in &request.share {
            let known = members.iter().find(|member| member["member_id"] == project.as_str());
            if known.is_none() {
                let body = json!({ "member": project });
                let answer = self.ask(Method::POST, &url, Some(("application/json", &body))).await?;
                if !answer.status.is_success() && answer.status != StatusCode::CONFLICT {
                    return Err(self.refused(Doing::Sharing, request, &answer).await);
                }
            }
            if known.is_none_or(|member| member["status"] != "accepted") {
                notes.push(format!(
                    "the project {project} has to accept it: `openstack image set --accept {image}`"
                ));
            }
        }
        Ok(notes)
    }
}

/// Holds what is there against what was sent.
fn compare(request: &Request, image: &Value, sums: &Sums) -> Result<(), PublishError> {
    let text = |key: &str| image[key].as_str().unwrap_or_default();
    let (algorithm, value) = (text("os_hash_algo"), text("os_hash_value"));
    let same_size = image["size"].as_u64() == Some(request.size);
    if same_size && sums.has(algorithm, value) != Some(false) {
        return Ok(());
    }
    let name = &request.name;
    let mut error = PublishError::new(
        codes::CHECKSUM_DIFFERS,
        format!("what the service has of `{name}` is not what was sent"),
    );
    if !same_size {
        error = error.note(format!("it has {} bytes there and {} here", image["size"], request.size));
    }
    if sums.has(algorithm, value) == Some(false) {
        let ours = if algorithm == "sha512" { sums.sha512.clone() } else { sums.sha256.to_string() };
        let short = |hex: &str| hex.chars().take(16).collect::<String>();
        error = error.note(format!(
            "its {algorithm} begins with {} there and {} here",
            short(value),
            short(&ours)
        ));
    }
    Err(error.help(format!(
        "type `imgfile publish` again; if it happens again, the cloud's storage is at fault: tell whoever runs it, \
         with the id {}",
        id(image)
    )))
}

fn id(image: &Value) -> &str {
    image["id"].as_str().unwrap_or_default()
}
