//! Archives and downloads, from a local server that is not always well behaved.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use imgfile::packages::{Archive, Keyring, Manager, Request, SolveError, Want};
use imgfile::store::Store;
use imgfile::store::archive::{ArchiveError, Indexes};
use imgfile::store::fetch::{Download, FetchError, Fetcher, Network};
use imgfile::text::Digest;

use crate::common::server::{Answer, Server};
use crate::common::signer::Signer;

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(future)
}

fn store(dir: &Path) -> Arc<Store> {
    Arc::new(Store::open(dir.join("store")).unwrap())
}

fn fetcher(offline: bool) -> Fetcher {
    Fetcher::new(&Network { offline, ..Network::default() }).unwrap()
}

fn download(server: &Server, path: &str, content: &[u8]) -> Download {
    Download {
        name: path.trim_start_matches('/').to_owned(),
        url: format!("{}{path}", server.url),
        sha256: Digest::of(content),
        size: Some(content.len() as u64),
    }
}

fn fetch(store: &Arc<Store>, downloads: &[Download]) -> Result<Vec<Vec<u8>>, FetchError> {
    let have = run(fetcher(false).all(store, downloads, &|_, _| {}))?;
    Ok(downloads.iter().map(|one| std::fs::read(&have[&one.sha256]).unwrap()).collect())
}

fn content() -> Vec<u8> {
    (0..200_000u32).flat_map(u32::to_le_bytes).collect()
}

#[test]
fn files_come_in_parallel_and_only_once() {
    let dir = tempfile::tempdir().unwrap();
    let (store, server) = (store(dir.path()), Server::start());
    let contents: Vec<Vec<u8>> = (0..20u8).map(|byte| vec![byte; 1000]).collect();
    let downloads: Vec<_> = contents
        .iter()
        .enumerate()
        .map(|(number, content)| {
            let path = format!("/{number}.deb");
            server.put(&path, Answer::Content(content.clone()));
            download(&server, &path, content)
        })
        .collect();
    let seen = Mutex::new((0, 0));
    let progress = |done: u64, total: u64| {
        let mut seen = seen.lock().unwrap();
        *seen = (done.max(seen.0), total);
    };
    run(fetcher(false).all(&store, &downloads, &progress)).unwrap();
    assert_eq!(*seen.lock().unwrap(), (20_000, 20_000));
    assert_eq!(fetch(&store, &downloads).unwrap(), contents);
    assert_eq!(server.asked().len(), 20, "the second time all of it was in the store");
}

#[test]
fn a_cut_connection_is_resumed_where_it_broke() {
    let dir = tempfile::tempdir().unwrap();
    let (store, server) = (store(dir.path()), Server::start());
    server.put("/a.deb", Answer::CutOnce(content()));
    assert_eq!(fetch(&store, &[download(&server, "/a.deb", &content())]).unwrap(), [content()]);
    let asked = server.asked();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(asked[1].starts_with("/a.deb from "), "{asked:?}");
}

#[test]
fn a_connection_that_breaks_again_and_again_brings_all_of_it_in_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let (store, server) = (store(dir.path()), Server::start());
    let large: Vec<u8> = (0..2_000_000u32).flat_map(u32::to_le_bytes).collect();
    // More often than anything is tried that brings nothing.
    server.put("/large.deb", Answer::CutEvery(large.clone(), large.len() / 6 + 1));
    assert_eq!(fetch(&store, &[download(&server, "/large.deb", &large)]).unwrap(), [large]);
    assert_eq!(server.asked().len(), 6, "{:?}", server.asked());
}

#[test]
fn what_another_process_began_is_finished() {
    let dir = tempfile::tempdir().unwrap();
    let (store, server) = (store(dir.path()), Server::start());
    server.put("/a.deb", Answer::Content(content()));
    let wanted = download(&server, "/a.deb", &content());
    std::fs::write(store.blobs().partial(&wanted.sha256), &content()[..1000]).unwrap();
    assert_eq!(fetch(&store, std::slice::from_ref(&wanted)).unwrap(), [content()]);
    assert_eq!(server.asked(), ["/a.deb from 1000"]);
}

#[test]
fn a_spoilt_beginning_is_thrown_away() {
    let dir = tempfile::tempdir().unwrap();
    let (store, server) = (store(dir.path()), Server::start());
    server.put("/a.deb", Answer::Content(content()));
    let wanted = download(&server, "/a.deb", &content());
    std::fs::write(store.blobs().partial(&wanted.sha256), b"something else").unwrap();
    assert_eq!(fetch(&store, &[wanted]).unwrap(), [content()]);
}

