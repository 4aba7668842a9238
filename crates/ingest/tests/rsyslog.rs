//! A real rsyslog sends by TCP (octet counting), UDP, RELP and `_bulk`: every line arrives once by each.
//!
//! Skipped, saying so, where rsyslog is not installed (Debian: `rsyslog rsyslog-relp rsyslog-elasticsearch`).

mod node;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use event::{Identity, Transport};
use futures_util::future::BoxFuture;
use ingest::Protocol;
use ingest::http::{Authenticate, Refused, router};
use node::{Node, listener};

const LINES: usize = 500;
const DAEMON: &str = "/usr/sbin/rsyslogd";

/// Lets everybody in.
#[derive(Debug)]
struct Open;

impl Authenticate for Open {
    fn authenticate<'a>(
        &'a self,
        _: Option<&'a str>,
        _: Option<SocketAddr>,
    ) -> BoxFuture<'a, Result<Option<Identity>, Refused>> {
        Box::pin(async { Ok(None) })
    }
}

/// Ends rsyslog with the test.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn is_installed() -> bool {
    let modules = ["omrelp.so", "omelasticsearch.so", "imfile.so"];
    let there = |path: &Path| path.try_exists().unwrap_or(false);
    let places = [
        "/usr/lib/x86_64-linux-gnu/rsyslog",
        "/usr/lib/aarch64-linux-gnu/rsyslog",
        "/usr/lib64/rsyslog",
    ];
    let complete = |place: &str| {
        modules
            .iter()
            .all(|module| there(&Path::new(place).join(module)))
    };
    there(Path::new(DAEMON)) && places.iter().any(|place| complete(place))
}

fn configuration(dir: &Path, node: &Node, http: SocketAddr) -> String {
    let port = |name| node.address(name).port();
    format!(
        r#"
global(workDirectory="{dir}")
module(load="imfile" pollingInterval="1")
module(load="omrelp")
module(load="omelasticsearch")
template(name="json" type="string" string="{{\"message\":\"%msg:::json%\"}}")
input(type="imfile" file="{dir}/in.log" tag="app:" ruleset="out")
ruleset(name="out") {{
  action(type="omfwd" target="127.0.0.1" port="{tcp}" protocol="tcp" TCP_Framing="octet-counted")
  action(type="omfwd" target="127.0.0.1" port="{udp}" protocol="udp")
  action(type="omrelp" target="127.0.0.1" port="{relp}")
  action(type="omelasticsearch" server="127.0.0.1" serverport="{http}" template="json" searchIndex="logs"
         searchType="" bulkmode="on" action.resumeRetryCount="-1")
}}
"#,
        dir = dir.display(),
        tcp = port("tcp"),
        udp = port("udp"),
        relp = port("relp"),
        http = http.port(),
    )
}

fn start(dir: &Path, configuration: &str) -> Daemon {
    let lines: String = (0..LINES)
        .map(|number| format!("line number {number} «đã»\n"))
        .collect();
    std::fs::write(dir.join("in.log"), lines).expect("written");
    std::fs::write(dir.join("rsyslog.conf"), configuration).expect("written");
    let mut command = Command::new(DAEMON);
    command
        .arg("-n")
        .arg("-f")
        .arg(dir.join("rsyslog.conf"))
        .arg("-i")
        .arg(dir.join("pid"));
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    Daemon(child.expect("rsyslog starts"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_a_real_rsyslog_arrives_once_by_each_way() {
    if !is_installed() {
        println!("skipped: rsyslog with rsyslog-relp and rsyslog-elasticsearch is not installed");
        return;
    }
    let listeners = [
        ("tcp", Protocol::Tcp),
        ("udp", Protocol::Udp),
        ("relp", Protocol::Relp),
    ];
    let node = Node::start(
        listeners
            .map(|(name, protocol)| listener(name, protocol))
            .to_vec(),
    )
    .await;
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let http = socket.local_addr().expect("bound");
    let routes = router(node.ingest.http_input(Arc::new(Open)));
    let service = routes.into_make_service_with_connect_info::<SocketAddr>();
    let server = tokio::spawn(async move { axum::serve(socket, service).await });

    let dir = tempfile::tempdir().expect("a directory");
    let daemon = start(dir.path(), &configuration(dir.path(), &node, http));
    let records = node.received(4 * LINES).await;
    drop(daemon);
    server.abort();

    let mut seen: BTreeMap<(&str, usize), usize> = BTreeMap::new();
    for record in &records {
        let text = std::str::from_utf8(&record.raw).expect("UTF-8");
        let (_, number) = text.split_once("line number ").expect("one of ours");
        let (number, rest) = number.split_once(' ').expect("a number");
        assert!(
            rest.starts_with("«đã»") && record.mark.is_none(),
            "{record:?}"
        );
        let transport: Transport = record.origin.transport;
        *seen
            .entry((transport.name(), number.parse().expect("a number")))
            .or_default() += 1;
    }
    for transport in ["tcp", "udp", "relp", "http"] {
        for number in 0..LINES {
            assert_eq!(
                seen.get(&(transport, number)),
                Some(&1),
                "{transport} {number}"
            );
        }
    }
}
