//! Exports: a connection that breaks in the middle, and what is missing fetched afterwards.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use crate::process::Nhatky;

/// Events: several pages, and more than sockets hold.
const EVENTS: usize = 20_000;

fn started() -> Nhatky {
    let nhatky = Nhatky::started();
    for part in 0..4 {
        let lines: String = (0..EVENTS / 4)
            .map(|n| format!("{{\"message\":\"event \\\"{part}\\\"\\n{n}, needle\"}}\n"))
            .collect();
        let (status, _) = nhatky.post("/api/v1/ingest", lines);
        assert_eq!(status, 200);
    }
    nhatky.wait_for_count("needle", EVENTS as u64);
    nhatky
}

/// What a client has when its connection breaks: some lines, the last of them torn.
fn broken(nhatky: &Nhatky, query: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(nhatky.http).expect("it listens");
    let host = nhatky.http;
    let request = format!("GET /api/v1/export?q=needle&{query} HTTP/1.1\r\nhost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = Vec::new();
    let mut buffer = vec![0; 4096];
    while answer.len() < 300_000 {
        let read = stream.read(&mut buffer).expect("it answers");
        assert!(read > 0, "the whole export went through");
        answer.extend_from_slice(&buffer[..read]);
    }
    drop(stream);
    unchunked(&answer)
}

/// The body without its head and the lengths of its chunks (RFC 9112, 7.1).
fn unchunked(answer: &[u8]) -> Vec<u8> {
    let find = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|at| at == what);
    let head = find(answer, b"\r\n\r\n").expect("a head");
    let (mut body, mut rest) = (Vec::new(), &answer[head + 4..]);
    while let Some(end) = find(rest, b"\r\n") {
        let length = std::str::from_utf8(&rest[..end]).expect("a length");
        let length = usize::from_str_radix(length, 16).expect("a length");
        let data = &rest[end + 2..];
        body.extend_from_slice(&data[..length.min(data.len())]);
        rest = data.get(length + 2..).unwrap_or_default();
    }
    body
}

fn resume(nhatky: &Nhatky, file: &str, arguments: &[&str]) -> String {
    let mut command = crate::process::binary();
    command.args(["export", "needle", "--resume", "--output", file]);
    command.args(["--server", &nhatky.url("")]).args(arguments);
    let output = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn a_broken_export_is_gone_on_with_and_has_every_event_once() {
    let nhatky = started();
    let file = nhatky.beside("export.ndjson");
    let path = file.to_str().expect("a path");
    let partial = broken(&nhatky, "format=ndjson");
    std::fs::write(&file, &partial).expect("written");
    // What comes now is not part of it.
    nhatky.post("/api/v1/ingest", "{\"message\":\"late needle\"}\n");
    nhatky.wait_for_count("needle", EVENTS as u64 + 1);
    resume(&nhatky, path, &[]);
    let text = std::fs::read_to_string(&file).expect("UTF-8");
    assert!(
        text.as_bytes()
            .starts_with(&partial[..partial.len() - 4096])
    );
    let mut lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let trailer = lines.pop().expect("a trailer");
    assert_eq!(trailer["nhatky.export"]["complete"], true);
    let seqs: Vec<u64> = lines
        .iter()
        .map(|line| line["nhatky.seq"].as_u64().expect("a Seq"))
        .collect();
    assert!(
        seqs.is_sorted_by(|one, next| one > next),
        "newest first, each once"
    );
    assert_eq!(seqs.len(), EVENTS);
    assert!(!text.contains("late needle"));
    // Nothing is left to do.
    resume(&nhatky, path, &[]);
    assert_eq!(std::fs::read_to_string(&file).expect("UTF-8"), text);
    nhatky.wait_for_count("nhatky.product:nhatky.own event.action:export-end cut", 1);
    nhatky.wait_for_count(
        "nhatky.product:nhatky.own event.action:export-end complete",
        1,
    );
}

#[test]
fn a_broken_table_of_events_goes_on_behind_its_last_row() {
    let nhatky = started();
    let file = nhatky.beside("export.csv");
    let path = file.to_str().expect("a path");
    let fields = ["--format", "csv", "--fields", "message"];
    std::fs::write(&file, broken(&nhatky, "format=csv&fields=message")).expect("written");
    resume(&nhatky, path, &fields);
    let text = std::fs::read_to_string(&file).expect("UTF-8");
    let mut rows = text.split("\r\n");
    assert_eq!(rows.next(), Some("nhatky.seq,message"));
    let rows: Vec<&str> = rows.filter(|row| !row.is_empty()).collect();
    let seqs: BTreeSet<&str> = rows
        .iter()
        .filter_map(|row| row.split(',').next())
        .collect();
    assert_eq!((rows.len(), seqs.len()), (EVENTS, EVENTS));
    let whole = |row: &&str| row.ends_with(", needle\"") && row.contains(",\"event \"\"");
    assert!(
        rows.iter().all(whole),
        "{:?}",
        rows.iter().find(|row| !whole(row))
    );
}