#[test]
fn a_file_that_is_not_what_was_promised_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (store, server) = (store(dir.path()), Server::start());
    server.put("/a.deb", Answer::Content(b"evil".to_vec()));
    let wanted = download(&server, "/a.deb", &content());
    let error = fetch(&store, std::slice::from_ref(&wanted)).unwrap_err();
    assert!(matches!(error, FetchError::Wrong { .. }), "{error}");
    assert_eq!(store.blobs().get(&wanted.sha256), None);
    // Nothing of it is in the way of the right one.
    server.put("/a.deb", Answer::Content(content()));
    assert_eq!(fetch(&store, &[wanted]).unwrap(), [content()]);
}

#[test]
fn a_file_that_is_gone_is_said_to_be_gone_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (store, server) = (store(dir.path()), Server::start());
    let error = fetch(&store, &[download(&server, "/a.deb", &content())]).unwrap_err();
    assert!(matches!(error, FetchError::Gone { status: 404, .. }), "{error}");
    assert_eq!(server.asked().len(), 1);
    server.put("/a.deb", Answer::Status(403));
    let error = fetch(&store, &[download(&server, "/a.deb", &content())]).unwrap_err();
    assert!(matches!(error, FetchError::Refused { status: 403, .. }), "{error}");
}

#[test]
fn redirects_are_followed_and_slow_servers_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let (store, server) = (store(dir.path()), Server::start());
    server.put("/a.deb", Answer::Redirect("/pool/b.deb".into()));
    server.put("/pool/b.deb", Answer::Drip(content()[..5000].to_vec()));
    let wanted = download(&server, "/a.deb", &content()[..5000]);
    assert_eq!(fetch(&store, &[wanted]).unwrap(), [&content()[..5000]]);
}

#[test]
fn a_server_that_never_sends_all_of_it_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let (store, server) = (store(dir.path()), Server::start());
    server.put("/a.deb", Answer::CutAlways(content()));
    let error = fetch(&store, &[download(&server, "/a.deb", &content())]).unwrap_err();
    assert!(matches!(error, FetchError::Unreachable { .. }), "{error}");
}

#[test]
fn without_a_network_only_the_store_counts() {
    let dir = tempfile::tempdir().unwrap();
    let (store, server) = (store(dir.path()), Server::start());
    let here =
        Download { sha256: store.blobs().put(b"here").unwrap(), ..download(&server, "/here.deb", b"here") };
    let missing = download(&server, "/a.deb", &content());
    assert!(run(fetcher(true).all(&store, std::slice::from_ref(&here), &|_, _| {})).is_ok());
    let error = run(fetcher(true).all(&store, &[here, missing], &|_, _| {})).unwrap_err();
    assert!(matches!(&error, FetchError::Offline { name } if name == "a.deb"), "{error}");
    assert!(server.asked().is_empty());
}

fn archive(server: &Server, suite: &str) -> Archive {
    Archive {
        name: format!("{}/deb", server.url),
        url: format!("{}/deb", server.url),
        suite: suite.to_owned(),
        components: if suite == "/" { Vec::new() } else { vec!["main".to_owned()] },
        priority: None,
    }
}

/// The version of `tool` that a request gets, with indexes of at most some age.
fn tool(
    store: &Arc<Store>,
    archive: &Archive,
    keys: &Keyring,
    max_age: Duration,
    offline: bool,
) -> Result<String, ArchiveError> {
    let fetcher = fetcher(offline);
    let indexes = Indexes { store, fetcher: &fetcher, max_age, manager: Manager::default() };
    let universe = run(indexes.load("amd64", &[(archive.clone(), keys)]))?;
    let wanted = Want { name: "tool".to_owned(), version: None };
    let solution = universe.solve(&[], &Request { install: vec![wanted], ..Request::default() }).unwrap();
    let [tool] = &solution.install[..] else { panic!("{solution:?}") };
    assert_eq!((tool.sha256, &tool.origin.archive), (Digest::of(b"tool"), &archive.name));
    Ok(tool.version.to_string())
}

const ALWAYS: Duration = Duration::ZERO;
const NEVER: Duration = Duration::MAX;

#[test]
fn an_archive_is_trusted_by_its_pinned_key() {
    let dir = tempfile::tempdir().unwrap();
    let (store, server, signer) = (store(dir.path()), Server::start(), Signer::new("Example"));
    signer.serve(&server, "1.0", "");
    let keys = Keyring::pinned(&signer.armored(), &signer.fingerprint()).unwrap();
    assert_eq!(tool(&store, &archive(&server, "stable"), &keys, ALWAYS, false).unwrap(), "1.0");
    assert_eq!(tool(&store, &archive(&server, "/"), &keys, ALWAYS, false).unwrap(), "1.0");
}

