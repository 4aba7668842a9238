//! The binary under test, on ports of its own, killed when dropped.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longer than anything takes on a busy machine; reached only by a fault.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// A place for a `nhatky`: folder, ports, and the process while it runs. Starting it again keeps folder and ports.
#[derive(Debug)]
pub(crate) struct Nhatky {
    folder: tempfile::TempDir,
    child: Option<Child>,
    pub(crate) http: SocketAddr,
    /// Syslog, UDP and TCP.
    pub(crate) syslog: SocketAddr,
    pub(crate) relp: SocketAddr,
    client: reqwest::blocking::Client,
}

impl Nhatky {
    /// A place with nothing in it yet.
    pub(crate) fn new() -> Self {
        install_tls_provider();
        let [http, syslog, relp] = free_addresses();
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            child: None,
            http,
            syslog,
            relp,
            client: reqwest::blocking::Client::builder()
                .timeout(Duration::from_secs(60))
                .pool_max_idle_per_host(0)
                .build()
                .expect("a client"),
        }
    }

    /// A place with a running server.
    pub(crate) fn started() -> Self {
        let mut nhatky = Self::new();
        nhatky.start();
        nhatky
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Makes the text the configuration of the next start.
    pub(crate) fn configure(&self, text: &str) {
        std::fs::create_dir_all(self.data()).expect("a folder");
        std::fs::write(self.data().join("config.toml"), text).expect("a configuration");
    }

    /// A file beside the data, for configurations of senders and the like.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the server and waits until it is ready.
    pub(crate) fn start(&mut self) {
        self.start_with(&[]);
    }

    /// The same with further arguments.
    pub(crate) fn start_with(&mut self, arguments: &[&str]) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.beside("nhatky.log"))
            .expect("a log file");
        let child = binary()
            .args(["serve", "--data"])
            .arg(self.data())
            .args(["--http", &self.http.to_string()])
            .args(["--syslog-udp", &self.syslog.to_string()])
            .args(["--syslog-tcp", &self.syslog.to_string()])
            .args(["--relp", &self.relp.to_string()])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log file"))
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        self.child = Some(child);
        self.wait_until("it is ready", |nhatky| {
            let ready = nhatky.client.get(nhatky.url("/readyz")).send();
            ready.is_ok_and(|reply| reply.status().is_success())
        });
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it can be killed");
            child.wait().expect("it can be waited for");
        }
    }

    /// SIGTERM, and its exit status.
    pub(crate) fn stop(&mut self) -> std::process::ExitStatus {
        let mut child = self.child.take().expect("it runs");
        signal(&child, "TERM");
        child.wait().expect("it can be waited for")
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.as_ref().expect("it runs"), name);
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.http)
    }

    pub(crate) fn client(&self) -> &reqwest::blocking::Client {
        &self.client
    }

    /// GETs JSON that must be there.
    pub(crate) fn get(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let reply = self
            .client
            .get(self.url(path))
            .query(query)
            .send()
            .expect("it answers");
        let (status, text) = (reply.status(), reply.text().expect("text"));
        assert!(status.is_success(), "{path} {query:?}: {status} {text}");
        serde_json::from_str(&text).expect("JSON")
    }

    /// POSTs a body; status and JSON of the reply.
    pub(crate) fn post(
        &self,
        path: &str,
        body: impl Into<reqwest::blocking::Body>,
    ) -> (u16, Value) {
        let reply = self
            .client
            .post(self.url(path))
            .body(body)
            .send()
            .expect("it answers");
        let status = reply.status().as_u16();
        (
            status,
            serde_json::from_str(&reply.text().expect("text")).unwrap_or_default(),
        )
    }

    /// How many events a query finds.
    pub(crate) fn count(&self, query: &str) -> u64 {
        let reply = self.get("/api/v1/search", &[("q", query), ("limit", "0")]);
        assert_eq!(reply["total_relation"], "eq", "{reply}");
        reply["total"].as_u64().expect("a total")
    }

    /// Every event that a query finds, newest first, page by page.
    pub(crate) fn all(&self, query: &str) -> Vec<Value> {
        let (mut events, mut cursor) = (Vec::new(), String::new());
        loop {
            let mut parameters = vec![("q", query), ("limit", "1000")];
            if !cursor.is_empty() {
                parameters.push(("cursor", &cursor));
            }
            let mut page = self.get("/api/v1/search", &parameters);
            events.append(page["hits"].as_array_mut().expect("hits"));
            let Some(next) = page["next_cursor"].as_str() else {
                return events;
            };
            cursor = next.to_owned();
        }
    }

    /// Waits until the query finds that many events.
    pub(crate) fn wait_for_count(&self, query: &str, expected: u64) {
        let mut last = 0;
        let found = wait(|| {
            last = self.count(query);
            last == expected
        });
        assert!(
            found,
            "{query:?}: {last} events instead of {expected}\n{}",
            self.log_tail()
        );
    }

    /// Waits until search has seen everything that is durable now.
    pub(crate) fn wait_until_searchable(&self) {
        self.wait_until("search has caught up", |nhatky| {
            let text = nhatky
                .client
                .get(nhatky.url("/metrics"))
                .send()
                .and_then(reqwest::blocking::Response::text);
            let text = text.unwrap_or_default();
            text.lines().any(|line| line == "nhatky_index_lag_seqs 0")
        });
    }

    pub(crate) fn wait_until(&self, what: &str, mut condition: impl FnMut(&Self) -> bool) {
        assert!(
            wait(|| condition(self)),
            "waited in vain until {what}\n{}",
            self.log_tail()
        );
    }

    /// Runs a command of the binary that takes `--data`.
    pub(crate) fn command(&self, arguments: &[&str]) -> Output {
        binary()
            .args(arguments)
            .arg("--data")
            .arg(self.data())
            .output()
            .expect("the binary runs")
    }

    fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(self.beside("nhatky.log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Nhatky {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The clients here speak no TLS, but want a provider before they are made; only the first of a process installs it.
pub(crate) fn install_tls_provider() {
    drop(rustls::crypto::ring::default_provider().install_default());
}

/// The binary under test.
pub(crate) fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nhatky"));
    command
        .env_remove("NHATKY_TOKEN")
        .env("LANG", "C.UTF-8")
        .env("LC_ALL", "C.UTF-8");
    command
}

/// The top of the workspace.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .expect("the workspace")
}

/// Asks again and again until it is so; false where it is not so within the limit.
pub(crate) fn wait(mut condition: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < LIMIT {
        if condition() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .args([format!("-{name}"), child.id().to_string()])
        .status();
    assert!(status.expect("kill runs").success());
}

/// Three addresses of loopback that are free for TCP and UDP.
fn free_addresses() -> [SocketAddr; 3] {
    // Held together until all are known, so that they differ.
    let held = [(); 3].map(|()| {
        (0..100)
            .find_map(|_| {
                let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
                let address = tcp.local_addr().ok()?;
                let udp = UdpSocket::bind(address).ok()?;
                Some((address, tcp, udp))
            })
            .expect("a free port")
    });
    held.map(|(address, _, _)| address)
}
