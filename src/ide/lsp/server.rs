//! The session: its states, the order of things, and which answer a message gets.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver};

use gen_lsp_types as lsp;
use lsp_server::{ErrorCode, Message, Notification, Request, RequestId, Response};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::convert::{self, Places};
use super::features;
use super::method::{Lifecycle, Notice, ToClient};
use super::position::Encoding;
use super::projects::Key;
use super::session::Session;
use super::transport::{self, Envelope, Incoming, failure};
use super::uri;
use crate::text::Span;

/// Messages taken in before diagnostics are published, however many more are waiting.
const MAX_BATCH: usize = 256;

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The client said `shutdown` and `exit`.
    Properly,
    /// The client went away, or said `exit` alone.
    Abruptly,
}

/// Serves one client until it leaves. `input` is read on a thread of its own. Into `shown` go compiled-in
/// catalogue files that the client asks to see; without it there is nothing to see.
pub fn serve(mut input: impl BufRead + Send + 'static, output: impl Write, shown: Option<PathBuf>) -> Ended {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        // A stream that cannot be read has ended for us.
        while let Ok(Some(incoming)) = transport::read(&mut input) {
            if sender.send(incoming).is_err() {
                break;
            }
        }
    });
    let mut server = Server {
        output,
        state: State::Fresh,
        watches: false,
        session: Session::new(shown),
        reports: BTreeMap::new(),
        published: BTreeMap::new(),
    };
    // Writing fails when the client is gone; there is nobody left to tell.
    server.run(&receiver).unwrap_or(Ended::Abruptly)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before `initialize`.
    Fresh,
    Running,
    /// After `shutdown`.
    Stopped,
}

/// What was last said about a file: the version of its text, and the diagnostics.
type Published = (Option<i32>, Vec<lsp::Diagnostic>);

struct Server<W> {
    output: W,
    state: State,
    /// The client can tell of changes on the disk.
    watches: bool,
    session: Session,
    /// What each project has to say about each file, by its URI.
    reports: BTreeMap<Key, BTreeMap<String, Vec<lsp::Diagnostic>>>,
    published: BTreeMap<String, Published>,
}

impl<W: Write> Server<W> {
    fn run(&mut self, incoming: &Receiver<Incoming>) -> io::Result<Ended> {
        let mut waiting: VecDeque<Incoming> = VecDeque::new();
        loop {
            let Ok(first) = incoming.recv() else { return Ok(Ended::Abruptly) };
            waiting.push_back(first);
            let mut taken = 1;
            loop {
                while taken < MAX_BATCH
                    && let Ok(next) = incoming.try_recv()
                {
                    waiting.push_back(next);
                    taken += 1;
                }
                let Some(next) = waiting.pop_front() else { break };
                if let Some(ended) = self.take(next, &mut waiting)? {
                    return Ok(ended);
                }
            }
            if self.state == State::Running {
                self.publish()?;
            }
        }
    }

    fn take(&mut self, incoming: Incoming, waiting: &mut VecDeque<Incoming>) -> io::Result<Option<Ended>> {
        match incoming {
            Incoming::Broken(nonsense) => {
                transport::write(&mut self.output, &nonsense.to_json())?;
            }
            Incoming::Message(Message::Response(_)) => {}
            Incoming::Message(Message::Request(request)) => self.request(request)?,
            Incoming::Message(Message::Notification(note)) => match Notice::of(&note.method) {
                Some(Notice::Exit) => {
                    let properly = self.state == State::Stopped;
                    return Ok(Some(if properly { Ended::Properly } else { Ended::Abruptly }));
                }
                Some(Notice::CancelRequest) => self.cancel(&note, waiting)?,
                Some(notice) if self.state == State::Running => self.notification(notice, note.params)?,
                _ => {}
            },
        }
        Ok(None)
    }

    fn send(&mut self, message: impl Into<Message>) -> io::Result<()> {
        transport::write(&mut self.output, &Envelope::new(&message.into()))
    }

    fn fail(&mut self, id: RequestId, code: ErrorCode, message: impl Into<String>) -> io::Result<()> {
        self.send(failure(id, code, message))
    }

