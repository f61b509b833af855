//! Servers that would be waited for without an end.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

use tokio::time::Instant;

use super::partial::WAITS_FOR_OTHERS;
use super::*;

/// Serves each connection by `answer`, after its request was read. It ends with the test.
fn serve(answer: impl Fn(&mut TcpStream, &str) -> std::io::Result<()> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (answer, base) = (Arc::new(answer), url.clone());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answer, base) = (stream.unwrap(), Arc::clone(&answer), base.clone());
            std::thread::spawn(move || {
                let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                lines.take_while(|line| !line.is_empty()).for_each(drop);
                // Whoever asked may have had enough.
                let _ = answer(&mut stream, &base);
            });
        }
    });
    url
}

fn world() -> (tempfile::TempDir, Arc<Store>, Fetcher) {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(dir.path().join("store")).unwrap());
    let pace = Pace { bytes: 500, window: Duration::from_secs(1) };
    (dir, store, Fetcher::new(&Network::default()).unwrap().with_slowest(pace))
}

/// What fetching says, as a small file and as one for the store.
async fn told(url: &str, size: Option<u64>) -> [FetchError; 2] {
    let (_dir, store, fetcher) = world();
    let download = Download { name: "it".into(), url: url.into(), sha256: Digest::of("it"), size };
    let all = fetcher.all(&store, &[download], &|_, _| {}).await.unwrap_err();
    [fetcher.bytes(url, 1 << 20).await.unwrap_err(), all]
}

/// One byte after the other, for ever.
fn drip(stream: &mut TcpStream) -> std::io::Result<()> {
    loop {
        stream.write_all(b"x")?;
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[tokio::test]
async fn a_server_that_drips_is_given_up() {
    let begins: [&'static str; 2] =
        ["HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", "HTTP/1.1 200 OK\r\nX: "];
    for begin in begins {
        let url = serve(move |stream, _| stream.write_all(begin.as_bytes()).and_then(|()| drip(stream)));
        for error in told(&url, None).await {
            assert!(matches!(error, FetchError::Slow { .. }), "{error}");
        }
    }
}

#[tokio::test]
async fn a_server_that_is_quick_enough_is_waited_for() {
    let url = serve(|stream, _| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n")?;
        for _ in 0..50 {
            stream.write_all(&[b'x'; 1000])?;
            std::thread::park_timeout(Duration::from_millis(20));
        }
        Ok(())
    });
    let (_dir, _, fetcher) = world();
    assert_eq!(fetcher.bytes(&url, 1 << 20).await.unwrap().len(), 50_000);
}

#[tokio::test]
async fn redirections_in_a_circle_and_headers_without_an_end_are_errors() {
    let circle = serve(|stream, base| write!(stream, "HTTP/1.1 302 Found\r\nLocation: {base}/x\r\n\r\n"));
    let headers = serve(|stream, _| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
        (0..).try_for_each(|number| write!(stream, "X-{number}: {}\r\n", "x".repeat(1000)))
    });
    let (_dir, _, fetcher) = world();
    for url in [circle, headers] {
        let error = fetcher.bytes(&url, 1 << 20).await.unwrap_err();
        assert!(matches!(error, FetchError::Unreachable { .. } | FetchError::Slow { .. }), "{error}");
    }
}

#[tokio::test]
async fn an_address_at_which_nobody_listens_is_known_as_one() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for error in told(&format!("http://{nobody}/it"), None).await {
        assert!(matches!(error, FetchError::Unreachable { lasting: true, .. }), "{error}");
    }
}

/// How often something is tried that brings this error each time, and the seconds that takes.
async fn tries(lasting: bool) -> (u32, u64) {
    let began = tokio::time::Instant::now();
    let mut tries = Tries::default();
    let error = || FetchError::Unreachable { url: String::new(), reason: String::new(), lasting };
    let mut number = 1;
    while tries.again(error(), 0).await.is_ok() {
        number += 1;
    }
    (number, began.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn what_waiting_seldom_changes_is_not_waited_for() {
    assert_eq!(tries(true).await, (2, 1));
    assert_eq!(tries(false).await, (4, 7));
}

#[tokio::test]
async fn a_body_ends_where_it_has_to() {
    let endless = serve(|stream, _| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
        loop {
            stream.write_all(&vec![b'x'; 1 << 16])?;
        }
    });
    for error in told(&endless, Some(100_000)).await {
        assert!(matches!(error, FetchError::TooLarge { .. }), "{error}");
    }
    // One that announces more than the disk holds is not begun.
    let huge =
        serve(|stream, _| write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\nx", u64::MAX / 4));
    let [_, all] = told(&huge, None).await;
    assert!(matches!(all, FetchError::TooLarge { .. }), "{all}");
}

#[tokio::test(start_paused = true)]
async fn a_download_that_another_project_never_ends_is_not_waited_for_long() {
    let (_dir, store, _) = world();
    let digest = Digest::of("wanted by two");
    let first = Partial::open(&store, digest).await.unwrap();
    let begun = Instant::now();
    let second = Partial::open(&store, digest).await.unwrap();
    assert!(begun.elapsed() >= WAITS_FOR_OTHERS && begun.elapsed() < 2 * WAITS_FOR_OTHERS);
    assert_ne!(first.path, second.path);
    drop(first);
    let third = Partial::open(&store, digest).await.unwrap();
    assert_eq!(third.path, store.blobs().partial(&digest), "what has come so far is gone on with");
}
