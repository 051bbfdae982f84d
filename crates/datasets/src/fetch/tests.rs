//! Against a small HTTP server on the loopback interface.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::files::md5_of;
use crate::registry::Layout;
use crate::verify;

/// How the server treats a request.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// Answers with the part that was asked for.
    Good,
    /// Answers with the whole file, whatever was asked for.
    WithoutRanges,
    /// Breaks off in the middle of what was asked for, `times` times.
    Cutting { times: usize },
}

struct Server {
    url: String,
    /// The path and the first byte of each request.
    requests: Arc<Mutex<Vec<(String, u64)>>>,
}

impl Server {
    fn start(files: &[(&str, &[u8])], manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let files: BTreeMap<String, Vec<u8>> = files
            .iter()
            .map(|(name, content)| (format!("/{name}"), content.to_vec()))
            .collect();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut head = BufReader::new(&stream).lines().map(Result::unwrap);
                let Some(request) = head.next() else { continue };
                let path = request.split(' ').nth(1).unwrap().to_owned();
                let range = head.take_while(|line| !line.is_empty()).find_map(|line| {
                    let line = line.to_lowercase();
                    line.strip_prefix("range: bytes=")?
                        .strip_suffix('-')?
                        .parse::<usize>()
                        .ok()
                });
                let nth = {
                    let mut log = log.lock().unwrap();
                    log.push((path.clone(), range.unwrap_or(0) as u64));
                    log.len()
                };
                let Some(content) = files.get(&path) else {
                    let _ =
                        stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                    continue;
                };
                let start = if manner == Manner::WithoutRanges { None } else { range };
                let body = &content[start.unwrap_or(0)..];
                let (status, range) = match start {
                    Some(start) => (
                        "206 Partial Content",
                        format!(
                            "content-range: bytes {start}-{}/{}\r\n",
                            content.len() - 1,
                            content.len()
                        ),
                    ),
                    None => ("200 OK", String::new()),
                };
                let head = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\n{range}connection: close\r\n\r\n",
                    body.len()
                );
                let sent = match manner {
                    Manner::Cutting { times } if nth <= times => &body[..body.len() / 2],
                    _ => body,
                };
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(sent));
            }
        });
        Self { url, requests }
    }

    fn starts(&self) -> Vec<u64> {
        self.requests.lock().unwrap().iter().map(|(_, start)| *start).collect()
    }
}

fn leaked<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

fn info_of(name: &'static str, content: &[u8]) -> FileInfo {
    FileInfo::new(name, content.len() as u64, leaked(md5_of(content).unwrap()).as_str())
}

/// A data set of one file or more, which are put into the folder `set`.
fn plain_set(server: &Server, files: Vec<FileInfo>) -> DatasetInfo {
    let files: &'static [FileInfo] = Vec::leak(files);
    let layout = Layout {
        name: "files",
        folder: "set",
        files,
        read: |path| Err(Error::invalid(path.display(), "", "")),
    };
    DatasetInfo {
        name: "set",
        layouts: std::slice::from_ref(leaked(layout)),
        download: Some(Download {
            base_url: leaked(server.url.clone()).as_str(),
            folder: "set",
            files,
            archives: &[],
            from_hub: None,
        }),
        load: |_, _| Err(Error::invalid("set", "", "")),
        ..*crate::find("mnist").unwrap()
    }
}

/// A data set of one archive, `set.tar.gz` or `other.tar.gz`, with one file.
fn archived_set(server: &Server, archives: [&[u8]; 2], member: FileInfo) -> DatasetInfo {
    let members: &'static [FileInfo] = std::slice::from_ref(leaked(member));
    let archives = leaked([
        Archive {
            file: info_of("set.tar.gz", archives[0]),
            folder: "set",
            members,
        },
        Archive {
            file: info_of("other.tar.gz", archives[1]),
            folder: "set",
            members,
        },
    ]);
    let files = std::slice::from_ref(&archives[0].file);
    let info = plain_set(server, vec![member]);
    DatasetInfo {
        download: info.download.map(|download| Download {
            folder: "",
            files,
            archives,
            ..download
        }),
        ..info
    }
}