#[test]
fn a_key_with_another_fingerprint_than_the_pinned_is_refused() {
    let (signer, other) = (Signer::new("Example"), Signer::new("Other"));
    assert!(Keyring::pinned(&signer.armored(), &other.fingerprint()).is_err());
    let spaced: String = signer.fingerprint().to_lowercase().chars().flat_map(|c| [c, ' ']).collect();
    assert!(Keyring::pinned(&signer.armored(), &spaced).is_ok());
}

#[test]
fn another_signer_or_a_changed_byte_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let (store, server, signer, other) =
        (store(dir.path()), Server::start(), Signer::new("Example"), Signer::new("Other"));
    let release = other.serve(&server, "1.0", "");
    let keys = Keyring::pinned(&signer.armored(), &signer.fingerprint()).unwrap();
    let refused = |what: &str| {
        let error = tool(&store, &archive(&server, "stable"), &keys, ALWAYS, false).expect_err(what);
        assert!(matches!(error, ArchiveError::Release { .. }), "{what}: {error}");
    };
    refused("signed by another");
    let signed = String::from_utf8(signer.sign(&release)).unwrap();
    let place = "/deb/dists/stable/InRelease";
    server.put(place, Answer::Content(signed.replace("Origin: Example", "Origin: Exemple").into_bytes()));
    refused("changed after it was signed");
    server.put(place, Answer::Content(release.clone().into_bytes()));
    refused("not signed at all");
    server.put(place, Answer::Content(format!("Suite: evil\n\n{signed}").into_bytes()));
    refused("with something before what is signed");
    server.put(place, Answer::Content(signed.into_bytes()));
    assert_eq!(tool(&store, &archive(&server, "stable"), &keys, ALWAYS, false).unwrap(), "1.0");
}

#[test]
fn packages_that_the_index_does_not_vouch_for_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (store, server, signer) = (store(dir.path()), Server::start(), Signer::new("Example"));
    signer.serve(&server, "1.0", "");
    server.put("/deb/dists/stable/main/binary-amd64/Packages", Answer::Content(b"Package: tool\n".to_vec()));
    let keys = Keyring::read(&signer.armored()).unwrap();
    let error = tool(&store, &archive(&server, "stable"), &keys, ALWAYS, false).unwrap_err();
    assert!(matches!(error, ArchiveError::Inconsistent { .. }), "{error}");
}

#[test]
fn an_index_past_its_day_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (store, server, signer) = (store(dir.path()), Server::start(), Signer::new("Example"));
    let keys = Keyring::read(&signer.armored()).unwrap();
    signer.serve(&server, "1.0", "Valid-Until: Thu, 01 Jan 2015 00:00:00 UTC\n");
    let error = tool(&store, &archive(&server, "stable"), &keys, ALWAYS, false).unwrap_err();
    assert!(matches!(error, ArchiveError::Expired { .. }), "{error}");
    signer.serve(&server, "1.0", "Valid-Until: Thu, 01 Jan 2370 00:00:00 UTC\n");
    assert!(tool(&store, &archive(&server, "stable"), &keys, ALWAYS, false).is_ok());
}

/// The version of `tool`, whatever was kept.
fn fresh(server: &Server, keys: &Keyring, suite: &str) -> Result<String, ArchiveError> {
    let dir = tempfile::tempdir().unwrap();
    tool(&store(dir.path()), &archive(server, suite), keys, ALWAYS, false)
}

#[test]
fn an_index_is_of_this_time_or_says_no_time_at_all() {
    let (server, signer) = (Server::start(), Signer::new("Example"));
    let keys = Keyring::read(&signer.armored()).unwrap();
    for (fields, why) in [
        ("Date: Thu, 01 Jan 2370 00:00:00 UTC\n", "in the future"),
        ("Date: soon\n", "`Date` is no date"),
        ("Valid-Until: for ever\n", "`Valid-Until` is no date"),
    ] {
        signer.serve(&server, "1.0", fields);
        let error = fresh(&server, &keys, "stable").unwrap_err().to_string();
        assert!(error.contains(why), "{fields}: {error}");
    }
}

