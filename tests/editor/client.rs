//! A client of the language server: the built binary, over its stdin and stdout.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::{fs, str};

use serde_json::{Value, json};

/// A client with nothing of its own: it sends what it is told to and reads what comes.
pub struct Client {
    pub child: Child,
    pub input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    next: i32,
    /// Diagnostics that came while something else was waited for.
    published: Vec<Value>,
}

impl Client {
    pub fn start() -> Self {
        // A cache that cannot be made: whoever means to have one says so.
        Self::start_with_cache(Path::new("/dev/null/cache"))
    }

    pub fn start_with_cache(cache: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_imgfile"))
            .arg("lsp")
            .env("XDG_CACHE_HOME", cache)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output, next: 1, published: Vec::new() }
    }

    /// A session in the middle of its life, in the folder `root`.
    pub fn running(root: &Path) -> Self {
        Self::running_with(root, &json!({})).0
    }

    pub fn running_with(root: &Path, capabilities: &Value) -> (Self, Value) {
        Self::start().initialized(root, capabilities)
    }

    pub fn initialized(self, root: &Path, capabilities: &Value) -> (Self, Value) {
        self.initialized_with(root, capabilities, &Value::Null)
    }

    pub fn initialized_with(mut self, root: &Path, capabilities: &Value, options: &Value) -> (Self, Value) {
        let client = &mut self;
        let folder = json!({ "uri": uri(root), "name": "project" });
        let params = json!({
            "processId": null,
            "capabilities": capabilities,
            "initializationOptions": options,
            "workspaceFolders": [folder],
        });
        let answer = client.request("initialize", &params);
        client.notify("initialized", &json!({}));
        let result = answer["result"].clone();
        (self, result)
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.input.as_mut().unwrap().write_all(bytes).unwrap();
    }

    pub fn send(&mut self, message: &Value) {
        let body = message.to_string();
        self.write(format!("Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
    }

    pub fn notify(&mut self, method: &str, params: &Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    /// Sends a request and waits for its answer.
    pub fn request(&mut self, method: &str, params: &Value) -> Value {
        let id = self.next;
        self.next += 1;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        self.answer(&json!(id))
    }

    pub fn answer(&mut self, id: &Value) -> Value {
        loop {
            let message = self.read().expect("the server is there");
            if message["id"] == *id && message.get("method").is_none() {
                return message;
            }
            if message["method"] == "textDocument/publishDiagnostics" {
                self.published.push(message["params"].clone());
            }
        }
    }

    pub fn read(&mut self) -> Option<Value> {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            match line.trim().split_once(": ") {
                Some((_, value)) => length = value.parse().unwrap(),
                None => break,
            }
        }
        let mut body = vec![0; length];
        self.output.read_exact(&mut body).unwrap();
        Some(serde_json::from_str(str::from_utf8(&body).unwrap()).unwrap())
    }

    pub fn open(&mut self, path: &Path, text: &str) {
        let document = json!({ "uri": uri(path), "languageId": "imagefile", "version": 1, "text": text });
        self.notify("textDocument/didOpen", &json!({ "textDocument": document }));
    }

    pub fn change(&mut self, path: &Path, version: i32, text: &str) {
        self.notify(
            "textDocument/didChange",
            &json!({ "textDocument": { "uri": uri(path), "version": version }, "contentChanges": [{ "text": text }] }),
        );
    }

    /// The next diagnostics published for a file.
    pub fn diagnostics(&mut self, path: &Path) -> Value {
        let uri = uri(path);
        loop {
            if let Some(at) = self.published.iter().position(|params| params["uri"] == uri) {
                return self.published.remove(at);
            }
            let message = self.read().expect("the server is there");
            if message["method"] == "textDocument/publishDiagnostics" {
                self.published.push(message["params"].clone());
            }
        }
    }

    /// The codes of the next diagnostics.
    pub fn codes(&mut self, path: &Path) -> Vec<String> {
        codes(&self.diagnostics(path))
    }

    pub fn at(&mut self, method: &str, path: &Path, line: u32, character: u32) -> Value {
        self.request(
            method,
            &json!({
                "textDocument": { "uri": uri(path) },
                "position": { "line": line, "character": character },
            }),
        )["result"]
            .clone()
    }

    pub fn end(mut self) -> ExitStatus {
        assert_eq!(self.request("shutdown", &Value::Null)["result"], Value::Null);
        self.notify("exit", &Value::Null);
        self.child.wait().unwrap()
    }
}

pub fn codes(published: &Value) -> Vec<String> {
    let list = published["diagnostics"].as_array().unwrap();
    list.iter().map(|one| one["code"].as_str().unwrap().to_owned()).collect()
}

pub fn uri(path: &Path) -> String {
    format!("file://{}", path.display())
}

pub fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

pub const GOOD: &str = "image \"web\" {\n  os linux debian 13\n  app nginx\n}\n";
