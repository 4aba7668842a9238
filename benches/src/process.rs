//! The release binary as a separate process, and what the kernel says of it.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// A running `nhatky serve`; killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    client: reqwest::Client,
    pub(crate) http: SocketAddr,
    pub(crate) syslog: SocketAddr,
    pub(crate) data: PathBuf,
}

impl Server {
    /// Starts the binary on free loopback ports with its data in `data`, and waits until it is ready.
    pub(crate) async fn start(binary: &Path, data: &Path) -> Result<Self> {
        let (http, syslog) = (free_address()?, free_address()?);
        let log = fs::File::create(data.with_extension("log"))?;
        let child = Command::new(binary)
            .arg("serve")
            .args(["--data".as_ref(), data.as_os_str()])
            .args(["--http", &http.to_string()])
            .args([
                "--syslog-tcp",
                &syslog.to_string(),
                "--syslog-udp",
                &syslog.to_string(),
            ])
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("{} does not start: run `make build`", binary.display()))?;
        let mut server = Self {
            child,
            client: reqwest::Client::new(),
            http,
            syslog,
            data: data.to_owned(),
        };
        server.wait_until_ready().await?;
        Ok(server)
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "nhatky ended with {status}: see {}",
                    self.data.with_extension("log").display()
                );
            }
            let ready = self
                .client
                .get(format!("http://{}/readyz", self.http))
                .send()
                .await;
            if ready.is_ok_and(|reply| reply.status().is_success()) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("nhatky is not ready after a minute")
    }

    /// GETs a path of the API.
    pub(crate) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value> {
        let url = format!("http://{}{path}", self.http);
        answered(path, self.client.get(url).query(query)).await
    }

    /// GETs a path of the API until the first piece of the answer's body is there.
    pub(crate) async fn first_chunk(&self, path: &str, query: &[(&str, &str)]) -> Result<()> {
        let url = format!("http://{}{path}", self.http);
        let reply = self.client.get(url).query(query).send().await?;
        match reply.error_for_status()?.chunk().await? {
            Some(_) => Ok(()),
            None => bail!("{path}: an empty answer"),
        }
    }

    /// POSTs bytes to a path of the API.
    pub(crate) async fn post(&self, path: &str, body: Vec<u8>) -> Result<Value> {
        let url = format!("http://{}{path}", self.http);
        answered(path, self.client.post(url).body(body)).await
    }

    /// POSTs JSON to a path of the API.
    pub(crate) async fn post_json(&self, path: &str, body: &Value) -> Result<Value> {
        let url = format!("http://{}{path}", self.http);
        let request = self.client.post(url).body(body.to_string());
        let request = request.header("content-type", "application/json");
        answered(path, request).await
    }

    /// The sum of a metric over its labels; 0 where it is not there.
    pub(crate) async fn metric(&self, name: &str) -> Result<f64> {
        let url = format!("http://{}/metrics", self.http);
        let text = self
            .client
            .get(url)
            .send()
            .await?
            .error_for_status()?
            .text()
            .await?;
        let samples = text.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            if !rest.starts_with(['{', ' ']) {
                return None;
            }
            rest.rsplit(' ').next()?.parse::<f64>().ok()
        });
        Ok(samples.sum())
    }

    /// CPU-seconds of each of its threads, user and system, added up by thread name.
    pub(crate) fn cpu_by_thread(&self) -> Result<BTreeMap<String, f64>> {
        let mut seconds = BTreeMap::new();
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let stat = fs::read_to_string(task?.path().join("stat")).unwrap_or_default();
            let Some((name, cpu)) = read_stat(&stat) else {
                continue;
            };
            *seconds.entry(name).or_default() += cpu;
        }
        Ok(seconds)
    }

    /// CPU-seconds of the whole process, ended threads included.
    pub(crate) fn cpu(&self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        read_stat(&stat)
            .map(|(_, cpu)| cpu)
            .context("the kernel's stat line has its usual shape")
    }

    /// Anonymous memory in MiB.
    pub(crate) fn anonymous_mib(&self) -> Result<f64> {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id()))?;
        let line = rollup
            .lines()
            .find_map(|line| line.strip_prefix("Anonymous:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
        Ok(kib.context("smaps_rollup names anonymous memory")? / 1024.0)
    }

    /// Asks it to stop and waits for its end.
    pub(crate) fn stop(mut self) -> Result<()> {
        Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status()?;
        let status = self.child.wait()?;
        if !status.success() {
            bail!("nhatky ended with {status}");
        }
        Ok(())
    }
}

/// CPU-seconds of this process so far (proc(5), in ticks of 10 ms).
pub(crate) fn own_cpu() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    Ok(read_stat(&stat).map_or(f64::NAN, |(_, cpu)| cpu))
}

/// The JSON that a request is answered with.
async fn answered(path: &str, request: reqwest::RequestBuilder) -> Result<Value> {
    let reply = request.send().await?;
    let (status, body) = (reply.status(), reply.bytes().await?);
    if !status.is_success() {
        bail!("{path}: {status} {}", String::from_utf8_lossy(&body));
    }
    Ok(serde_json::from_slice(&body)?)
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already ended after `stop`: then both say so, and there is nothing left to do.
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}

/// An address of loopback that nobody uses at the moment.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Name and CPU-seconds of a line of `/proc/PID/stat` (proc(5): fields 14 and 15, in clock ticks of 10 ms).
pub(crate) fn read_stat(stat: &str) -> Option<(String, f64)> {
    let (head, rest) = stat.rsplit_once(')')?;
    let name = head.split_once('(')?.1;
    let mut fields = rest.split_whitespace().skip(11);
    let ticks: f64 = fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?;
    Some((name.to_owned(), ticks / 100.0))
}

/// Bytes of all files below a folder.
pub(crate) fn bytes_below(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        bytes += if about.is_dir() {
            bytes_below(&entry.path())?
        } else {
            about.len()
        };
    }
    Ok(bytes)
}
