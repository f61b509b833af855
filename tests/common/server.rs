//! A local HTTP server that is not always well behaved.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

/// What the server does about a path.
#[derive(Clone)]
pub enum Answer {
    Content(Vec<u8>),
    /// Promises all of it, sends half, and hangs up; later requests get what they ask for.
    CutOnce(Vec<u8>),
    /// Hangs up in the middle each time, and knows no ranges.
    CutAlways(Vec<u8>),
    /// Sends half, and from then on hangs up without a word.
    CutForGood(Vec<u8>),
    /// Hangs up without a word.
    HangUp,
    /// Promises all that was asked for, and hangs up after so many bytes of it, each time.
    CutEvery(Vec<u8>, usize),
    /// Sends one byte at a time.
    Drip(Vec<u8>),
    Redirect(String),
    Status(u16),
}

/// A server of files that goes with the test; it remembers what it was asked for.
pub struct Server {
    pub url: String,
    answers: Arc<Mutex<BTreeMap<String, Answer>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answers: Arc<Mutex<BTreeMap<String, Answer>>> = Arc::default();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (known, log) = (Arc::clone(&answers), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (known, log) = (Arc::clone(&known), Arc::clone(&log));
                std::thread::spawn(move || drop(serve(stream, &known, &log)));
            }
        });
        Self { url, answers, asked }
    }

    pub fn put(&self, path: &str, answer: Answer) {
        self.answers.lock().unwrap().insert(path.to_owned(), answer);
    }

    /// Lets what is served at a path be answered otherwise from now on.
    pub fn change(&self, path: &str, how: impl FnOnce(Vec<u8>) -> Answer) {
        let mut answers = self.answers.lock().unwrap();
        let Some(Answer::Content(content)) = answers.remove(path) else { panic!("{path} is not served") };
        answers.insert(path.to_owned(), how(content));
    }

    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(
    mut stream: TcpStream,
    answers: &Mutex<BTreeMap<String, Answer>>,
    asked: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut request, mut range) = (String::new(), None);
    reader.read_line(&mut request)?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
            range = value.trim().trim_end_matches('-').parse::<usize>().ok();
        }
    }
    let path = request.split_whitespace().nth(1).unwrap_or_default().to_owned();
    // As a proxy it is asked for the whole address, which is served by itself or as the path on any host.
    let inner = path.strip_prefix("http://").and_then(|rest| rest.find('/').map(|at| rest[at..].to_owned()));
    let path = match inner {
        Some(inner) if !answers.lock().unwrap().contains_key(&path) => inner,
        _ => path,
    };
    asked.lock().unwrap().push(range.map_or(path.clone(), |from| format!("{path} from {from}")));
    let answer = {
        let mut answers = answers.lock().unwrap();
        let answer = answers.get(&path).cloned();
        if let Some(Answer::CutOnce(content)) = &answer {
            answers.insert(path, Answer::Content(content.clone()));
        } else if let Some(Answer::CutForGood(_)) = &answer {
            answers.insert(path, Answer::HangUp);
        }
        answer
    };
    let head = |status: &str, length: usize| {
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")
    };
    match answer {
        None => stream.write_all(head("404 Not Found", 0).as_bytes()),
        Some(Answer::Status(status)) => stream.write_all(head(&format!("{status} So it is"), 0).as_bytes()),
        Some(Answer::Redirect(to)) => stream.write_all(
            format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .as_bytes(),
        ),
        Some(Answer::Content(content)) => match range {
            Some(from) if from >= content.len() => {
                stream.write_all(head("416 Range Not Satisfiable", 0).as_bytes())
            }
            Some(from) => {
                stream.write_all(head("206 Partial Content", content.len() - from).as_bytes())?;
                stream.write_all(&content[from..])
            }
            None => {
                stream.write_all(head("200 OK", content.len()).as_bytes())?;
                stream.write_all(&content)
            }
        },
        Some(Answer::HangUp) => Ok(()),
        Some(Answer::CutOnce(content) | Answer::CutAlways(content) | Answer::CutForGood(content)) => {
            stream.write_all(head("200 OK", content.len()).as_bytes())?;
            stream.write_all(&content[..content.len() / 2])
        }
        Some(Answer::CutEvery(content, bytes)) => {
            let from = range.unwrap_or(0).min(content.len());
            let status = if range.is_some() { "206 Partial Content" } else { "200 OK" };
            let tag = "ETag: \"this one\"\r\nContent-Length";
            let head = head(status, content.len() - from).replace("Content-Length", tag);
            stream.write_all(head.as_bytes())?;
            stream.write_all(&content[from..(from + bytes).min(content.len())])
        }
        Some(Answer::Drip(content)) => {
            stream.write_all(head("200 OK", content.len()).as_bytes())?;
            for byte in content {
                stream.write_all(&[byte])?;
                stream.flush()?;
            }
            Ok(())
        }
    }
}
