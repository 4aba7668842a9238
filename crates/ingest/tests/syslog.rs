//! Syslog over TCP through real sockets: framing, limits, hostile senders, back-pressure, stopping.

mod node;

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use event::{LossCause, Mark, Transport};
use ingest::{AllowList, ByteSize, IngestConfig, Lapse, Protocol};
use journal::Options;
use node::{Node, PATIENCE, foreign, listener, losses, texts};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.expect("a listener")
}

async fn send(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = connect(address).await;
    stream.write_all(bytes).await.expect("sent");
    stream
}

/// Waits until the other side closes the connection.
async fn closed(mut stream: TcpStream) {
    let read = timeout(PATIENCE, stream.read(&mut [0; 16]))
        .await
        .expect("closed in time");
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
}

fn lapse_ms(millis: u64) -> Lapse {
    Lapse(Duration::from_millis(millis))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_connection_has_the_framing_it_speaks() {
    let node = Node::start(vec![listener("tcp", Protocol::Tcp)]).await;
    let address = node.address("tcp");
    let stream = send(address, b"7 <13>abc9 <13>d\nef\n<13>lone\n").await;
    let records = node.received(3).await;
    assert_eq!(texts(&records), ["<13>abc", "<13>d\nef\n", "<13>lone"]);
    let origin = &records[0].origin;
    assert_eq!(
        (origin.transport, &*origin.listener),
        (Transport::Tcp, "tcp")
    );
    assert_eq!(origin.peer, Some(stream.local_addr().expect("bound")));
    let other = send(address, b"<13>x\r\n<13>y\0z\n").await;
    assert_eq!(texts(&node.received(5).await)[3..], ["<13>x", "<13>y\0z"]);
    drop((stream, other));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unfinished_message_is_kept_and_marked() {
    let node = Node::start(vec![listener("tcp", Protocol::Tcp)]).await;
    drop(send(node.address("tcp"), b"<13>whole\n<13>ha").await);
    let records = node.received(2).await;
    assert_eq!(texts(&records), ["<13>whole", "<13>ha"]);
    assert_eq!(
        (records[0].mark, records[1].mark),
        (None, Some(Mark::Unfinished))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_100_megabytes_is_cut_and_costs_nobody_else() {
    const LINE: u64 = 100_000_000;
    let node = Node::start(vec![listener("tcp", Protocol::Tcp)]).await;
    let mut stream = send(node.address("tcp"), b"<13>first\n").await;
    node.received(1).await;
    // After a line feed NULs are content.
    let chunk = vec![0_u8; 1_000_000];
    for _ in 0..LINE / 1_000_000 {
        stream.write_all(&chunk).await.expect("sent");
    }
    let neighbour = send(node.address("tcp"), b"<13>neighbour\n").await;
    assert_eq!(node.received(2).await[1].raw, "<13>neighbour");
    stream.write_all(b"\n<13>next\n").await.expect("sent");
    let records = node.received(4).await;
    let cut = Some(Mark::Truncated {
        original_bytes: LINE,
    });
    assert_eq!((records[2].raw.len(), records[2].mark), (64 * 1024, cut));
    assert_eq!(records[3].raw, "<13>next");
    drop((stream, neighbour));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_that_is_none_is_kept_and_noted_as_a_loss() {
    let node = Node::start(vec![listener("tcp", Protocol::Tcp)]).await;
    let stream = send(
        node.address("tcp"),
        b"7 <13>abc99999999999999999999 <13>oops\n3 abc",
    )
    .await;
    let records = node.received(3).await;
    assert_eq!(
        texts(&records),
        ["<13>abc", "99999999999999999999 <13>oops", "abc"]
    );
    assert_eq!(records[1].mark, Some(Mark::BadFrame));
    let loss = node.loss(|loss| loss.cause == LossCause::Framing).await;
    assert_eq!((loss.source.as_str(), loss.bytes), ("127.0.0.1", Some(29)));
    drop(stream);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_several_lines_is_joined() {
    let mut config = listener("tcp", Protocol::Tcp);
    config.multiline = Some(r"^\d{4}-".to_owned());
    let node = Node::start(vec![config]).await;
    let lines = b"2026-11-01 boom\n  at here\n  at there\n2026-11-01 fine\n";
    // The last message comes out although the connection stays open and nothing follows.
    let stream = send(node.address("tcp"), lines).await;
    let records = node.received(2).await;
    assert_eq!(
        texts(&records),
        ["2026-11-01 boom\n  at here\n  at there", "2026-11-01 fine"]
    );
    drop(stream);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_dawdles_within_a_message_is_cut_off() {
    let mut config = listener("tcp", Protocol::Tcp);
    config.message_time_max = lapse_ms(300);
    let node = Node::start(vec![config]).await;
    let mut slow = send(node.address("tcp"), b"<13>").await;
    // A byte now and then does not help.
    let dawdling = async {
        while slow.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, dawdling).await.expect("cut off");
    let record = &node.received(1).await[0];
    assert!(record.raw.starts_with(b"<13>x") && record.mark == Some(Mark::Unfinished));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_stays_silent_is_closed() {
    let mut config = listener("tcp", Protocol::Tcp);
    config.idle_max = lapse_ms(100);
    let node = Node::start(vec![config]).await;
    closed(send(node.address("tcp"), b"<13>one\n").await).await;
    assert_eq!(texts(&node.received(1).await), ["<13>one"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_gets_so_many_connections_and_no_more() {
    let mut config = listener("tcp", Protocol::Tcp);
    config.peer_connections_max = 2;
    let node = Node::start(vec![config]).await;
    let address = node.address("tcp");
    let first = send(address, b"<13>1\n").await;
    let second = send(address, b"<13>2\n").await;
    node.received(2).await;
    closed(connect(address).await).await;
    let metrics = node.ingest.metrics().listeners[0].clone();
    assert_eq!(metrics.rejected.load(Ordering::Relaxed), 1);
    assert_eq!(metrics.connections.load(Ordering::Relaxed), 2);
    drop((first, second));
    node.stop().await;
    assert_eq!(metrics.connections.load(Ordering::Relaxed), 0);
    assert_eq!(metrics.connections_total.load(Ordering::Relaxed), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_on_the_list_is_turned_away() {
    let mut config = listener("tcp", Protocol::Tcp);
    config.allow = AllowList::try_from(vec!["192.0.2.0/24".to_owned()]).expect("a network");
    let node = Node::start(vec![config]).await;
    closed(connect(node.address("tcp")).await).await;
    assert_eq!(foreign(&node.stop().await).count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_over_its_rate_is_read_slower_and_loses_nothing() {
    let mut config = listener("tcp", Protocol::Tcp);
    config.peer_records_per_second_max = Some(100);
    let node = Node::start(vec![config]).await;
    let stream = send(node.address("tcp"), &b"<13>x\n".repeat(150)).await;
    assert_eq!(node.received(150).await.len(), 150);
    drop(stream);
    assert!(losses(&node.stop().await).is_empty());
}

/// A node whose journal and intake hold little.
async fn small_node() -> Node {
    let config = IngestConfig {
        listeners: vec![listener("tcp", Protocol::Tcp)],
        in_flight_bytes_max: ByteSize::mib(1),
        ..IngestConfig::default()
    };
    let options = Options {
        queue_bytes_max: 64 << 10,
        ..Options::default()
    };
    Node::with(config, options).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_journal_pushes_back_and_nothing_is_lost_or_doubled() {
    let node = small_node().await;
    let first = send(node.address("tcp"), b"<13>first\n").await;
    node.received(1).await;
    node.gate.shut();
    let lines: String = (0..100_000)
        .map(|number| format!("<13>{number:0200}\n"))
        .collect();
    let mut stream = connect(node.address("tcp")).await;
    let metrics = node.ingest.metrics().listeners[0].clone();
    let sending = tokio::spawn(async move {
        stream.write_all(lines.as_bytes()).await.expect("sent");
        stream
    });
    // With the disk at a standstill, reading stops at what may be in flight.
    let begun = timeout(PATIENCE, async {
        while metrics.bytes.load(Ordering::Relaxed) < 2_000 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    begun.await.expect("some is taken");
    let still = timeout(Duration::from_millis(300), async {
        while metrics.bytes.load(Ordering::Relaxed) < 2_000_000 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(still.await.is_err(), "more was read than may be in flight");
    node.gate.open();
    let stream = timeout(PATIENCE, sending)
        .await
        .expect("goes on")
        .expect("sent");
    let records = node.received(100_001).await;
    for (number, record) in records[1..].iter().enumerate() {
        assert_eq!(record.raw, format!("<13>{number:0200}").as_bytes());
    }
    drop((first, stream));
    assert_eq!(foreign(&node.stop().await).count(), 100_001);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_takes_what_was_sent_already() {
    let node = Node::start(vec![listener("tcp", Protocol::Tcp)]).await;
    let lines: String = (0..20_000)
        .map(|number| format!("<13>{number}\n"))
        .collect();
    let stream = send(node.address("tcp"), lines.as_bytes()).await;
    // All of it lies in buffers of the kernel by now, though the connection stays open.
    let records = node.stop().await;
    assert_eq!(foreign(&records).count(), 20_000);
    drop(stream);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_without_a_pause_does_not_hold_up_the_stop() {
    let node = Node::start(vec![listener("tcp", Protocol::Tcp)]).await;
    let mut stream = connect(node.address("tcp")).await;
    let sending = tokio::spawn(async move {
        let lines = b"<13>x\n".repeat(1000);
        let mut sent = 0_usize;
        while stream.write_all(&lines).await.is_ok() {
            sent += 1000;
        }
        sent
    });
    node.received(1000).await;
    let stored = foreign(&node.stop().await).count();
    let sent = sending.await.expect("ended");
    assert!(stored <= sent + 1000, "{stored} stored of {sent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_connections_at_once_keep_their_order() {
    let node = Node::start(vec![listener("tcp", Protocol::Tcp)]).await;
    let address = node.address("tcp");
    let senders = (0..50).map(|sender| async move {
        let mut stream = connect(address).await;
        for number in 0..200 {
            let line = format!("<13>{sender} {number}\n");
            stream.write_all(line.as_bytes()).await.expect("sent");
        }
    });
    futures_util::future::join_all(senders).await;
    let records = node.received(10_000).await;
    let mut next = [0; 50];
    for text in texts(&records) {
        let (sender, number) = text
            .strip_prefix("<13>")
            .and_then(|text| text.split_once(' '))
            .expect("two numbers");
        let sender: usize = sender.parse().expect("a number");
        assert_eq!(number, next[sender].to_string());
        next[sender] += 1;
    }
    assert_eq!(next, [200; 50]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heartbeat_says_that_we_are_alive() {
    let node = Node::start(Vec::new()).await;
    let heartbeat = |record: &event::Record| record.raw.starts_with(b"{\"nhatky\":\"heartbeat\"");
    node.stored(move |records| records.iter().any(heartbeat))
        .await;
}
