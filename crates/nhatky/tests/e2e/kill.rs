//! kill -9 at random moments: what was acknowledged is found, once per sending; plain TCP loses at most a suffix of each
//! connection, and nothing is doubled or invented.

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use simulate::Random;

use crate::process::Nhatky;
use crate::senders;

/// How often it is killed; `NHATKY_KILLS` asks for another number.
const KILLS: u64 = 50;
/// Lines that each of the real senders has to send meanwhile.
const LINES: u32 = 20_000;

/// Sends until told to stop; gives what it knows to be acknowledged.
struct Client<T> {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<T>,
}

impl<T: Send + 'static> Client<T> {
    fn start(send: impl FnOnce(&AtomicBool) -> T + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        Self {
            stop,
            thread: std::thread::spawn(move || send(&seen)),
        }
    }

    fn finish(self) -> T {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().expect("the client does not panic")
    }
}

#[test]
fn what_is_acknowledged_survives_kill_9_and_nothing_is_doubled() {
    let seed = asked("NHATKY_SEED", 4711);
    eprintln!("seed {seed}");
    let mut nhatky = Nhatky::started();
    let _senders = [
        senders::rsyslog_by_relp(&nhatky, "killrelp", LINES),
        senders::rsyslog_by_bulk(&nhatky, "killbulk", LINES),
        senders::syslog_ng_by_http(&nhatky, "killng", LINES),
    ];
    let (http, syslog, relp) = (nhatky.http, nhatky.syslog, nhatky.relp);
    let ndjson = Client::start(move |stop| number_by_http(http, "/api/v1/ingest", "ndjson", stop));
    let bulk = Client::start(move |stop| number_by_http(http, "/_bulk", "bulk", stop));
    let line = |number| format!("<13>Oct 11 22:14:15 sender app: kill9 relp {number}");
    let relp = Client::start(move |stop| number_by_relp(relp, line, Duration::ZERO, stop));
    let tcp = Client::start(move |stop| number_by_tcp(syslog, stop));
    kill_again_and_again(&mut nhatky, seed);
    let acknowledged = [
        ("ndjson", ndjson.finish()),
        ("bulk", bulk.finish()),
        ("relp", relp.finish()),
    ];
    let connections = tcp.finish();
    nhatky.wait_until_searchable();
    let found = numbers_found(&nhatky);
    for (client, acknowledged) in &acknowledged {
        assert!(!acknowledged.is_empty(), "{client} was never acknowledged");
        for number in acknowledged {
            let times = found
                .get(&format!("{client} {number}"))
                .copied()
                .unwrap_or(0);
            assert_eq!(
                times, 1,
                "{client} {number} was acknowledged once (seed {seed})"
            );
        }
    }
    for (message, times) in &found {
        assert_eq!(*times, 1, "{message} was sent once (seed {seed})");
    }
    let missing = suffixes_missing(&found, &connections);
    eprintln!(
        "acknowledged: {:?}; TCP: {} connections, {missing} messages missing at their ends",
        acknowledged.map(|(client, numbers)| (client, numbers.len())),
        connections.len()
    );
    // What a sender was not told of, it sends again: then it is there once for each sending.
    for word in ["killrelp", "killbulk", "killng"] {
        let again = senders::found_again(&nhatky, word, LINES);
        eprintln!("{word}: {again} of {LINES} lines were sent again");
    }
    assert!(nhatky.stop().success());
    let verified = nhatky.command(&["verify"]);
    assert!(
        verified.status.success(),
        "{}",
        String::from_utf8_lossy(&verified.stdout)
    );
}

/// A number that the environment asks for.
fn asked(name: &str, default: u64) -> u64 {
    let asked = std::env::var(name).ok();
    asked
        .and_then(|number| number.parse().ok())
        .unwrap_or(default)
}

fn kill_again_and_again(nhatky: &mut Nhatky, seed: u64) {
    let kills = asked("NHATKY_KILLS", KILLS);
    let mut random = Random::new(seed);
    for _ in 0..kills {
        std::thread::sleep(Duration::from_millis(random.between(5, 400)));
        nhatky.kill();
        nhatky.start();
    }
}

