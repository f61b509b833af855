//! From a keystroke to its diagnostics, over the real protocol.
//!
//! Starts the built binary, opens an ImageFile of many lines and types into it, a character at a time:
//! each change is sent when the diagnostics of the one before have come. What is measured is the time
//! between the last byte written and the last byte read, as an editor would see it. Every third
//! keystroke leaves the file with a mistake, so that there is something to publish.
//!
//! `cargo bench --bench keystroke [-- LINES…]`

#![allow(clippy::unwrap_used, reason = "a measurement that fails is none")]

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const KEYSTROKES: u32 = 1000;

fn main() {
    let lines: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let lines = if lines.is_empty() { vec![1000, 10_000] } else { lines };
    for lines in lines {
        let mut times = measure(lines);
        times.sort();
        let at =
            |share: usize| times[(times.len() * share / 1000).min(times.len() - 1)].as_secs_f64() * 1000.0;
        println!(
            "{lines} lines: median {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, worst {:.2} ms, {} keystrokes",
            at(500),
            at(900),
            at(990),
            at(1000),
            times.len()
        );
    }
}

/// Images, each with what real ones have: apps, copies, scripts in heredocs, params, tests.
fn source(lines: usize) -> String {
    let mut text = "param release = \"2026.11\"\n\nprofile common {\n  packages [\"jq\", \"curl\"]\n  env RELEASE = \"${release}\"\n}\n".to_owned();
    let mut image = 0;
    while text.lines().count() < lines {
        image += 1;
        let _ = write!(
            text,
            r#"
# image number {image}
image "web-{image}" {{
  description "nginx behind the load balancer, release ${{release}}"

  os linux debian 13
  min_storage 8GiB
  use common

  app nginx ^1.26 {{
    port = {port}
  }}

  copy <<-EOF to "/etc/sysctl.d/90-web.conf"
    net.core.somaxconn = 4096
  EOF

  script <<-SH {{ name = "announce", timeout = 2m }}
    #!/bin/bash -e
    for word in one two three; do
      echo "$word: release $RELEASE" | sudo tee --append /etc/motd
    done
  SH
  service nginx enabled

  test "the front page answers" <<-SH
    #!/bin/bash -e
    curl --fail --silent http://localhost:{port}/ | grep -q nginx
  SH

  output qcow2
}}
"#,
            port = 8000 + image % 1000
        );
    }
    text
}

fn measure(lines: usize) -> Vec<Duration> {
    let folder = tempfile::tempdir().unwrap();
    let text = source(lines);
    fs::write(folder.path().join("ImageFile"), &text).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_imgfile"))
        .arg("lsp")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    let uri = format!("file://{}/ImageFile", folder.path().display());
    let folders = json!([{ "uri": format!("file://{}", folder.path().display()), "name": "x" }]);
    send(
        &mut input,
        &json!({ "id": 1, "method": "initialize", "params": { "capabilities": {}, "workspaceFolders": folders } }),
    );
    read(&mut output);
    let document = json!({ "uri": uri, "languageId": "imagefile", "version": 0, "text": text });
    send(&mut input, &json!({ "method": "textDocument/didOpen", "params": { "textDocument": document } }));
    let first = read(&mut output);
    assert_eq!(first["params"]["diagnostics"], json!([]), "the file is a good one");

    // In the middle of the file, the name of an app is typed and taken back.
    let middle = text.lines().count() / 2;
    let line = (middle..)
        .zip(text.lines().skip(middle))
        .find(|(_, line)| line.starts_with("  app nginx"))
        .unwrap()
        .0;
    let mut times = Vec::new();
    for version in 1..=KEYSTROKES {
        let (from, to, new) = if version % 3 == 1 {
            (11, 11, "q")
        } else if version % 3 == 2 {
            (11, 12, "x")
        } else {
            (11, 12, "")
        };
        let range =
            json!({ "start": { "line": line, "character": from }, "end": { "line": line, "character": to } });
        let change = json!({
            "method": "textDocument/didChange",
            "params": {
                "textDocument": { "uri": uri, "version": version },
                "contentChanges": [{ "range": range, "text": new }],
            },
        });
        let bytes = framed(&change);
        let start = Instant::now();
        input.write_all(&bytes).unwrap();
        let answer = read(&mut output);
        times.push(start.elapsed());
        assert_eq!(answer["params"]["version"], version);
        assert_eq!(answer["params"]["diagnostics"].as_array().unwrap().is_empty(), new.is_empty());
    }
    send(&mut input, &json!({ "method": "exit" }));
    child.wait().unwrap();
    times
}

fn framed(message: &Value) -> Vec<u8> {
    let body = message.to_string();
    format!("Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn send(input: &mut ChildStdin, message: &Value) {
    input.write_all(&framed(message)).unwrap();
}

fn read(output: &mut BufReader<ChildStdout>) -> Value {
    let mut length = 0;
    loop {
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        match line.trim().split_once(": ") {
            Some((_, value)) => length = value.parse().unwrap(),
            None => break,
        }
    }
    let mut body = vec![0; length];
    output.read_exact(&mut body).unwrap();
    serde_json::from_slice(&body).unwrap()
}
