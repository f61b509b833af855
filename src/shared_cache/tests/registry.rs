//! A registry in memory that is not always well behaved.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use crate::text::Digest;

/// What it does instead of answering.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Answers with this status.
    Status(u16),
    /// Sends half of it, and hangs up.
    Cut,
    /// Sends something else of the same length.
    Flip,
    /// Sends more than there is.
    More,
    /// Says nothing.
    Hang,
}

/// Who is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guard {
    Everybody,
    /// Who has this in the header, which begins with `Basic `.
    Basic(String),
    /// Who has a token, which this gets.
    Token(String),
}

struct State {
    url: String,
    guard: Guard,
    /// Requests that begin so meet this.
    faults: Vec<(String, Fault)>,
    manifests: BTreeMap<String, Vec<u8>>,
    blobs: BTreeMap<String, Vec<u8>>,
    asked: Vec<String>,
}

pub struct FakeRegistry {
    pub host: String,
    state: Arc<Mutex<State>>,
}

impl FakeRegistry {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let state = State {
            url: format!("http://{host}"),
            guard: Guard::Everybody,
            faults: Vec::new(),
            manifests: BTreeMap::new(),
            blobs: BTreeMap::new(),
            asked: Vec::new(),
        };
        let state = Arc::new(Mutex::new(state));
        let known = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let known = Arc::clone(&known);
                std::thread::spawn(move || drop(serve(stream, &known)));
            }
        });
        Self { host, state }
    }

    pub fn guard(&self, guard: Guard) {
        self.state.lock().unwrap().guard = guard;
    }

    /// Requests that begin so, such as `GET /v2/team/blobs/`, meet this from now on.
    pub fn fault(&self, requests: &str, fault: Fault) {
        self.state.lock().unwrap().faults.push((requests.to_owned(), fault));
    }

    pub fn behave(&self) {
        self.state.lock().unwrap().faults.clear();
    }

    /// What was asked since the last time.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }

    pub fn blobs(&self) -> Vec<Vec<u8>> {
        self.state.lock().unwrap().blobs.values().cloned().collect()
    }

    /// Names of manifests that are no digests.
    pub fn tags(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        state.manifests.keys().filter(|name| !name.contains(':')).cloned().collect()
    }

    pub fn put_blob(&self, bytes: &[u8]) {
        let digest = format!("sha256:{}", Digest::of(bytes));
        self.state.lock().unwrap().blobs.insert(digest, bytes.to_vec());
    }

    pub fn change_manifests(&self, change: impl FnOnce(&mut BTreeMap<String, Vec<u8>>)) {
        change(&mut self.state.lock().unwrap().manifests);
    }
}

struct Request {
    method: String,
    path: String,
    authorization: Option<String>,
    body: Vec<u8>,
}

fn read(stream: &TcpStream) -> std::io::Result<Request> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut first, mut length, mut authorization) = (String::new(), 0, None);
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        let (name, value) = line.trim().split_once(':').unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap(),
            "authorization" => authorization = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut words = first.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    Ok(Request { method, path, authorization, body })
}

fn serve(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let request = read(&stream)?;
    let line = format!("{} {}", request.method, request.path);
    let (fault, (status, headers, body)) = {
        let mut state = state.lock().unwrap();
        state.asked.push(line.clone());
        let fault = state.faults.iter().find(|(requests, _)| line.starts_with(requests));
        let fault = fault.map(|(_, fault)| fault.clone());
        // What is refused changes nothing.
        let answer = if fault.is_some() && request.method != "GET" {
            (500, String::new(), vec![])
        } else {
            answer(&mut state, &request)
        };
        (fault, answer)
    };
    let (status, body) = match &fault {
        Some(Fault::Hang) => loop {
            // Until whoever asked hangs up.
            if stream.read(&mut [0])? == 0 {
                return Ok(());
            }
        },
        Some(Fault::Status(status)) => {
            (*status, br#"{"errors": [{"message": "as the test wants"}]}"#.to_vec())
        }
        Some(Fault::Flip) => (status, body.iter().map(|byte| byte ^ 1).collect()),
        Some(Fault::More) => (status, [&body[..], b"more"].concat()),
        Some(Fault::Cut) | None => (status, body),
    };
    let head = format!(
        "HTTP/1.1 {status} x\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    let sent = if fault == Some(Fault::Cut) { &body[..body.len() / 2] } else { &body };
    if request.method != "HEAD" {
        stream.write_all(sent)?;
    }
    Ok(())
}

fn answer(state: &mut State, request: &Request) -> (u16, String, Vec<u8>) {
    let nothing = |status: u16| (status, String::new(), Vec::new());
    if let Some(query) = request.path.strip_prefix("/token?") {
        let Guard::Token(login) = &state.guard else { return nothing(404) };
        if request.authorization.as_ref() != Some(login) {
            return nothing(401);
        }
        let pushes = query.contains("push");
        return (
            200,
            String::new(),
            format!(r#"{{"token": "{}"}}"#, if pushes { "writes" } else { "reads" }).into(),
        );
    }
    let is_read = matches!(request.method.as_str(), "GET" | "HEAD");
    let authorization = request.authorization.as_deref();
    let challenge = match &state.guard {
        Guard::Everybody => None,
        Guard::Basic(login) => (authorization != Some(login)).then(|| "Basic realm=\"r\"".to_owned()),
        Guard::Token(_) => {
            let good =
                authorization == Some("Bearer writes") || is_read && authorization == Some("Bearer reads");
            (!good).then(|| format!("Bearer realm=\"{}/token\",service=\"registry\"", state.url))
        }
    };
    if let Some(challenge) = challenge {
        return (401, format!("WWW-Authenticate: {challenge}\r\n"), Vec::new());
    }
    let Some(rest) = request.path.strip_prefix("/v2/team/") else { return nothing(404) };
    match (request.method.as_str(), rest) {
        ("GET" | "HEAD", rest) => {
            let found = match rest.split_once('/') {
                Some(("manifests", name)) => state.manifests.get(name),
                Some(("blobs", name)) => state.blobs.get(name),
                _ => None,
            };
            found.map_or_else(|| nothing(404), |bytes| (200, String::new(), bytes.clone()))
        }
        ("POST", "blobs/uploads/") => {
            (202, "Location: /v2/team/blobs/uploads/1?state=a%2Fb\r\n".into(), vec![])
        }
        ("PUT", rest) => {
            let digest = format!("sha256:{}", Digest::of(&request.body));
            if let Some(tag) = rest.strip_prefix("manifests/") {
                // As a registry does: what it names has to be there.
                let manifest: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
                let blobs = manifest["layers"].as_array().unwrap().iter().chain([&manifest["config"]]);
                for blob in blobs {
                    let there = state.blobs.get(blob["digest"].as_str().unwrap());
                    assert_eq!(there.map(|bytes| bytes.len() as u64), blob["size"].as_u64());
                }
                state.manifests.insert(tag.to_owned(), request.body.clone());
                state.manifests.insert(digest, request.body.clone());
            } else {
                assert!(rest.contains("state=a%2Fb") && rest.contains(&digest.replace(':', "%3A")), "{rest}");
                state.blobs.insert(digest, request.body.clone());
            }
            nothing(201)
        }
        _ => nothing(405),
    }
}