fn tar_gz(name: &str, content: &[u8], level: u32) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::new(level)));
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    tar.append_data(&mut header, name, content).unwrap();
    tar.into_inner().unwrap().finish().unwrap()
}

/// Bytes that differ everywhere, so that a wrong join is seen.
fn content(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + i / 256 * 3) as u8).collect()
}

fn run(info: &DatasetInfo, root: &Path, from: Option<&str>) -> Result<Fetched, Error> {
    fetch_with(&Client::without_proxy(), info, root, from, &mut |_| {})
}

fn listing(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .map(|entries| {
            entries
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect()
        })
        .unwrap_or_default();
    names.sort();
    names
}

#[test]
fn files_come_into_place_once() {
    let (one, two) = (content(200_000), content(10));
    let server = Server::start(&[("one.gz", &one), ("two.gz", &two)], Manner::Good);
    let info = plain_set(&server, vec![info_of("one.gz", &one), info_of("two.gz", &two)]);
    let root = tempfile::tempdir().unwrap();
    let mut told = Vec::new();
    let fetched = fetch_with(&Client::without_proxy(), &info, root.path(), None, &mut |progress| {
        if let Progress::Downloading {
            file: "one.gz",
            received,
            size,
        } = progress
        {
            assert_eq!(size, Some(200_000));
            told.push(received);
        }
    });
    assert_eq!(fetched.unwrap(), Fetched::Done);
    assert_eq!((told[0], told[told.len() - 1]), (0, 200_000));
    assert!(told.is_sorted() && told.len() > 2);
    assert_eq!(listing(&root.path().join("set")), ["one.gz", "two.gz"]);
    assert_eq!(fs::read(root.path().join("set/one.gz")).unwrap(), one);

    assert_eq!(run(&info, root.path(), None).unwrap(), Fetched::AlreadyThere);
    assert_eq!(server.starts(), [0, 0]);

    // A wrong file is replaced, a right one is left alone.
    fs::write(root.path().join("set/two.gz"), "damaged...").unwrap();
    assert_eq!(run(&info, root.path(), None).unwrap(), Fetched::Done);
    assert_eq!(fs::read(root.path().join("set/two.gz")).unwrap(), two);
    assert_eq!(server.requests.lock().unwrap()[2..], [("/two.gz".to_owned(), 0)]);
}

