//! Messages on a byte stream: `Content-Length: N`, an empty line, N bytes of JSON.

use std::io::{self, BufRead, Read as _, Write};

use lsp_server::{ErrorCode, Message, Notification, Request, RequestId, Response, ResponseError};
use serde_json::Value;

/// Largest message that is looked at, in bytes; a larger one is skipped.
const MAX_MESSAGE: u64 = 64 << 20;
/// Longest header line, in bytes; the rest of a longer one is skipped.
const MAX_HEADER: u64 = 4096;

/// What came in.
#[derive(Debug)]
pub(super) enum Incoming {
    Message(Message),
    /// Nonsense, with the answer to it.
    Broken(Nonsense),
}

/// Why a message was not understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Nonsense {
    /// The request's id as far as there is one, else null.
    pub id: Value,
    pub code: i32,
    pub message: String,
}

impl Nonsense {
    fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { id: Value::Null, code: code as i32, message: message.into() }
    }

    /// As a response on the wire. Its id may be null, which the library's type cannot say.
    pub fn to_json(&self) -> Value {
        serde_json::json!({
            "jsonrpc": "2.0",
            "id": self.id,
            "error": { "code": self.code, "message": self.message },
        })
    }
}

/// Reads the next message; `None` at the end of the stream.
pub(super) fn read(input: &mut impl BufRead) -> io::Result<Option<Incoming>> {
    let mut length: Option<Result<u64, ()>> = None;
    loop {
        let Some(line) = header_line(input)? else { return Ok(None) };
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.trim().eq_ignore_ascii_case("content-length")
        {
            length = Some(value.trim().parse().map_err(|_| ()));
        }
    }
    let length = match length {
        Some(Ok(length)) => length,
        Some(Err(())) => return Ok(Some(broken("the Content-Length is not a number"))),
        None => return Ok(Some(broken("the header has no Content-Length"))),
    };
    if length > MAX_MESSAGE {
        let skipped = io::copy(&mut input.take(length), &mut io::sink())?;
        let end = skipped < length;
        return Ok((!end).then(|| broken("the message is larger than 64 MiB")));
    }
    let mut body = Vec::new();
    // Read piece by piece: a length is a promise, not memory to be taken at once.
    if input.take(length).read_to_end(&mut body)? as u64 != length {
        return Ok(None);
    }
    Ok(Some(match serde_json::from_slice(&body) {
        Ok(value) => message(value),
        Err(error) => broken(&format!("the message is not JSON: {error}")),
    }))
}

fn broken(message: &str) -> Incoming {
    Incoming::Broken(Nonsense::new(ErrorCode::ParseError, message))
}

/// One line of a header without its end, cut at a limit; `None` at the end of the stream.
fn header_line(input: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    if input.take(MAX_HEADER).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if !line.ends_with(b"\n") {
        loop {
            let mut rest = Vec::new();
            if input.take(MAX_HEADER).read_until(b'\n', &mut rest)? == 0 || rest.ends_with(b"\n") {
                break;
            }
        }
    }
    Ok(Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned()))
}

fn message(mut value: Value) -> Incoming {
    let Some(object) = value.as_object_mut() else {
        return Incoming::Broken(Nonsense::new(ErrorCode::InvalidRequest, "a message is a JSON object"));
    };
    let id = object.remove("id");
    let params = object.remove("params").unwrap_or_default();
    let method = match object.remove("method") {
        Some(Value::String(method)) => Some(method),
        None => None,
        Some(_) => {
            let id = id.unwrap_or_default();
            return Incoming::Broken(Nonsense {
                id,
                ..Nonsense::new(ErrorCode::InvalidRequest, "the method is no text")
            });
        }
    };
    match (method, id) {
        (Some(method), None) => Incoming::Message(Message::Notification(Notification { method, params })),
        (Some(method), Some(id)) => match request_id(&id) {
            Some(id) => Incoming::Message(Message::Request(Request { id, method, params })),
            None => Incoming::Broken(Nonsense {
                id: if id.is_number() { id } else { Value::Null },
                ..Nonsense::new(ErrorCode::InvalidRequest, "an id is a text or a 32-bit number")
            }),
        },
        // An answer to a request of ours; none of them needs its answer.
        (None, Some(id)) if object.contains_key("result") || object.contains_key("error") => {
            let id = request_id(&id).unwrap_or_else(|| RequestId::from(0));
            Incoming::Message(Message::Response(Response { id, response_result: Ok(Value::Null) }))
        }
        (None, _) => Incoming::Broken(Nonsense::new(ErrorCode::InvalidRequest, "the message has no method")),
    }
}