#[test]
fn the_index_of_another_suite_is_not_the_one_that_was_asked_for() {
    let (server, signer) = (Server::start(), Signer::new("Example"));
    let keys = Keyring::read(&signer.armored()).unwrap();
    signer.serve(&server, "1.0", "");
    // A man in the middle answers for security updates with what never expires.
    for file in ["InRelease", "main/binary-amd64/Packages"] {
        let inner = format!("/deb/dists/stable/{file}");
        server.put(&format!("/deb/dists/stable-security/{file}"), Answer::Redirect(inner));
    }
    let error = fresh(&server, &keys, "stable-security").unwrap_err();
    assert!(matches!(error, ArchiveError::Release { .. }), "{error}");
    assert!(error.to_string().contains("of another suite: it calls itself `stable`"), "{error}");
    assert_eq!(fresh(&server, &keys, "stable").unwrap(), "1.0");
}

#[test]
fn an_older_index_never_takes_the_place_of_a_newer_one() {
    let dir = tempfile::tempdir().unwrap();
    let (store, server, signer) = (store(dir.path()), Server::start(), Signer::new("Example"));
    let keys = Keyring::read(&signer.armored()).unwrap();
    let archive = archive(&server, "stable");
    signer.serve(&server, "2.0", "Date: Fri, 11 Sep 2026 08:00:00 UTC\n");
    assert_eq!(tool(&store, &archive, &keys, ALWAYS, false).unwrap(), "2.0");
    signer.serve(&server, "1.0", "Date: Tue, 11 Sep 2018 08:00:00 UTC\n");
    assert_eq!(tool(&store, &archive, &keys, ALWAYS, false).unwrap(), "2.0");
    assert_eq!(tool(&store, &archive, &keys, ALWAYS, true).unwrap(), "2.0");
    signer.serve(&server, "3.0", "Date: Sat, 12 Sep 2026 08:00:00 UTC\n");
    assert_eq!(tool(&store, &archive, &keys, ALWAYS, false).unwrap(), "3.0");
}

#[test]
fn what_came_through_one_projects_proxy_serves_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let (store, proxy, signer) = (store(dir.path()), Server::start(), Signer::new("Example"));
    let keys = Keyring::read(&signer.armored()).unwrap();
    signer.serve(&proxy, "1.0", "");
    let url = "http://archive.invalid/deb".to_owned();
    let archive = Archive {
        name: url.clone(),
        url,
        suite: "stable".into(),
        components: vec!["main".to_owned()],
        priority: None,
    };
    let load = |network: &Network| {
        let fetcher = Fetcher::new(network).unwrap();
        let indexes =
            Indexes { store: &store, fetcher: &fetcher, max_age: NEVER, manager: Manager::default() };
        run(indexes.load("amd64", &[(archive.clone(), &keys)]))
    };
    let through = Network { proxy: Some(proxy.url.clone()), ..Network::default() };
    assert!(load(&through).is_ok());
    assert!(load(&Network { offline: true, ..through }).is_ok(), "it is kept for the same way");
    let error = load(&Network { offline: true, ..Network::default() }).unwrap_err();
    assert!(matches!(error, ArchiveError::Fetch(FetchError::Offline { .. })), "{error}");
}

#[test]
fn keys_come_armoured_or_not_and_several_at_once() {
    let signers = [Signer::new("One"), Signer::new("Two"), Signer::new("Three")];
    let server = Server::start();
    signers[2].serve(&server, "1.0", "");
    let separate: Vec<u8> = signers.iter().flat_map(Signer::armored).collect();
    let with_words = [b"The keys of this archive:\n\n".to_vec(), separate.clone()].concat();
    let windows = String::from_utf8(separate.clone()).unwrap().replace('\n', "\r\n").into_bytes();
    let binary: Vec<u8> = signers.iter().flat_map(Signer::binary).collect();
    let in_one_block = Signer::armour_of_all(&signers);
    for (form, keys) in [
        ("separate", separate),
        ("with words", with_words),
        ("windows", windows),
        ("binary", binary),
        ("in one block", in_one_block),
    ] {
        let ring = Keyring::read(&keys).unwrap();
        assert_eq!(ring.fingerprints().count(), 3, "{form}");
        let pinned = Keyring::pinned(&keys, &signers[2].fingerprint()).unwrap();
        for keys in [&ring, &pinned] {
            assert_eq!(fresh(&server, keys, "stable").unwrap(), "1.0", "{form}");
        }
        assert!(
            fresh(&server, &Keyring::pinned(&keys, &signers[0].fingerprint()).unwrap(), "stable").is_err()
        );
    }
}

