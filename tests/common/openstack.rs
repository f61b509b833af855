//! Keystone and Glance as far as publishing asks them, in one process, with faults on request. What they answer was taken
//! down from real ones (`tests/clouds`).

use std::{
    collections::{BTreeMap, VecDeque},
    io::{BufRead, BufReader, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha512};

/// What goes wrong, once each, in the order in which it comes up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The next request to Glance with this method and this end of its path is answered so.
    Answer(&'static str, &'static str, u16, &'static str),
    /// The connection of the next upload is cut after so many bytes.
    Cut(usize),
    /// The next file that is sent is kept with other bytes.
    Damage,
}

#[derive(Default)]
struct State {
    faults: VecDeque<Fault>,
    images: BTreeMap<String, Value>,
    members: Vec<(String, String)>,
    /// Requests, such as `PUT /v2/images/1/file`; what Keystone was asked is `log in`.
    asked: Vec<String>,
    tokens: usize,
    password: String,
}

/// A cloud that goes with the test.
pub struct OpenStack {
    url: String,
    state: Arc<Mutex<State>>,
}

pub const PASSWORD: &str = "ann's own password";

impl OpenStack {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State { password: PASSWORD.to_owned(), ..State::default() }));
        let (known, own) = (Arc::clone(&state), url.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (known, own) = (Arc::clone(&known), own.clone());
                std::thread::spawn(move || drop(serve(stream, &known, &own)));
            }
        });
        Self { url, state }
    }

    /// Writes a clouds.yaml in which it is `mine`, of several regions.
    pub fn clouds(&self, path: &Path) {
        let text = format!(
            "clouds:\n  mine:\n    region_name: here\n    auth:\n      auth_url: {}\n      username: ann\n      \
             password: {PASSWORD}\n      project_name: shop\n",
            self.url
        );
        std::fs::write(path, text).unwrap();
    }

    /// Lets something go wrong.
    pub fn fault(&self, fault: Fault) {
        self.state.lock().unwrap().faults.push_back(fault);
    }

    pub fn change_password(&self) {
        "another".clone_into(&mut self.state.lock().unwrap().password);
    }

    /// What was asked since the last time.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }

    /// An image to which no file was sent, as an upload leaves it that is killed.
    pub fn leave_begun(&self, name: &str, sha256: &imgfile::text::Digest) {
        let image = json!({
            "id": "begun", "name": name, "status": "queued", "protected": false, "imgfile_sha256": sha256.to_string(),
        });
        self.state.lock().unwrap().images.insert("begun".to_owned(), image);
    }

    pub fn images(&self) -> Vec<Value> {
        self.state.lock().unwrap().images.values().cloned().collect()
    }

    /// Whether all faults came up.
    pub fn faults_are_over(&self) -> bool {
        self.state.lock().unwrap().faults.is_empty()
    }

    pub fn members(&self) -> Vec<(String, String)> {
        self.state.lock().unwrap().members.clone()
    }
}

struct Request {
    method: String,
    path: String,
    query: String,
    token: Option<String>,
    length: usize,
}

fn read(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<Request>> {
    let mut first = String::new();
    if reader.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    let mut words = first.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        token: None,
        length: 0,
    };
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            return Ok(Some(request));
        }
        match line.trim().split_once(": ") {
            Some((key, value)) if key.eq_ignore_ascii_case("content-length") => {
                request.length = value.parse().unwrap();
            }
            Some((key, value)) if key.eq_ignore_ascii_case("x-auth-token") => {
                request.token = Some(value.to_owned());
            }
            _ => {}
        }
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>, own: &str) -> std::io::Result<()> {
    let mut out = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader)? {
        let is_file = request.path.ends_with("/file");
        let cut = state.lock().unwrap().faults.front().and_then(|fault| match fault {
            Fault::Cut(bytes) if is_file => Some(*bytes),
            _ => None,
        });
        if let Some(bytes) = cut {
            let mut some = vec![0; bytes];
            reader.read_exact(&mut some)?;
            let mut state = state.lock().unwrap();
            state.faults.pop_front();
            state.asked.push("cut".to_owned());
            return out.shutdown(Shutdown::Both);
        }
        let mut body = vec![0; request.length];
        reader.read_exact(&mut body)?;
        let (status, headers, answer) = answer(&request, &body, &mut state.lock().unwrap(), own);
        write!(
            out,
            "HTTP/1.1 {status} So it is\r\nContent-Length: {}\r\nContent-Type: application/json\r\n{headers}\r\n",
            answer.len()
        )?;
        out.write_all(answer.as_bytes())?;
    }
    Ok(())
}