/// Sixteen wrong passwords for an account, more than a detection takes, and then for the next one.
fn wrong_password(number: u64) -> String {
    let (account, address) = (number / 16, number / 16 % 250 + 1);
    format!(
        "<86>Oct 11 22:14:15 db1 sshd[4711]: Failed password for killed{account} from 192.0.2.{address} port 50022 ssh2"
    )
}

#[test]
fn no_detection_is_lost_or_doubled_by_kill_9() {
    const RULE: &str = "login-failures-account";
    let seed = asked("NHATKY_SEED", 815);
    eprintln!("seed {seed}");
    let mut nhatky = Nhatky::new();
    // What becomes of a detection is not what is tried here.
    nhatky.configure(&format!(
        "[detect.rules.{RULE}]\ndisposition = \"digest\"\n"
    ));
    nhatky.start();
    let relp = nhatky.relp;
    let pause = Duration::from_millis(10);
    let client = Client::start(move |stop| number_by_relp(relp, wrong_password, pause, stop));
    kill_again_and_again(&mut nhatky, seed);
    let mut attempts: BTreeMap<String, u32> = BTreeMap::new();
    for number in client.finish() {
        *attempts
            .entry(format!("killed{}", number / 16))
            .or_default() += 1;
    }
    attempts.retain(|_, acknowledged| *acknowledged == 16);
    assert!(!attempts.is_empty(), "nothing was acknowledged");
    nhatky.wait_until("every account is found", |nhatky| {
        let found = detections_by_account(nhatky, RULE);
        attempts.keys().all(|account| found.contains_key(account))
    });
    for (account, times) in detections_by_account(&nhatky, RULE) {
        assert_eq!(times, 1, "detections of {account} (seed {seed})");
    }
    eprintln!("{} accounts, each found once", attempts.len());
    assert!(nhatky.stop().success());
}

/// How often a rule has fired for each account.
fn detections_by_account(nhatky: &Nhatky, rule: &str) -> BTreeMap<String, u32> {
    let (mut found, mut cursor) = (BTreeMap::new(), String::new());
    loop {
        let query = [("rule", rule), ("limit", "1000"), ("cursor", &cursor)];
        let page = nhatky.get("/api/v1/detections", &query);
        for item in page["items"].as_array().expect("items") {
            let account = item["key"][0].as_str().expect("an account").to_owned();
            *found.entry(account).or_default() += 1;
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => return found,
        }
    }
}

/// Every message of ours that search finds, with how often. The word `kill9` marks them.
fn numbers_found(nhatky: &Nhatky) -> HashMap<String, u32> {
    let mut found = HashMap::new();
    for event in nhatky.all("kill9") {
        let original = event["event.original"].as_str().expect("text");
        let message = original
            .split("kill9 ")
            .nth(1)
            .expect("our word")
            .split('"')
            .next()
            .expect("text");
        *found.entry(message.trim_end().to_owned()).or_default() += 1;
    }
    found
}

/// Each connection's messages that were found must be its first ones; gives how many are missing in all.
fn suffixes_missing(found: &HashMap<String, u32>, connections: &BTreeMap<u32, u32>) -> u32 {
    let mut missing = 0;
    for (connection, sent) in connections {
        let kept = (0..*sent)
            .filter(|number| found.contains_key(&format!("tcp {connection}-{number}")))
            .count();
        let kept = u32::try_from(kept).expect("a count of messages");
        let prefix =
            (0..kept).all(|number| found.contains_key(&format!("tcp {connection}-{number}")));
        assert!(
            prefix,
            "connection {connection} lost messages before its end"
        );
        missing += sent - kept;
    }
    missing
}