fn request_id(id: &Value) -> Option<RequestId> {
    match id {
        Value::String(text) => Some(RequestId::from(text.clone())),
        Value::Number(number) => Some(RequestId::from(i32::try_from(number.as_i64()?).ok()?)),
        _ => None,
    }
}

/// Writes one message.
pub(super) fn write(output: &mut impl Write, message: &impl serde::Serialize) -> io::Result<()> {
    let body = serde_json::to_vec(message)?;
    write!(output, "Content-Length: {}\r\n\r\n", body.len())?;
    output.write_all(&body)?;
    output.flush()
}

/// A message with the `jsonrpc` member that the library's types leave to the writer.
#[derive(serde::Serialize)]
pub(super) struct Envelope<'a> {
    jsonrpc: &'static str,
    #[serde(flatten)]
    message: &'a Message,
}

impl<'a> Envelope<'a> {
    pub fn new(message: &'a Message) -> Self {
        Self { jsonrpc: "2.0", message }
    }
}

/// An error answer.
pub(super) fn failure(id: RequestId, code: ErrorCode, message: impl Into<String>) -> Response {
    let error = ResponseError { code: code as i32, message: message.into(), data: None };
    Response { id, response_result: Err(error) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_all(bytes: &[u8]) -> Vec<String> {
        let mut input = bytes;
        let mut out = Vec::new();
        while let Some(incoming) = read(&mut input).unwrap() {
            out.push(match incoming {
                Incoming::Message(Message::Request(request)) => {
                    format!("request {} {}", request.id, request.method)
                }
                Incoming::Message(Message::Notification(note)) => format!("notification {}", note.method),
                Incoming::Message(Message::Response(_)) => "response".to_owned(),
                Incoming::Broken(nonsense) => {
                    format!("{} {}: {}", nonsense.id, nonsense.code, nonsense.message)
                }
            });
        }
        out
    }

    fn framed(body: &str) -> String {
        format!("Content-Length: {}\r\n\r\n{body}", body.len())
    }

    #[test]
    fn each_kind_of_message_and_of_nonsense() {
        let table = [
            (framed(r#"{"jsonrpc":"2.0","id":1,"method":"shutdown"}"#), "request 1 shutdown"),
            (framed(r#"{"id":"a","method":"x","params":{}}"#), "request \"a\" x"),
            (framed(r#"{"method":"exit"}"#), "notification exit"),
            (framed(r#"{"id":7,"result":null}"#), "response"),
            ("content-length:17\r\nX-Other: 1\r\n\r\n{\"method\":\"exit\"}".to_owned(), "notification exit"),
            (
                framed("{"),
                "null -32700: the message is not JSON: EOF while parsing an object at line 1 column 1",
            ),
            (framed("[]"), "null -32600: a message is a JSON object"),
            (framed("{}"), "null -32600: the message has no method"),
            (framed(r#"{"id":4,"method":[]}"#), "4 -32600: the method is no text"),
            (
                framed(r#"{"id":9999999999,"method":"x"}"#),
                "9999999999 -32600: an id is a text or a 32-bit number",
            ),
            ("Content-Length: many\r\n\r\n".to_owned(), "null -32700: the Content-Length is not a number"),
            ("hello\r\n\r\n".to_owned(), "null -32700: the header has no Content-Length"),
        ];
        for (bytes, expected) in &table {
            // What follows nonsense is understood again.
            let again = format!("{bytes}{}", framed(r#"{"method":"exit"}"#));
            assert_eq!(read_all(again.as_bytes()), [*expected, "notification exit"], "{bytes}");
        }
    }

    #[test]
    fn a_stream_that_ends_early_is_an_end() {
        assert_eq!(read_all(b"Content-Length: 100\r\n\r\n{"), Vec::<String>::new());
        assert_eq!(read_all(b"Content-Length: 99999999999999\r\n\r\n{"), Vec::<String>::new());
        assert_eq!(read_all(b"Content-Le"), Vec::<String>::new());
    }

    #[test]
    fn a_header_line_without_end_is_cut() {
        let long = format!("{}\r\n{}", "x".repeat(1 << 20), framed(r#"{"method":"exit"}"#));
        assert_eq!(read_all(long.as_bytes()), ["notification exit"]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_messages_or_nonsense(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            read_all(&bytes);
        }
    }
}