fn page(status: u16, text: &str) -> String {
    format!(
        "<html>\n <head>\n  <title>{status}</title>\n </head>\n <body>\n  <h1>{status}</h1>\n  {text}<br /><br />\n </body>\n</html>"
    )
}

fn answer(request: &Request, body: &[u8], state: &mut State, own: &str) -> (u16, String, String) {
    let plain = |status: u16, json: Value| (status, String::new(), json.to_string());
    if request.path == "/v3/auth/tokens" {
        state.asked.push("log in".to_owned());
        return keystone(body, state, own);
    }
    state.asked.push(format!("{} {}", request.method, request.path));
    if let Some(Fault::Answer(method, end, status, text)) = state.faults.front().cloned()
        && request.method == method
        && request.path.ends_with(end)
    {
        state.faults.pop_front();
        return (status, String::new(), page(status, text));
    }
    if request.token != Some(format!("token-number-{}", state.tokens)) {
        return (401, String::new(), page(401, "This server could not verify that you are authorized"));
    }
    let parts: Vec<&str> = request.path.trim_matches('/').split('/').collect();
    let parse = || serde_json::from_slice::<Value>(body).unwrap();
    match (request.method.as_str(), parts.as_slice()) {
        ("GET", ["v2", "images"]) => {
            let named = |image: &&Value| {
                request.query.contains(&format!("name={}&", image["name"].as_str().unwrap()))
            };
            let images: Vec<&Value> = state.images.values().filter(named).collect();
            plain(200, json!({ "images": images }))
        }
        ("POST", ["v2", "images"]) => {
            let mut image = parse();
            let id = format!("image-{}", state.images.len() + 1);
            image["id"] = id.clone().into();
            image["status"] = "queued".into();
            image["protected"] = false.into();
            state.images.insert(id, image.clone());
            plain(201, image)
        }
        ("GET", ["v2", "images", id]) => match state.images.get(*id) {
            Some(image) => plain(200, image.clone()),
            None => (404, String::new(), page(404, "")),
        },
        ("DELETE", ["v2", "images", id]) => {
            state.images.remove(*id);
            (204, String::new(), String::new())
        }
        ("PUT", ["v2", "images", id, "file"]) => {
            let damaged = state.faults.front() == Some(&Fault::Damage);
            if damaged {
                state.faults.pop_front();
            }
            let image = state.images.get_mut(*id).unwrap();
            image["status"] = "active".into();
            image["size"] = body.len().into();
            image["os_hash_algo"] = "sha512".into();
            let digest = if damaged { Sha512::digest(b"other") } else { Sha512::digest(body) };
            image["os_hash_value"] = hex::encode(digest).into();
            (204, String::new(), String::new())
        }
        ("PATCH", ["v2", "images", id]) => {
            let image = state.images.get_mut(*id).unwrap();
            for change in parse().as_array().unwrap() {
                image[change["path"].as_str().unwrap().trim_start_matches('/')] = change["value"].clone();
            }
            plain(200, image.clone())
        }
        ("GET", ["v2", "images", id, "members"]) => {
            let of = state.members.iter().filter(|(image, _)| image == id);
            let members: Vec<Value> =
                of.map(|(_, member)| json!({ "member_id": member, "status": "pending" })).collect();
            plain(200, json!({ "members": members }))
        }
        ("POST", ["v2", "images", id, "members"]) => {
            state.members.push(((*id).to_owned(), parse()["member"].as_str().unwrap().to_owned()));
            plain(200, json!({}))
        }
        _ => (404, String::new(), page(404, "")),
    }
}

fn keystone(body: &[u8], state: &mut State, own: &str) -> (u16, String, String) {
    let asked: Value = serde_json::from_slice(body).unwrap();
    if asked["auth"]["identity"]["password"]["user"]["password"] != state.password.as_str() {
        let json = json!({ "error": { "code": 401, "message": "The request you have made requires authentication." } });
        return (401, String::new(), json.to_string());
    }
    state.tokens += 1;
    let endpoint = |region: &str| json!({ "interface": "public", "region_id": region, "url": own });
    let catalog = json!([{ "type": "image", "endpoints": [endpoint("here"), endpoint("there")] }]);
    let token = json!({ "token": {
        "project": { "id": "shop-id" },
        "expires_at": "2999-01-01T00:00:00.000000Z",
        "catalog": catalog,
    }});
    (201, format!("X-Subject-Token: token-number-{}\r\n", state.tokens), token.to_string())
}
