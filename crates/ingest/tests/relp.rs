//! RELP through real sockets: an answer means that the message is on disk.

mod node;

use std::time::Duration;

use event::{LossCause, Mark, Transport};
use ingest::{ByteSize, Protocol};
use node::{Node, PATIENCE, listener, texts};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The sending side of a session.
struct Session(TcpStream);

impl Session {
    async fn open(node: &Node) -> Self {
        let stream = TcpStream::connect(node.address("relp"))
            .await
            .expect("a listener");
        let mut session = Self(stream);
        session.send("1 open 23 relp_version=0\ncommands\n").await;
        let answer = session.expect_end("commands=syslog\n").await;
        assert!(
            answer.starts_with("1 rsp ") && answer.contains(" 200 OK\nrelp_version=0\n"),
            "{answer}"
        );
        session
    }

    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.expect("sent");
    }

    /// Reads until what came ends with `end`.
    async fn expect_end(&mut self, end: &str) -> String {
        let mut came = String::new();
        let reading = async {
            while !came.ends_with(end) {
                let mut buffer = [0; 4096];
                let read = self.0.read(&mut buffer).await.expect("an answer");
                assert!(read > 0, "the session ended after {came:?}");
                came.push_str(std::str::from_utf8(&buffer[..read]).expect("text"));
            }
        };
        let in_time = timeout(PATIENCE, reading).await;
        assert!(in_time.is_ok(), "only this came: {came:?}");
        came
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_answered_in_order_and_stored_once() {
    let node = Node::start(vec![listener("relp", Protocol::Relp)]).await;
    let mut session = Session::open(&node).await;
    session
        .send("2 syslog 7 <13>abc\n3 syslog 9 <13>d\nefg\n4 nonsense 0\n5 close 0\n")
        .await;
    let answers = session.expect_end("0 serverclose 0\n").await;
    let expected = "2 rsp 6 200 OK\n3 rsp 6 200 OK\n4 rsp 25 500 command not supported\n5 rsp 0\n0 serverclose 0\n";
    assert_eq!(answers, expected);
    let records = node.received(2).await;
    assert_eq!(texts(&records), ["<13>abc", "<13>d\nefg"]);
    assert_eq!(records[0].origin.transport, Transport::Relp);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_comes_before_the_disk_has_synced() {
    let node = Node::start(vec![listener("relp", Protocol::Relp)]).await;
    let mut session = Session::open(&node).await;
    session.send("2 syslog 1 a\n").await;
    session.expect_end("2 rsp 6 200 OK\n").await;
    node.gate.shut();
    session.send("3 syslog 1 b\n4 syslog 1 c\n").await;
    let early = timeout(Duration::from_millis(300), session.0.read_u8()).await;
    assert!(early.is_err(), "an answer came without a sync");
    node.gate.open();
    session.expect_end("3 rsp 6 200 OK\n4 rsp 6 200 OK\n").await;
    assert_eq!(texts(&node.received(3).await), ["a", "b", "c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_of_messages_may_be_unanswered() {
    let node = Node::start(vec![listener("relp", Protocol::Relp)]).await;
    let mut session = Session::open(&node).await;
    let window: String = (2..5002)
        .map(|txnr| format!("{txnr} syslog 4 <13>\n"))
        .collect();
    session.send(&window).await;
    let answers = session.expect_end("5001 rsp 6 200 OK\n").await;
    let expected: String = (2..5002)
        .map(|txnr| format!("{txnr} rsp 6 200 OK\n"))
        .collect();
    assert_eq!(answers, expected);
    assert_eq!(node.received(5000).await.len(), 5000);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_over_long_message_is_cut_marked_and_answered() {
    let mut config = listener("relp", Protocol::Relp);
    config.record_bytes_max = ByteSize(500);
    let node = Node::start(vec![config]).await;
    let mut session = Session::open(&node).await;
    session
        .send(&format!(
            "2 syslog 90000 {}\n3 syslog 1 x\n",
            "y".repeat(90_000)
        ))
        .await;
    session.expect_end("3 rsp 6 200 OK\n").await;
    let records = node.received(2).await;
    let cut = Some(Mark::Truncated {
        original_bytes: 90_000,
    });
    assert_eq!((records[0].raw.len(), records[0].mark), (500, cut));
    assert_eq!(records[1].raw, "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_relp_ends_the_session_and_keeps_what_came_before() {
    let node = Node::start(vec![listener("relp", Protocol::Relp)]).await;
    let mut session = Session::open(&node).await;
    session.send("2 syslog 1 a\nGET / HTTP/1.1\r\n\r\n").await;
    session
        .expect_end("2 rsp 6 200 OK\n0 serverclose 0\n")
        .await;
    assert_eq!(texts(&node.received(1).await), ["a"]);
    node.loss(|loss| loss.cause == LossCause::Framing && loss.source == "127.0.0.1")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_answers_what_was_taken_and_says_goodbye() {
    let node = Node::start(vec![listener("relp", Protocol::Relp)]).await;
    let mut session = Session::open(&node).await;
    session.send("2 syslog 1 a\n").await;
    node.received(1).await;
    let stopping = tokio::spawn(node.stop());
    session.expect_end("0 serverclose 0\n").await;
    stopping.await.expect("stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sync_is_never_acknowledged() {
    let node = Node::start(vec![listener("relp", Protocol::Relp)]).await;
    let mut session = Session::open(&node).await;
    session.send("2 syslog 1 a\n").await;
    session.expect_end("2 rsp 6 200 OK\n").await;
    node.gate.break_disk();
    session.send("3 syslog 1 b\n").await;
    let answer = session.expect_end("\n").await;
    assert!(
        answer.starts_with("3 rsp ") && answer.contains(" 500 "),
        "{answer}"
    );
    // The session is over, and so is every other.
    let mut other = Session::open(&node).await;
    other.send("2 syslog 1 c\n").await;
    assert!(other.expect_end("\n").await.contains(" 500 "));
}