/// Numbered items in small batches; a number is never sent twice. Gives the numbers accepted.
fn number_by_http(to: SocketAddr, path: &str, name: &str, stop: &AtomicBool) -> Vec<u64> {
    let client = reqwest::blocking::Client::builder()
        .timeout(Duration::from_secs(30))
        .build()
        .expect("a client");
    let (mut accepted, mut next) = (Vec::new(), 0_u64);
    while !stop.load(Ordering::SeqCst) {
        let numbers = next..next + 1 + next % 17;
        next = numbers.end;
        let action = if path == "/_bulk" {
            "{\"create\":{\"_index\":\"logs\"}}\n"
        } else {
            ""
        };
        let body: String = numbers
            .clone()
            .map(|number| format!("{action}{{\"message\":\"kill9 {name} {number}\"}}\n"))
            .collect();
        let request = client.post(format!("http://{to}{path}"));
        let reply = request
            .header("content-type", "application/x-ndjson")
            .body(body)
            .send();
        match reply {
            Ok(reply) if reply.status().is_success() => {
                // Only a whole reply is an acknowledgement.
                let Ok(reply) = reply.json::<serde_json::Value>() else {
                    continue;
                };
                let all = if path == "/_bulk" {
                    reply["errors"] == false
                } else {
                    reply["accepted"] == (numbers.end - numbers.start)
                };
                assert!(all, "{reply}");
                accepted.extend(numbers);
            }
            // It is down: the next try is worth making in a moment.
            _ => std::thread::sleep(Duration::from_millis(10)),
        }
    }
    accepted
}

/// Numbered messages by RELP, a window of 16 with a pause after it. Gives the numbers with `rsp 200 OK`.
fn number_by_relp(
    to: SocketAddr,
    line: fn(u64) -> String,
    pause: Duration,
    stop: &AtomicBool,
) -> Vec<u64> {
    let (mut accepted, mut next) = (Vec::new(), 0_u64);
    while !stop.load(Ordering::SeqCst) {
        if relp_session(to, line, pause, &mut next, stop, &mut accepted).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    accepted
}

fn relp_session(
    to: SocketAddr,
    line: fn(u64) -> String,
    pause: Duration,
    next: &mut u64,
    stop: &AtomicBool,
    accepted: &mut Vec<u64>,
) -> std::io::Result<()> {
    use std::io::{BufRead as _, BufReader, Read as _};
    let mut connection = TcpStream::connect(to)?;
    connection.set_read_timeout(Some(Duration::from_secs(30)))?;
    let offer = "relp_version=0\nrelp_software=test\ncommands=syslog";
    writeln!(connection, "1 open {} {offer}", offer.len())?;
    let mut replies = BufReader::new(connection.try_clone()?);
    let mut reply = || -> std::io::Result<(u64, String)> {
        let mut field = |end| -> std::io::Result<String> {
            let mut bytes = Vec::new();
            replies.read_until(end, &mut bytes)?;
            if bytes.pop() != Some(end) {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let transaction = field(b' ')?.parse().map_err(std::io::Error::other)?;
        let (_command, length) = (
            field(b' ')?,
            field(b' ')?
                .parse::<usize>()
                .map_err(std::io::Error::other)?,
        );
        let mut data = vec![0; length + 1];
        replies.read_exact(&mut data)?;
        Ok((transaction, String::from_utf8_lossy(&data).into_owned()))
    };
    reply()?;
    let mut transaction = 2;
    while !stop.load(Ordering::SeqCst) {
        let mut sent = HashMap::new();
        let mut frames = String::new();
        for _ in 0..16 {
            let message = line(*next);
            frames.push_str(&format!(
                "{transaction} syslog {} {message}\n",
                message.len()
            ));
            sent.insert(transaction, *next);
            (transaction, *next) = (transaction + 1, *next + 1);
        }
        connection.write_all(frames.as_bytes())?;
        while !sent.is_empty() {
            let (transaction, data) = reply()?;
            let Some(number) = sent.remove(&transaction) else {
                return Err(std::io::Error::other("a reply to what was not sent"));
            };
            assert!(data.starts_with("200"), "{data}");
            accepted.push(number);
        }
        std::thread::sleep(pause);
    }
    Ok(())
}

/// Numbered lines on one connection after another. Gives how many were handed to each connection.
fn number_by_tcp(to: SocketAddr, stop: &AtomicBool) -> BTreeMap<u32, u32> {
    let mut connections = BTreeMap::new();
    for connection in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let Ok(mut stream) = TcpStream::connect(to) else {
            std::thread::sleep(Duration::from_millis(10));
            continue;
        };
        let mut sent = 0;
        while !stop.load(Ordering::SeqCst) && sent < 20_000 {
            let line = format!("<13>Oct 11 22:14:15 sender app: kill9 tcp {connection}-{sent}\n");
            if stream.write_all(line.as_bytes()).is_err() {
                break;
            }
            sent += 1;
            std::thread::sleep(Duration::from_micros(200));
        }
        connections.insert(connection, sent);
    }
    connections
}
