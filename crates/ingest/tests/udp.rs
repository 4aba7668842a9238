//! Syslog over UDP through real sockets: what is sent is stored or counted as lost, exactly.

mod node;

use std::net::UdpSocket;
use std::sync::atomic::Ordering;
use std::time::Duration;

use event::{LossCause, Mark, Transport};
use ingest::{AllowList, ByteSize, Protocol};
use node::{Node, foreign, listener, losses, texts};

fn sender(node: &Node, name: &str) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.connect(node.address(name)).expect("an address");
    socket
}

#[tokio::test(flavor = "multi_thread")]
async fn a_datagram_is_a_record_with_its_peer() {
    let node = Node::start(vec![listener("udp", Protocol::Udp)]).await;
    let socket = sender(&node, "udp");
    for datagram in [b"<13>one".as_slice(), b"", b"a\0b\n"] {
        socket.send(datagram).expect("sent");
    }
    let records = node.received(3).await;
    assert_eq!(texts(&records), ["<13>one", "", "a\0b\n"]);
    for record in &records {
        assert_eq!(record.origin.transport, Transport::Udp);
        assert_eq!(&*record.origin.listener, "udp");
        assert_eq!(
            record.origin.peer,
            Some(socket.local_addr().expect("bound"))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_over_long_datagram_is_cut_and_marked() {
    let mut config = listener("udp", Protocol::Udp);
    config.record_bytes_max = ByteSize(1000);
    let node = Node::start(vec![config]).await;
    sender(&node, "udp").send(&[b'x'; 60_000]).expect("sent");
    let record = &node.received(1).await[0];
    let cut = Mark::Truncated {
        original_bytes: 60_000,
    };
    assert_eq!((record.raw.len(), record.mark), (1000, Some(cut)));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_datagram_of_a_burst_is_stored_or_counted_as_lost() {
    const SENT: usize = 50_000;
    let mut config = listener("udp", Protocol::Udp);
    config.sockets = 3;
    config.receive_buffer = ByteSize::kib(64);
    let node = Node::start(vec![config]).await;
    let address = node.address("udp");
    let senders = (0..5).map(|sender| {
        std::thread::spawn(move || {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
            for number in 0..SENT / 5 {
                let datagram =
                    format!("<13>Oct 11 22:14:15 host app: {sender} {number} {:100}", "");
                socket.send_to(datagram.as_bytes(), address).expect("sent");
            }
        })
    });
    let senders: Vec<_> = senders.collect();
    for sender in senders {
        sender.join().expect("sent");
    }
    // No datagram follows the last one that was dropped.
    let records = node.stop().await;
    let stored = foreign(&records).count();
    let lost: u64 = losses(&records)
        .iter()
        .filter(|loss| loss.cause == LossCause::KernelDrop && loss.source == "udp")
        .map(|loss| loss.records_max.expect("a count"))
        .sum();
    assert!(lost > 0, "the buffer is too small for all {SENT}");
    assert_eq!(
        stored as u64 + lost,
        SENT as u64,
        "{stored} stored, {lost} lost"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shut_journal_makes_the_kernel_drop_and_every_drop_is_recorded() {
    let mut config = listener("udp", Protocol::Udp);
    config.receive_buffer = ByteSize::kib(64);
    let mut ingest = ingest::IngestConfig {
        listeners: vec![config],
        ..Default::default()
    };
    ingest.in_flight_bytes_max = ByteSize::mib(1);
    let node = Node::with(ingest, journal::Options::default()).await;
    let socket = sender(&node, "udp");
    socket.send(b"first").expect("sent");
    node.received(1).await;
    node.gate.shut();
    for _ in 0..20_000 {
        socket.send(&[b'x'; 500]).expect("sent");
    }
    node.gate.open();
    let metrics = node.ingest.metrics();
    let records = node.stop().await;
    let (stored, all) = (foreign(&records).count() as u64, losses(&records));
    let lost: u64 = all.iter().filter_map(|loss| loss.records_max).sum();
    assert!(lost > 0);
    assert_eq!(stored + lost, 20_001);
    let metrics = &metrics.listeners[0];
    assert_eq!(metrics.received.load(Ordering::Relaxed), stored);
    assert_eq!(metrics.lost.load(Ordering::Relaxed), lost);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_over_its_rate_loses_and_the_loss_is_recorded() {
    let mut config = listener("udp", Protocol::Udp);
    config.peer_records_per_second_max = Some(1);
    let node = Node::start(vec![config]).await;
    let socket = sender(&node, "udp");
    for _ in 0..100 {
        socket.send(b"<13>x").expect("sent");
    }
    let loss = node.loss(|loss| loss.cause == LossCause::RateLimit).await;
    assert_eq!(loss.source, "127.0.0.1");
    let records = node.stop().await;
    let lost: u64 = losses(&records)
        .iter()
        .filter_map(|loss| loss.records_max)
        .sum();
    assert_eq!(foreign(&records).count() as u64 + lost, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_on_the_list_is_turned_away() {
    let mut config = listener("udp", Protocol::Udp);
    config.allow = AllowList::try_from(vec!["192.0.2.0/24".to_owned()]).expect("a network");
    let node = Node::start(vec![config]).await;
    sender(&node, "udp").send(b"<13>x").expect("sent");
    let metrics = node.ingest.metrics();
    let rejected = || metrics.listeners[0].rejected.load(Ordering::Relaxed);
    let counted = tokio::time::timeout(node::PATIENCE, async {
        while rejected() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    counted.await.expect("counted as rejected");
    assert_eq!(foreign(&node.stop().await).count(), 0);
}