#[test]
fn of_several_that_fetch_the_same_one_does() {
    let bytes = content(200_000);
    let server = Server::start(&[("one.gz", &bytes)], Manner::Good);
    let info = plain_set(&server, vec![info_of("one.gz", &bytes)]);
    let root = tempfile::tempdir().unwrap();
    let fetched: Vec<Fetched> = thread::scope(|scope| {
        let fetch = || run(&info, root.path(), None).unwrap();
        let all: Vec<_> = (0..4).map(|_| scope.spawn(fetch)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(fetched.iter().filter(|one| **one == Fetched::Done).count(), 1);
    assert_eq!(server.starts(), [0]);
    assert_eq!(fs::read(root.path().join("set/one.gz")).unwrap(), bytes);
}

#[test]
fn a_cut_download_goes_on_where_it_was() {
    let bytes = content(100_000);
    let server = Server::start(&[("one.gz", &bytes)], Manner::Cutting { times: 2 });
    let info = plain_set(&server, vec![info_of("one.gz", &bytes)]);
    let root = tempfile::tempdir().unwrap();
    assert_eq!(run(&info, root.path(), None).unwrap(), Fetched::Done);
    assert_eq!(server.starts(), [0, 50_000, 75_000]);
    assert_eq!(fs::read(root.path().join("set/one.gz")).unwrap(), bytes);
}

#[test]
fn a_later_run_goes_on_where_the_first_was_cut() {
    let bytes = content(1_000);
    let cutting = Server::start(&[("one.gz", &bytes)], Manner::Cutting { times: 100 });
    let info = plain_set(&cutting, vec![info_of("one.gz", &bytes)]);
    let root = tempfile::tempdir().unwrap();
    let message = run(&info, root.path(), None).unwrap_err().to_string();
    let reached = cutting.starts();
    assert_eq!(reached, [0, 500, 750, 875, 937]);
    assert!(
        message.contains(&format!("{}one.gz: cut after 968 bytes", cutting.url)),
        "{message}"
    );
    assert_eq!(listing(&root.path().join("set")), ["one.gz.part"]);

    let good = Server::start(&[("one.gz", &bytes)], Manner::Good);
    assert_eq!(run(&info, root.path(), Some(&good.url)).unwrap(), Fetched::Done);
    assert_eq!(good.starts(), [968]);
    assert_eq!(fs::read(root.path().join("set/one.gz")).unwrap(), bytes);
}

#[test]
fn without_ranges_it_starts_again() {
    let bytes = content(1_000);
    let server = Server::start(&[("one.gz", &bytes)], Manner::WithoutRanges);
    let info = plain_set(&server, vec![info_of("one.gz", &bytes)]);
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("set")).unwrap();
    fs::write(root.path().join("set/one.gz.part"), &bytes[..300]).unwrap();
    assert_eq!(run(&info, root.path(), None).unwrap(), Fetched::Done);
    assert_eq!(server.starts(), [300]);
    assert_eq!(fs::read(root.path().join("set/one.gz")).unwrap(), bytes);
}

#[test]
fn what_is_not_the_file_does_not_come_into_place() {
    let bytes = content(1_000);
    let mut wrong = bytes.clone();
    wrong[500] ^= 1;
    let root = tempfile::tempdir().unwrap();
    let message = |served: &[u8]| {
        let server = Server::start(&[("one.gz", served)], Manner::Good);
        let info = plain_set(&server, vec![info_of("one.gz", &bytes)]);
        let message = run(&info, root.path(), None).unwrap_err().to_string();
        assert_eq!(listing(&root.path().join("set")), [""; 0]);
        message.replace(&server.url, "URL/")
    };
    let (found, expected) = (md5_of(&wrong[..]).unwrap(), md5_of(&bytes[..]).unwrap());
    assert_eq!(
        message(&wrong),
        format!(
            "{}/set/one.gz.part: MD5 sum: found {found}, expected {expected}",
            root.path().display()
        )
    );
    let longer = message(&content(2_000));
    assert!(
        longer.starts_with("URL/one.gz: more than the 1000 bytes of the file\n\n"),
        "{longer}"
    );
}

#[test]
fn what_cannot_be_had_is_explained() {
    let bytes = content(10);
    let server = Server::start(&[], Manner::Good);
    let info = plain_set(&server, vec![info_of("one.gz", &bytes)]);
    let root = tempfile::tempdir().unwrap();
    let by_hand = format!(
        "run `cargo xtask data fetch set`, or place by hand, as it is, in {}/set:\n  {}one.gz\n    MD5 sum {}",
        root.path().display(),
        server.url,
        md5_of(&bytes[..]).unwrap()
    );
    assert_eq!(
        run(&info, root.path(), None).unwrap_err().to_string(),
        format!("{}one.gz: HTTP status 404\n\n{by_hand}", server.url)
    );
    assert_eq!(server.starts(), [0]);

    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let message = run(&info, root.path(), Some(&format!("http://{closed}/one.gz")))
        .unwrap_err()
        .to_string();
    assert!(message.starts_with(&format!("http://{closed}/one.gz: ")), "{message}");
    assert!(message.ends_with(&by_hand), "{message}");
    assert_eq!(listing(&root.path().join("set")), [""; 0]);
}

#[test]
fn an_archive_is_unpacked_and_removed() {
    let bytes = content(5_000);
    let [first, second] = [1, 9].map(|level| tar_gz("set/one.bin", &bytes, level));
    let server = Server::start(&[("set.tar.gz", &first), ("x/other.tar.gz", &second)], Manner::Good);
    let info = archived_set(&server, [&first, &second], info_of("one.bin", &bytes));
    for from in [None, Some(format!("{}x/other.tar.gz", server.url))] {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(run(&info, root.path(), from.as_deref()).unwrap(), Fetched::Done);
        assert_eq!(listing(root.path()), [".fetch.lock", "set"]);
        assert_eq!(fs::read(root.path().join("set/one.bin")).unwrap(), bytes);
        assert_eq!(run(&info, root.path(), None).unwrap(), Fetched::AlreadyThere);
    }
}

#[test]
fn files_on_disk_are_taken_from_where_they_are() {
    let bytes = content(5_000);
    let [first, second] = [1, 9].map(|level| tar_gz("set/one.bin", &bytes, level));
    assert_ne!(first.len(), second.len());
    let server = Server::start(&[], Manner::Good);
    let archived = archived_set(&server, [&first, &second], info_of("one.bin", &bytes));
    let plain = plain_set(&server, vec![info_of("one.bin", &bytes)]);

    let source = tempfile::tempdir().unwrap();
    let path = |name: &str| source.path().join(name);
    fs::write(path("set.tar.gz"), &first).unwrap();
    fs::write(path("renamed"), &second).unwrap();
    fs::write(path("one.bin"), &bytes).unwrap();
    fs::write(path("short"), "short").unwrap();
    let fetched = |info: &DatasetInfo, from: &Path| {
        let root = tempfile::tempdir().unwrap();
        run(info, root.path(), from.to_str()).map_err(|e| e.to_string())?;
        assert_eq!(listing(root.path()), [".fetch.lock", "set"]);
        fs::read(root.path().join("set/one.bin")).map_err(|e| e.to_string())
    };
    assert_eq!(fetched(&archived, &path("set.tar.gz")), Ok(bytes.clone()));
    assert_eq!(fetched(&archived, &path("renamed")), Ok(bytes.clone()));
    assert_eq!(fetched(&archived, source.path()), Ok(bytes.clone()));
    assert_eq!(fetched(&plain, &path("one.bin")), Ok(bytes.clone()));
    assert_eq!(fetched(&plain, source.path()), Ok(bytes));
    assert_eq!(
        fetched(&archived, &path("short")).unwrap_err(),
        format!(
            "{}: size in bytes: found 5, expected {} (set.tar.gz) or {} (other.tar.gz)",
            path("short").display(),
            first.len(),
            second.len()
        )
    );
    assert_eq!(server.starts(), [0; 0]);
}

#[test]
fn verify_tells_missing_right_and_wrong() {
    let (one, two) = (content(10), content(20));
    let server = Server::start(&[], Manner::Good);
    let info = plain_set(&server, vec![info_of("one.bin", &one), info_of("two.bin", &two)]);
    let root = tempfile::tempdir().unwrap();
    let states = || {
        let verification = verify(&info, root.path());
        assert_eq!(verification.layouts.len(), 1);
        verification.layouts[0]
            .files
            .iter()
            .map(|file| file.state.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(states(), [FileState::Missing, FileState::Missing]);
    fs::create_dir(root.path().join("set")).unwrap();
    fs::write(root.path().join("set/one.bin"), &one).unwrap();
    fs::write(root.path().join("set/two.bin"), &one).unwrap();
    let wrong = FileState::Wrong {
        place: "size".to_owned(),
        found: "10 bytes".to_owned(),
        expected: "20 bytes".to_owned(),
    };
    assert_eq!(states(), [FileState::Right { md5: true }, wrong]);
}

#[test]
fn embedded_data_needs_nothing() {
    let digits = crate::find("digits").unwrap();
    assert_eq!(run(digits, Path::new("nowhere"), None).unwrap(), Fetched::NothingNeeded);
    let verification = verify(digits, Path::new("nowhere"));
    assert!(verification.layouts.is_empty() && verification.content.is_ok());
}