    /// Answers a request that is still waiting; one that was answered cannot be cancelled.
    fn cancel(&mut self, note: &Notification, waiting: &mut VecDeque<Incoming>) -> io::Result<()> {
        let id = &note.params["id"];
        let is_it = |incoming: &Incoming| matches!(incoming, Incoming::Message(Message::Request(request)) if json!(request.id) == *id);
        if let Some(at) = waiting.iter().position(is_it)
            && let Some(Incoming::Message(Message::Request(request))) = waiting.remove(at)
        {
            self.fail(request.id, ErrorCode::RequestCanceled, "cancelled")?;
        }
        Ok(())
    }

    fn request(&mut self, request: Request) -> io::Result<()> {
        let Request { id, method, params } = request;
        match (self.state, Lifecycle::of(&method)) {
            (State::Fresh, Some(Lifecycle::Initialize)) => {
                let result = self.initialize(&params);
                self.state = State::Running;
                self.send(Response::new_ok(id, result))
            }
            (State::Fresh, _) => self.fail(id, ErrorCode::ServerNotInitialized, "`initialize` comes first"),
            (State::Running, Some(Lifecycle::Initialize)) => {
                self.fail(id, ErrorCode::InvalidRequest, "the session has begun already")
            }
            (State::Running, Some(Lifecycle::Shutdown)) => {
                self.state = State::Stopped;
                self.send(Response::new_ok(id, Value::Null))
            }
            (State::Stopped, _) => self.fail(id, ErrorCode::InvalidRequest, "the session was shut down"),
            (State::Running, None) => {
                let answer = self.guarded(|server| {
                    // Answers are about the text as it is now, not as it was when last published.
                    let touched = server.session.projects.refresh(&server.session.documents);
                    server.report(&touched);
                    features::answer(&server.session, &method, params)
                });
                match answer {
                    Some(Ok(result)) => self.send(Response::new_ok(id, result)),
                    Some(Err(error)) => self.fail(id, error.code, error.message),
                    None => self.fail(
                        id,
                        ErrorCode::InternalError,
                        "a defect of imgfile; its message is on stderr",
                    ),
                }
            }
        }
    }

    /// Runs what must not end the session even if it panics.
    fn guarded<T>(&mut self, run: impl FnOnce(&mut Self) -> T) -> Option<T> {
        catch_unwind(AssertUnwindSafe(|| run(self))).ok()
    }

    fn initialize(&mut self, params: &Value) -> Value {
        let offered: Option<Vec<lsp::PositionEncodingKind>> =
            parse(params.pointer("/capabilities/general/positionEncodings").cloned().unwrap_or_default());
        self.session.encoding = Encoding::negotiate(offered.as_deref());
        self.watches = params
            .pointer("/capabilities/workspace/didChangeWatchedFiles/dynamicRegistration")
            .is_some_and(|value| *value == true);
        self.session.commands =
            parse(params["initializationOptions"]["commands"].clone()).unwrap_or_default();
        let folders =
            params["workspaceFolders"].as_array().into_iter().flatten().map(|folder| &folder["uri"]);
        let folders = folders.chain([&params["rootUri"]]).filter_map(Value::as_str).filter_map(uri::to_path);
        self.session.projects.set_workspace(folders);
        let result = lsp::InitializeResult {
            capabilities: features::capabilities(self.session.encoding, &self.session.commands),
            server_info: Some(lsp::ServerInfo {
                name: "imgfile".to_owned(),
                version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            }),
        };
        json!(result)
    }

