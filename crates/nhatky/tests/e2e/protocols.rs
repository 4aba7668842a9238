//! Every way in: what goes in by it is found, as the bytes that were sent.

use std::io::Write as _;
use std::net::{TcpStream, UdpSocket};

use crate::process::Nhatky;

#[test]
fn syslog_is_taken_by_udp_and_by_tcp_in_every_framing() {
    let nhatky = Nhatky::started();
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let line = "<13>Oct 11 22:14:15 may-chu app: bằng udp";
    socket
        .send_to(line.as_bytes(), nhatky.syslog)
        .expect("sent");
    let mut octets = TcpStream::connect(nhatky.syslog).expect("a connection");
    for message in [
        "<13>Oct 11 22:14:15 may-chu app: framed\nin two lines",
        "<13>second",
    ] {
        write!(octets, "{} {message}", message.len()).expect("sent");
    }
    let mut feeds = TcpStream::connect(nhatky.syslog).expect("a connection");
    feeds
        .write_all(b"<13>third by line feed\n<13>fourth without an end")
        .expect("sent");
    drop((octets, feeds));
    nhatky.wait_for_count("nhatky.transport:udp OR nhatky.transport:tcp", 5);
    let udp = &nhatky.all("nhatky.transport:udp")[0];
    assert_eq!(udp["event.original"], line);
    assert_eq!(udp["nhatky.peer"], "127.0.0.1");
    assert_eq!(udp["host.name"], "may-chu");
    assert_eq!(nhatky.count("\"in two lines\""), 1);
    assert_eq!(nhatky.count("\"fourth without an end\""), 1);
}

#[test]
fn http_takes_ndjson_arrays_and_bulk_packed_and_plain() {
    let nhatky = Nhatky::started();
    let (status, reply) = nhatky.post(
        "/api/v1/ingest",
        "{\"message\":\"one\"}\nnot json\n{\"message\":\"two\"}\n",
    );
    assert_eq!((status, &reply["accepted"]), (200, &3.into()), "{reply}");
    let (status, reply) = nhatky.post(
        "/api/v1/ingest",
        "[{\"message\":\"three\"}, {\"message\":\"four\"}]",
    );
    assert_eq!((status, &reply["accepted"]), (200, &2.into()), "{reply}");
    let bulk = "{\"index\":{\"_index\":\"a\",\"_id\":\"7\"}}\n{\"message\":\"five\"}\n{\"delete\":{\"_index\":\"a\",\"_id\":\"1\"}}\n{\"create\":{}}\n{\"message\":\"six\"}\n";
    let (status, reply) = nhatky.post("/logs/_bulk", bulk);
    assert_eq!((status, &reply["errors"]), (200, &true.into()), "{reply}");
    let statuses: Vec<_> = reply["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| {
            item.as_object()
                .expect("an action")
                .values()
                .next()
                .expect("a result")["status"]
                .as_u64()
        })
        .collect();
    assert_eq!(statuses[0], Some(201), "{reply}");
    assert_eq!(statuses[2], Some(201), "{reply}");
    assert!(statuses[1] >= Some(400), "{reply}");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(b"{\"message\":\"seven\"}\n")
        .expect("packed");
    for (encoding, body) in [
        ("gzip", gzip.finish().expect("packed")),
        (
            "zstd",
            zstd::encode_all(&b"{\"message\":\"eight\"}\n"[..], 3).expect("packed"),
        ),
    ] {
        let request = nhatky.client().post(nhatky.url("/api/v1/ingest"));
        let reply = request
            .header("content-encoding", encoding)
            .body(body)
            .send()
            .expect("an answer");
        assert!(
            reply.status().is_success(),
            "{encoding}: {}",
            reply.status()
        );
    }
    nhatky.wait_for_count("nhatky.transport:http", 9);
    assert_eq!(nhatky.count("nhatky.parse:broken"), 1);
    for word in [
        "one", "two", "three", "four", "five", "six", "seven", "eight",
    ] {
        assert_eq!(nhatky.count(word), 1, "{word}");
    }
}

#[test]
fn shippers_find_the_handshake_that_they_look_for() {
    let nhatky = Nhatky::started();
    let reply = nhatky
        .client()
        .get(nhatky.url("/"))
        .send()
        .expect("it answers");
    assert_eq!(reply.headers()["x-elastic-product"], "Elasticsearch");
    let reply = nhatky.get("/", &[]);
    assert!(reply["version"]["number"].is_string(), "{reply}");
    assert!(nhatky.get("/_license", &[])["license"].is_object());
}

#[test]
fn a_gap_in_a_devices_own_numbers_is_a_loss() {
    let nhatky = Nhatky::started();
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    for number in [41, 42, 45, 44, 48] {
        let line = format!(
            "<189>{number}: sw1: Oct 11 22:14:15.123: %SYS-5-CONFIG_I: Configured from console by an on vty0 (10.0.0.9)"
        );
        socket
            .send_to(line.as_bytes(), nhatky.syslog)
            .expect("sent");
    }
    nhatky.wait_for_count("\"Configured from console\"", 5);
    let gap = "nhatky.message:loss AND \"sequence-gap\"";
    nhatky.wait_for_count(gap, 1);
    let loss = &nhatky.all(gap)[0]["event.original"];
    let loss: serde_json::Value = serde_json::from_str(loss.as_str().expect("text")).expect("JSON");
    // 43, 46 and 47; 44 came late.
    assert_eq!(loss["records_max"], 3, "{loss}");
    assert!(
        loss["source"]
            .as_str()
            .expect("text")
            .ends_with("cisco.ios"),
        "{loss}"
    );
}
