//! A language client in the same process: it says one thing after the other and hears what comes.

use std::io::{self, BufReader, Read, Write};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use imgfile::ide::lsp::{Ended, serve};
use serde_json::{Value, json};

/// Longer than any answer may take, by far: then the server is stuck, or has dropped an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// The client's side of a session about one text that is in no folder. It may go on as long as the process:
/// a server that begins reads the whole catalogue, which takes longer than all the answers about a text.
#[derive(Debug)]
pub struct Client {
    to: Option<Sender<Vec<u8>>>,
    from: Receiver<Vec<u8>>,
    heard: Vec<u8>,
    server: Option<JoinHandle<Ended>>,
    id: i32,
    /// Of the text.
    version: i32,
    /// The diagnostics that came last, and the version they are about.
    published: Option<(Value, Value)>,
}

/// The text's name.
pub const URI: &str = "untitled:ImageFile";

#[derive(Debug)]
struct Pipe {
    from: Receiver<Vec<u8>>,
    rest: Vec<u8>,
}

impl Read for Pipe {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.rest.is_empty() {
            // The other side has hung up: the end of the stream.
            let Ok(next) = self.from.recv() else { return Ok(0) };
            self.rest = next;
        }
        let taken = self.rest.len().min(into.len());
        into[..taken].copy_from_slice(&self.rest[..taken]);
        self.rest.drain(..taken);
        Ok(taken)
    }
}

#[derive(Debug)]
struct Sink(Sender<Vec<u8>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Client {
    /// Begins a session and opens an empty text.
    pub fn open() -> Self {
        let (to, input) = mpsc::channel();
        let (output, from) = mpsc::channel();
        let input = BufReader::new(Pipe { from: input, rest: Vec::new() });
        let server = std::thread::spawn(move || serve(input, Sink(output), None));
        let mut client = Self {
            to: Some(to),
            from,
            heard: Vec::new(),
            server: Some(server),
            id: 0,
            version: 0,
            published: None,
        };
        client.request("initialize", json!({ "capabilities": {} }));
        let document = json!({ "uri": URI, "languageId": "imagefile", "version": 0, "text": "" });
        client.notify("textDocument/didOpen", json!({ "textDocument": document }));
        client
    }

    pub fn notify(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    /// Puts `new` into the place of a part of the text, or of all of it.
    pub fn change(&mut self, range: Option<Value>, new: &str) {
        self.version += 1;
        let mut change = json!({ "text": new });
        if let Some(range) = range {
            change["range"] = range;
        }
        let document = json!({ "uri": URI, "version": self.version });
        self.notify(
            "textDocument/didChange",
            json!({ "textDocument": document, "contentChanges": [change] }),
        );
    }

    /// Asks, and waits for the answer; a defect of the server is a panic here.
    pub fn request(&mut self, method: &str, params: Value) -> Value {
        self.id += 1;
        self.send(&json!({ "jsonrpc": "2.0", "id": self.id, "method": method, "params": params }));
        loop {
            let message = self.hear();
            if message["id"] == self.id {
                let code = &message["error"]["code"];
                assert!(*code != -32603 && *code != -32601 && *code != -32602, "{method}: {message}");
                return message["result"].clone();
            }
        }
    }

    /// The diagnostics of the text as it is now.
    pub fn diagnostics(&mut self) -> Value {
        loop {
            match self.published.take() {
                Some((of, diagnostics)) if of == self.version => return diagnostics,
                _ => drop(self.hear()),
            }
        }
    }

    /// Ends the session.
    fn close(&mut self) {
        self.request("shutdown", Value::Null);
        self.notify("exit", Value::Null);
        let ended = self.server.take().map(JoinHandle::join);
        assert!(matches!(ended, Some(Ok(Ended::Properly))), "{ended:?}");
    }

    fn send(&mut self, message: &Value) {
        let body = message.to_string();
        let framed = format!("Content-Length: {}\r\n\r\n{body}", body.len());
        let to = self.to.as_ref().expect("the session is open");
        to.send(framed.into_bytes()).expect("the server listens");
    }

    fn hear(&mut self) -> Value {
        loop {
            if let Some((message, used)) = framed(&self.heard) {
                self.heard.drain(..used);
                if message["method"] == "textDocument/publishDiagnostics" {
                    let params = &message["params"];
                    self.published = Some((params["version"].clone(), params["diagnostics"].clone()));
                }
                return message;
            }
            let more = self.from.recv_timeout(PATIENCE).expect("the server answers");
            self.heard.extend(more);
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.close();
        }
    }
}

fn framed(bytes: &[u8]) -> Option<(Value, usize)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let header = std::str::from_utf8(&bytes[..end]).expect("a header is text");
    let length = header.trim().strip_prefix("Content-Length: ").and_then(|length| length.parse().ok());
    let length: usize = length.expect("a header says a length");
    let body = bytes.get(end..end + length)?;
    Some((serde_json::from_slice(body).expect("a message is JSON"), end + length))
}
