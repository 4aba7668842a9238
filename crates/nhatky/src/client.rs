//! How commands reach the data: over HTTP to a running server, or through the same routes in this process.
//!
//! One API serves both, so that a command means the same on a server and on a data directory that no server holds.

use std::ops::ControlFlow;

use anyhow::{Context as _, Result, anyhow, bail};
use axum::body::Body;
use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::cli::Place;
use crate::node::Node;

/// The environment variable that holds the token for `--server`.
const TOKEN: &str = "NHATKY_TOKEN";

/// A way to the API.
#[derive(Debug)]
pub(crate) enum Client {
    /// A running server.
    Remote {
        http: reqwest::Client,
        base: String,
        token: Option<String>,
    },
    /// The routes in this process, over a data directory that it holds.
    Local(Box<Node>),
}

impl Client {
    /// The way to that place. A data directory is opened, and closed by [`Client::close`].
    pub(crate) async fn open(place: &Place) -> Result<Self> {
        let Some(server) = &place.server else {
            let node = Node::offline(&place.data).await?;
            return Ok(Self::Local(Box::new(node)));
        };
        let token = std::env::var(TOKEN).ok().filter(|token| !token.is_empty());
        let base = server.trim_end_matches('/').to_owned();
        Ok(Self::Remote {
            http: reqwest::Client::new(),
            base,
            token,
        })
    }

    /// GETs JSON.
    pub(crate) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value> {
        self.call("GET", path, query, None).await
    }

    /// POSTs JSON, gets JSON.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.call("POST", path, &[], Some(body)).await
    }

    /// PUTs JSON, gets JSON.
    pub(crate) async fn put(&self, path: &str, body: &Value) -> Result<Value> {
        self.call("PUT", path, &[], Some(body)).await
    }

    /// DELETEs, gets JSON or nothing.
    pub(crate) async fn delete(&self, path: &str) -> Result<Value> {
        self.call("DELETE", path, &[], None).await
    }

    /// Closes what was opened.
    pub(crate) async fn close(self) -> Result<()> {
        match self {
            Self::Remote { .. } => Ok(()),
            Self::Local(node) => node.close().await,
        }
    }

    async fn call(
        &self,
        method: &str,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Value> {
        let body = body.map(serde_json::to_vec).transpose()?;
        let (status, bytes) = match self {
            Self::Remote { http, base, token } => {
                let mut request = http
                    .request(method.parse()?, format!("{base}{path}"))
                    .query(query);
                if let Some(token) = token {
                    request = request.bearer_auth(token);
                }
                if let Some(body) = body {
                    request = request
                        .header("content-type", "application/json")
                        .body(body);
                }
                let reply = request.send().await.with_context(|| {
                    format!("{base} does not answer: check the address and that the server runs")
                })?;
                (reply.status(), reply.bytes().await?)
            }
            Self::Local(node) => {
                let request = axum::http::Request::builder()
                    .method(method)
                    .uri(with_query(path, query))
                    .header("host", "localhost")
                    .header("content-type", "application/json")
                    .body(body.map_or_else(Body::empty, Body::from))?;
                let reply = node.routes().oneshot(request).await?;
                (
                    reply.status(),
                    reply.into_body().collect().await?.to_bytes(),
                )
            }
        };
        if !status.is_success() {
            bail!(explain(status.as_u16(), &bytes));
        }
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).context("the reply is not JSON: is that a nhatky server?")
    }

    /// POSTs JSON and hands over the reply's body as it comes.
    ///
    /// A body that ends early is an error: what was handed over is then not all.
    pub(crate) async fn download(
        &self,
        path: &str,
        body: &Value,
        mut each: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<()> {
        match self {
            Self::Remote { http, base, token } => {
                let mut request = http.post(format!("{base}{path}")).json(body);
                if let Some(token) = token {
                    request = request.bearer_auth(token);
                }
                let reply = request
                    .send()
                    .await
                    .with_context(|| format!("{base} does not answer"))?;
                let status = reply.status();
                if !status.is_success() {
                    bail!(explain(status.as_u16(), &reply.bytes().await?));
                }
                let mut stream = reply.bytes_stream();
                while let Some(chunk) = stream.next().await {
                    each(&chunk.context("the server ended the connection")?)?;
                }
            }
            Self::Local(node) => {
                let request = axum::http::Request::builder()
                    .method("POST")
                    .uri(path)
                    .header("host", "localhost")
                    .header("content-type", "application/json")
                    .body(Body::from(serde_json::to_vec(body)?))?;
                let reply = node.routes().oneshot(request).await?;
                let status = reply.status();
                if !status.is_success() {
                    bail!(explain(
                        status.as_u16(),
                        &reply.into_body().collect().await?.to_bytes()
                    ));
                }
                let mut stream = reply.into_body().into_data_stream();
                while let Some(chunk) = stream.next().await {
                    each(&chunk?)?;
                }
            }
        }
        Ok(())
    }

    /// GETs server-sent events and hands over each, until `each` breaks off or fails, or the server ends.
    pub(crate) async fn follow(
        &self,
        path: &str,
        query: &[(&str, &str)],
        mut each: impl FnMut(&Message) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let Self::Remote { http, base, token } = self else {
            bail!("nothing arrives in a data directory that no server holds: use --server URL");
        };
        let mut request = http.get(format!("{base}{path}")).query(query);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let reply = request
            .send()
            .await
            .with_context(|| format!("{base} does not answer"))?;
        let status = reply.status();
        if !status.is_success() {
            bail!(explain(status.as_u16(), &reply.bytes().await?));
        }
        let (mut lines, mut message) = (Vec::new(), Message::default());
        let mut stream = reply.bytes_stream();
        while let Some(chunk) = stream.next().await {
            lines.extend_from_slice(&chunk?);
            while let Some(end) = lines.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = lines.drain(..=end).collect();
                if message.take(String::from_utf8_lossy(&line).trim_end())
                    && each(&std::mem::take(&mut message))?.is_break()
                {
                    return Ok(());
                }
            }
        }
        Err(anyhow!("the server ended the connection"))
    }
}