#[test]
fn kept_indexes_serve_until_they_are_old_and_without_a_network() {
    let dir = tempfile::tempdir().unwrap();
    let (store, server, signer) = (store(dir.path()), Server::start(), Signer::new("Example"));
    let keys = Keyring::read(&signer.armored()).unwrap();
    let archive = archive(&server, "stable");
    signer.serve(&server, "1.0", "");
    assert_eq!(tool(&store, &archive, &keys, NEVER, false).unwrap(), "1.0");
    let asked = server.asked().len();
    signer.serve(&server, "2.0", "");
    assert_eq!(tool(&store, &archive, &keys, NEVER, false).unwrap(), "1.0");
    assert_eq!(tool(&store, &archive, &keys, ALWAYS, true).unwrap(), "1.0");
    assert_eq!(server.asked().len(), asked, "nobody was asked");
    assert_eq!(tool(&store, &archive, &keys, ALWAYS, false).unwrap(), "2.0");
}

#[test]
fn an_index_that_is_cut_off_is_fetched_again_or_not_kept() {
    let signer = Signer::new("Example");
    let keys = Keyring::read(&signer.armored()).unwrap();
    let places = ["/deb/dists/stable/InRelease", "/deb/dists/stable/main/binary-amd64/Packages"];
    for place in places {
        let dir = tempfile::tempdir().unwrap();
        let (store, server) = (store(dir.path()), Server::start());
        let archive = archive(&server, "stable");
        signer.serve(&server, "1.0", "");
        server.change(place, Answer::CutAlways);
        let error = tool(&store, &archive, &keys, ALWAYS, false).unwrap_err();
        assert!(matches!(error, ArchiveError::Fetch(FetchError::Unreachable { .. })), "{place}: {error}");
        // What was verified before is whole.
        let kept = std::fs::read_dir(store.indexes()).unwrap().count();
        assert_eq!(kept, usize::from(place == places[1]), "{place}");

        // Half of it, and then the other half, for the server knows that it is the same.
        signer.serve(&server, "1.0", "");
        server.change(place, |content| {
            let half = content.len() / 2 + 1;
            Answer::CutEvery(content, half)
        });
        assert_eq!(tool(&store, &archive, &keys, ALWAYS, false).unwrap(), "1.0", "{place}");
        let rest = format!("{place} from ");
        assert!(server.asked().iter().any(|asked| asked.starts_with(&rest)), "{:?}", server.asked());
    }
}

#[test]
fn an_index_from_the_future_is_not_believed_to_be_fresh() {
    let dir = tempfile::tempdir().unwrap();
    let (store, server, signer) = (store(dir.path()), Server::start(), Signer::new("Example"));
    let keys = Keyring::read(&signer.armored()).unwrap();
    let archive = archive(&server, "stable");
    signer.serve(&server, "1.0", "");
    let day = Duration::from_hours(24);
    assert_eq!(tool(&store, &archive, &keys, day, false).unwrap(), "1.0");
    signer.serve(&server, "2.0", "");
    assert_eq!(tool(&store, &archive, &keys, day, false).unwrap(), "1.0");
    // The clock was a month ahead when that was fetched.
    let then = std::time::SystemTime::now() + day * 30;
    for file in std::fs::read_dir(store.indexes()).unwrap().flatten() {
        std::fs::File::open(file.path()).unwrap().set_modified(then).unwrap();
    }
    assert_eq!(tool(&store, &archive, &keys, day, false).unwrap(), "2.0");
}

#[test]
fn an_archive_that_does_not_know_the_architecture_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (store, server, signer) = (store(dir.path()), Server::start(), Signer::new("Example"));
    signer.serve(&server, "1.0", "");
    let keys = Keyring::read(&signer.armored()).unwrap();
    let fetcher = fetcher(false);
    let indexes = Indexes { store: &store, fetcher: &fetcher, max_age: ALWAYS, manager: Manager::default() };
    let error = run(indexes.load("arm64", &[(archive(&server, "stable"), &keys)])).unwrap_err();
    assert!(matches!(error, ArchiveError::NoComponent { .. }), "{error}");
}

#[test]
fn a_package_nobody_has_is_unknown() {
    let dir = tempfile::tempdir().unwrap();
    let (store, server, signer) = (store(dir.path()), Server::start(), Signer::new("Example"));
    signer.serve(&server, "1.0", "");
    let keys = Keyring::read(&signer.armored()).unwrap();
    let fetcher = fetcher(false);
    let indexes = Indexes { store: &store, fetcher: &fetcher, max_age: ALWAYS, manager: Manager::default() };
    let universe = run(indexes.load("amd64", &[(archive(&server, "stable"), &keys)])).unwrap();
    let request = Request { install: vec![Want { name: "tol".into(), version: None }], ..Request::default() };
    assert_eq!(
        universe.solve(&[], &request),
        Err(SolveError::Unknown { name: "tol".into(), nearest: Some("tool".into()) })
    );
}
