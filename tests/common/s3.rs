//! A service that speaks S3 as far as publishing asks it, with faults on request. That signatures are right is seen in
//! `publish/s3/sign.rs`; here it is that each request has one, and that bodies are what it says of them.

use std::{
    collections::{BTreeMap, VecDeque},
    io::{BufRead, BufReader, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};

/// What goes wrong, once each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The connection of the next part is cut.
    Cut,
    /// The next request of this method is answered so, with this code.
    Answer(&'static str, u16, &'static str),
    /// The next object that is put together has another checksum.
    Damage,
}

#[derive(Default)]
struct State {
    faults: VecDeque<Fault>,
    /// Content, digest of ours, and checksum, by the name of the object.
    objects: BTreeMap<String, (Vec<u8>, String, String)>,
    parts: BTreeMap<u16, Vec<u8>>,
    ours: String,
    asked: Vec<String>,
}

pub struct S3 {
    pub url: String,
    state: Arc<Mutex<State>>,
}

impl S3 {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state: Arc<Mutex<State>> = Arc::default();
        let known = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let known = Arc::clone(&known);
                std::thread::spawn(move || drop(serve(stream, &known)));
            }
        });
        Self { url, state }
    }

    pub fn fault(&self, fault: Fault) {
        self.state.lock().unwrap().faults.push_back(fault);
    }

    pub fn faults_are_over(&self) -> bool {
        self.state.lock().unwrap().faults.is_empty()
    }

    /// Content of an object.
    pub fn object(&self, path: &str) -> Option<Vec<u8>> {
        self.state.lock().unwrap().objects.get(path).map(|(content, ..)| content.clone())
    }

    /// Whether parts lie there that belong to no object.
    pub fn has_loose_parts(&self) -> bool {
        !self.state.lock().unwrap().parts.is_empty()
    }

    /// Requests since the last time, such as `PUT`.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut out = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 || line == "\r\n" {
                break;
            }
            if let Some((key, value)) = line.trim().split_once(": ") {
                headers.insert(key.to_ascii_lowercase(), value.to_owned());
            }
        }
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let mut words = first.split_whitespace();
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut state = state.lock().unwrap();
        state.asked.push(method.to_owned());
        if method == "PUT" && state.faults.front() == Some(&Fault::Cut) {
            state.faults.pop_front();
            return out.shutdown(Shutdown::Both);
        }
        let (status, more, text) = answer(&mut state, (method, path, query), &headers, &body);
        let length = if method == "HEAD" { more.1 } else { text.len() };
        write!(out, "HTTP/1.1 {status} So it is\r\nContent-Length: {length}\r\n{}\r\n", more.0)?;
        if method != "HEAD" {
            out.write_all(text.as_bytes())?;
        }
    }
}

type Answer = (u16, (String, usize), String);

fn answer(
    state: &mut State,
    (method, path, query): (&str, &str, &str),
    headers: &BTreeMap<String, String>,
    body: &[u8],
) -> Answer {
    let error = |status: u16, code: &str| {
        let text =
            format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>so it is</Message></Error>");
        (status, (String::new(), 0), text)
    };
    if let Some(Fault::Answer(of, status, code)) = state.faults.front().cloned()
        && of == method
    {
        state.faults.pop_front();
        return error(status, code);
    }
    let digest = hex::encode(Sha256::digest(body));
    if !headers.contains_key("authorization") || headers.get("x-amz-content-sha256") != Some(&digest) {
        return error(403, "SignatureDoesNotMatch");
    }
    let plain = |text: &str| (200, (String::new(), 0), text.to_owned());
    match (method, query.split_once('=').map_or(query, |(key, _)| key)) {
        ("HEAD", _) => match state.objects.get(path) {
            Some((content, ours, checksum)) => {
                let told =
                    format!("x-amz-meta-imgfile-sha256: {ours}\r\nx-amz-checksum-sha256: {checksum}\r\n");
                (200, (told, content.len()), String::new())
            }
            None => error(404, ""),
        },
        ("POST", "uploads") => {
            state.ours.clone_from(&headers["x-amz-meta-imgfile-sha256"]);
            plain("<InitiateMultipartUploadResult><UploadId>abc</UploadId></InitiateMultipartUploadResult>")
        }
        ("PUT", "partNumber") => {
            if headers["x-amz-checksum-sha256"] != STANDARD.encode(Sha256::digest(body)) {
                return error(400, "BadDigest");
            }
            let number = query.split(['=', '&']).nth(1).unwrap().parse().unwrap();
            state.parts.insert(number, body.to_vec());
            (200, (format!("ETag: \"part-{number}\"\r\n"), 0), String::new())
        }
        ("POST", "uploadId") => {
            let parts = std::mem::take(&mut state.parts);
            let list = String::from_utf8(body.to_vec()).unwrap();
            assert!(
                parts.keys().all(|number| list.contains(&format!("<ETag>&quot;part-{number}&quot;</ETag>"))),
                "{list}"
            );
            let digests: Vec<u8> = parts.values().flat_map(Sha256::digest).collect();
            let mut checksum = format!("{}-{}", STANDARD.encode(Sha256::digest(digests)), parts.len());
            if state.faults.front() == Some(&Fault::Damage) {
                state.faults.pop_front();
                checksum = format!("{}-1", STANDARD.encode(Sha256::digest("other")));
            }
            let content = parts.into_values().flatten().collect();
            state.objects.insert(path.to_owned(), (content, state.ours.clone(), checksum));
            plain("<CompleteMultipartUploadResult></CompleteMultipartUploadResult>")
        }
        ("DELETE", "uploadId") => {
            state.parts.clear();
            (204, (String::new(), 0), String::new())
        }
        ("DELETE", _) => {
            state.objects.remove(path);
            (204, (String::new(), 0), String::new())
        }
        _ => error(400, "InvalidRequest"),
    }
}