/// A server-sent event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    /// What kind of event it is; empty where it names none.
    pub(crate) event: String,
    /// What it says.
    pub(crate) data: String,
}

impl Message {
    /// Takes a line of it; whether the message is whole with it.
    fn take(&mut self, line: &str) -> bool {
        if let Some(event) = line.strip_prefix("event:") {
            event.trim().clone_into(&mut self.event);
        } else if let Some(data) = line.strip_prefix("data:") {
            data.trim().clone_into(&mut self.data);
        }
        line.is_empty() && !self.data.is_empty()
    }
}

fn with_query(path: &str, query: &[(&str, &str)]) -> String {
    let mut target = path.to_owned();
    for (at, (name, value)) in query.iter().enumerate() {
        target.push(if at == 0 { '?' } else { '&' });
        target.push_str(name);
        target.push('=');
        target.extend(value.bytes().map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        }));
    }
    target
}

/// What a problem document (RFC 9457) says, in one sentence for a person.
fn explain(status: u16, body: &[u8]) -> String {
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| problem[name].as_str().map(str::to_owned);
    let said = text("detail").or_else(|| text("title"));
    match said {
        Some(said) => format!("{said} ({status})"),
        None if status == 401 => format!("no valid token ({status}): put one into {TOKEN}"),
        None => format!("the server answered {status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_encoded_byte_by_byte() {
        let target = with_query("/s", &[("q", "a:\"đ\" & b"), ("limit", "5")]);
        assert_eq!(target, "/s?q=a%3A%22%C4%91%22%20%26%20b&limit=5");
    }

    #[test]
    fn a_message_is_whole_at_its_empty_line() {
        let mut message = Message::default();
        let whole = [":", "", "event: left-out", "id: 7", "data: {}", ""];
        let whole = whole.map(|line| message.take(line));
        assert_eq!(whole, [false, false, false, false, false, true]);
        let (event, data) = ("left-out".to_owned(), "{}".to_owned());
        assert_eq!(message, Message { event, data });
    }

    #[test]
    fn a_problem_is_told_in_its_own_words() {
        assert_eq!(
            explain(400, br#"{"title":"Bad","detail":"no such field"}"#),
            "no such field (400)"
        );
        assert!(explain(401, b"").contains(TOKEN));
    }
}
