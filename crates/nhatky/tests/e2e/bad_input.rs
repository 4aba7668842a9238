//! What strangers send: a clear error or a marked record, paid for by its sender alone; nothing is lost, nothing stalls.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};

use crate::process::Nhatky;

/// A good record still goes in and is found.
fn still_well(nhatky: &Nhatky, word: &str) {
    let (status, reply) = nhatky.post("/api/v1/ingest", format!("{{\"message\":\"{word}\"}}\n"));
    assert_eq!(status, 200, "{reply}");
    nhatky.wait_for_count(word, 1);
}

#[test]
fn a_line_of_100_mb_is_cut_marked_and_its_neighbours_are_whole() {
    let nhatky = Nhatky::started();
    let mut stream = TcpStream::connect(nhatky.syslog).expect("a connection");
    stream
        .write_all(b"<13>before the giant\n<13>giant ")
        .expect("sent");
    let chunk = vec![b'x'; 1 << 20];
    for _ in 0..100 {
        stream.write_all(&chunk).expect("sent");
    }
    stream.write_all(b"\n<13>after the giant\n").expect("sent");
    drop(stream);
    nhatky.wait_for_count("\"after the giant\"", 1);
    assert_eq!(nhatky.count("\"before the giant\""), 1);
    let giant = &nhatky.all("nhatky.truncated:>1000000")[0];
    assert_eq!(
        giant["event.original"].as_str().map(str::len),
        Some(64 << 10)
    );
    still_well(&nhatky, "afterwards");
}

#[test]
fn bombs_are_refused_with_413_and_cost_no_memory() {
    let nhatky = Nhatky::started();
    let zeros = vec![b' '; 1 << 20];
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let mut zstd = zstd::Encoder::new(Vec::new(), 19).expect("an encoder");
    for _ in 0..512 {
        gzip.write_all(&zeros).expect("packed");
        zstd.write_all(&zeros).expect("packed");
    }
    for (encoding, body) in [
        ("gzip", gzip.finish().expect("packed")),
        ("zstd", zstd.finish().expect("packed")),
    ] {
        let request = nhatky.client().post(nhatky.url("/api/v1/ingest"));
        let reply = request
            .header("content-encoding", encoding)
            .body(body)
            .send()
            .expect("an answer");
        assert_eq!(reply.status(), 413, "{encoding}");
    }
    still_well(&nhatky, "afterwards");
}

#[test]
fn nul_bytes_odd_encodings_and_hostile_dates_are_kept_as_they_came() {
    let nhatky = Nhatky::started();
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let hostile: &[&[u8]] = &[
        b"<13>Oct 11 22:14:15 h app: hostile nul \0 inside",
        b"<13>Feb 30 99:99:99 h app: hostile date",
        b"<13>1 9999-99-99T99:99:99Z h app - - - hostile date",
        b"<13>1 292277026596-12-04T15:30:07Z h app - - [a hostile structure",
        b"<99999999999999999999>hostile priority",
        b"<13>Oct 11 22:14:15 h app: hostile \xff\xfe\x80 bytes",
        b"hostile without anything",
        b"\x1b]0;hostile title\x07",
    ];
    for message in hostile {
        socket.send_to(message, nhatky.syslog).expect("sent");
    }
    nhatky.wait_for_count("hostile", hostile.len() as u64);
}

#[test]
fn broken_http_gets_a_clear_answer_and_the_connection_ends() {
    let nhatky = Nhatky::started();
    for request in [
        "GARBAGE\r\n\r\n".to_owned(),
        format!(
            "GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n",
            "y".repeat(1 << 20)
        ),
        "POST /api/v1/ingest HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n"
            .to_owned(),
    ] {
        let mut stream = TcpStream::connect(nhatky.http).expect("a connection");
        // The server may hang up while we are still talking.
        drop(stream.write_all(request.as_bytes()));
        let mut reply = Vec::new();
        drop(stream.read_to_end(&mut reply));
        let reply = String::from_utf8_lossy(&reply);
        assert!(
            reply.is_empty() || reply.starts_with("HTTP/1.1 4"),
            "{reply}"
        );
    }
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let (status, _) = nhatky.post("/api/v1/ingest", format!("{{\"a\":{nested}}}\n"));
    assert_eq!(status, 200, "deep JSON is kept");
    still_well(&nhatky, "afterwards");
}

#[test]
fn hostile_queries_get_an_error_that_says_where() {
    let nhatky = Nhatky::started();
    still_well(&nhatky, "word");
    for query in [
        "(".repeat(10_000),
        "NOT ".repeat(10_000) + "a",
        "a OR ".repeat(20_000) + "a",
        format!("/{}/", "(a{1000}){1000}"),
        "source.ip:999.0.0.0/33".to_owned(),
        "\"unclosed".to_owned(),
        "x".repeat(1 << 20),
    ] {
        let body = serde_json::json!({ "q": query }).to_string();
        let request = nhatky.client().post(nhatky.url("/api/v1/search"));
        let reply = request
            .header("content-type", "application/json")
            .body(body)
            .send()
            .expect("it answers");
        let status = reply.status().as_u16();
        let shown = query.get(..40).unwrap_or(&query).to_owned();
        assert!((200..500).contains(&status), "{shown}: {status}");
        if status >= 400 {
            assert_eq!(
                reply.headers()["content-type"],
                "application/problem+json",
                "{shown}"
            );
        }
    }
    still_well(&nhatky, "afterwards");
}