    fn notification(&mut self, notice: Notice, params: Value) -> io::Result<()> {
        match notice {
            Notice::Initialized if self.watches => {
                let watchers = json!([{ "globPattern": "**/*" }]);
                let registration = json!({
                    "id": "files",
                    "method": Notice::DidChangeWatchedFiles.as_str(),
                    "registerOptions": { "watchers": watchers },
                });
                let params = json!({ "registrations": [registration] });
                let id = RequestId::from("watch-files".to_owned());
                self.send(Request { id, method: ToClient::RegisterCapability.as_str().to_owned(), params })?;
            }
            Notice::DidOpen => {
                if let Some(params) = parse::<lsp::DidOpenTextDocumentParams>(params) {
                    let document = params.text_document;
                    let uri = document.uri.0;
                    self.session.documents.open(uri.clone(), document.version, document.text);
                    self.guarded(|server| server.session.projects.opened(&uri, &server.session.documents));
                    self.published.remove(&uri);
                }
            }
            Notice::DidChange => {
                if let Some(params) = parse::<lsp::DidChangeTextDocumentParams>(params) {
                    let uri = params.text_document.text_document_identifier.uri.0;
                    let version = params.text_document.version;
                    if self.session.documents.change(
                        &uri,
                        version,
                        &params.content_changes,
                        self.session.encoding,
                    ) {
                        self.session.projects.touch(&uri);
                    }
                }
            }
            Notice::DidClose => {
                if let Some(params) = parse::<lsp::DidCloseTextDocumentParams>(params) {
                    let uri = params.text_document.uri.0;
                    self.session.projects.closed(&uri);
                    self.session.documents.close(&uri);
                }
            }
            Notice::DidSave | Notice::DidChangeWatchedFiles => {
                self.guarded(|server| server.session.projects.touch_all(&server.session.documents));
            }
            Notice::Initialized | Notice::Exit | Notice::CancelRequest => {}
        }
        Ok(())
    }

    /// Takes note of what projects have to say after an analysis.
    fn report(&mut self, touched: &[Key]) {
        for key in touched {
            let Some((project, analysis)) = self.session.projects.get(key) else { continue };
            let places = Places::new(&analysis.sources, self.session.encoding);
            let uri = |source| self.session.projects.uri(key, project, &analysis, source);
            let mut by_uri: BTreeMap<String, Vec<lsp::Diagnostic>> = BTreeMap::new();
            for diagnostic in &analysis.diagnostics {
                // What has no place in a file of the project is shown at the start of its ImageFile.
                let span = diagnostic.span().filter(|span| !analysis.is_builtin(span.source));
                let span = span.or_else(|| Some(Span::new(project.main_source(&analysis)?, 0, 0)));
                if let Some((span, to)) = span.and_then(|span| Some((span, uri(span.source)?))) {
                    by_uri.entry(to).or_default().push(convert::diagnostic(diagnostic, span, &places, uri));
                }
            }
            self.reports.insert(key.clone(), by_uri);
        }
        let live: Vec<&Key> = self.session.projects.keys().collect();
        self.reports.retain(|key, _| live.contains(&key));
    }

    /// Analyses what changed and tells the client what is new.
    fn publish(&mut self) -> io::Result<()> {
        self.guarded(|server| {
            let touched = server.session.projects.refresh(&server.session.documents);
            server.report(&touched);
        });
        let mut now: BTreeMap<String, Published> = BTreeMap::new();
        for (uri, document) in self.session.documents.iter() {
            now.insert(uri.to_owned(), (Some(document.version), Vec::new()));
        }
        for (uri, diagnostics) in self.reports.values().flatten() {
            let list = &mut now.entry(uri.clone()).or_default().1;
            for diagnostic in diagnostics {
                if !list.contains(diagnostic) {
                    list.push(diagnostic.clone());
                }
            }
        }
        let before = std::mem::take(&mut self.published);
        for uri in before.keys().filter(|uri| !now.contains_key(*uri)) {
            self.send_diagnostics(uri, &(None, Vec::new()))?;
        }
        for (uri, published) in &now {
            if before.get(uri) != Some(published) {
                self.send_diagnostics(uri, published)?;
            }
        }
        self.published = now;
        Ok(())
    }

    fn send_diagnostics(&mut self, uri: &str, (version, diagnostics): &Published) -> io::Result<()> {
        let params = lsp::PublishDiagnosticsParams {
            uri: uri.to_owned().into(),
            version: *version,
            diagnostics: diagnostics.clone(),
        };
        self.send(Notification::new(ToClient::PublishDiagnostics.as_str().to_owned(), params))
    }
}

/// Reads parameters; what does not fit is as if it had not been said.
fn parse<T: DeserializeOwned>(params: Value) -> Option<T> {
    serde_json::from_value(params).ok()
}
