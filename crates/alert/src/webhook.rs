//! One receiver of notifications by HTTP.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use event::Micros;
use hmac::{Hmac, KeyInit as _, Mac as _};
use registry::OutboxItem;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Certificate, Client, Response, Url};
use sha2::Sha256;

use crate::WebhookConfig;
use crate::address_guard::AddressGuard;

const USER_AGENT: &str = concat!("nhatky/", env!("CARGO_PKG_VERSION"));
/// Bytes of a refusal's text that are read.
const REFUSAL_BYTES_MAX: usize = 300;
const SECRET_BYTES_MAX: u64 = 4096;

/// Why a channel cannot be used: a mistake in the configuration.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The address is not one that a webhook can have.
    #[error("webhook {channel:?}: url {url:?} {reason}")]
    Url {
        /// The channel's name.
        channel: String,
        /// What was given.
        url: String,
        /// What is wrong with it, and what to do.
        reason: &'static str,
    },
    /// A number lies outside its range.
    #[error("webhook {channel:?}: {setting} is {value}, but must be {range}")]
    Range {
        /// The channel's name.
        channel: String,
        /// The setting's name.
        setting: &'static str,
        /// What was given.
        value: u16,
        /// What may be given.
        range: &'static str,
    },
    /// Two channels have one name.
    #[error("two webhooks are named {channel:?}: give each its own name")]
    NameTwice {
        /// The name.
        channel: String,
    },
    /// A file with a secret or a certificate cannot be read.
    #[error("webhook {channel:?}: cannot use {path}: {source}")]
    File {
        /// The channel's name.
        channel: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: std::io::Error,
    },
    /// The client could not be made.
    #[error(
        "webhook {channel:?}: cannot prepare connections: {source}; are the machine's certificates (ca-certificates) installed?"
    )]
    Client {
        /// The channel's name.
        channel: String,
        /// What failed.
        source: reqwest::Error,
    },
}

/// Why a receiver did not take a notification.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) reason: String,
    /// How long the receiver asked to be left alone.
    pub(crate) retry_after: Option<Duration>,
}

pub(crate) struct Webhook {
    pub(crate) name: String,
    pub(crate) give_up_after: Duration,
    url: Url,
    client: Client,
    secret: Option<String>,
    bearer: Option<HeaderValue>,
}

/// Without the secrets.
impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Webhook");
        shown
            .field("name", &self.name)
            .field("host", &self.url.host_str());
        shown.finish_non_exhaustive()
    }
}

impl Webhook {
    pub(crate) fn new(config: &WebhookConfig) -> Result<Self, ChannelError> {
        check_range(
            config,
            "per_hour_max",
            config.per_hour_max,
            u16::MAX,
            "1 to 65535",
        )?;
        check_range(config, "timeout_s", config.timeout_s, 60, "1 to 60")?;
        check_range(
            config,
            "give_up_after_h",
            config.give_up_after_h,
            720,
            "1 to 720",
        )?;
        let guard = guard(config);
        Ok(Self {
            name: config.name.clone(),
            give_up_after: Duration::from_secs(3600 * u64::from(config.give_up_after_h)),
            url: url(config, guard)?,
            client: client(config, guard)?,
            secret: read_if_any(config, config.secret_file.as_deref())?,
            bearer: bearer(config)?,
        })
    }

    /// Makes one attempt.
    pub(crate) async fn send(&self, item: &OutboxItem, now: Micros) -> Result<(), Failure> {
        let mut request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("Idempotency-Key", &item.id)
            .body(item.body.clone());
        if let Some(secret) = &self.secret {
            request = request.header("X-Nhatky-Signature", signature(secret, now, &item.body));
        }
        if let Some(bearer) = &self.bearer {
            request = request.header(AUTHORIZATION, bearer);
        }
        let response = request.send().await.map_err(|error| Failure {
            reason: with_causes(&error),
            retry_after: None,
        })?;
        if response.status().is_success() {
            return Ok(());
        }
        Err(refusal(response).await)
    }
}

/// What is wrong with a webhook, as far as that shows without a connection: every mistake.
pub(crate) fn mistakes(config: &WebhookConfig) -> Vec<ChannelError> {
    let secrets = read_if_any(config, config.secret_file.as_deref());
    let checks = [
        check_range(
            config,
            "per_hour_max",
            config.per_hour_max,
            u16::MAX,
            "1 to 65535",
        ),
        check_range(config, "timeout_s", config.timeout_s, 60, "1 to 60"),
        check_range(
            config,
            "give_up_after_h",
            config.give_up_after_h,
            720,
            "1 to 720",
        ),
        url(config, guard(config)).map(drop),
        secrets.map(drop),
        bearer(config).map(drop),
        certificates(config).map(drop),
    ];
    checks.into_iter().filter_map(Result::err).collect()
}

fn guard(config: &WebhookConfig) -> AddressGuard {
    AddressGuard {
        allow_loopback: config.allow_loopback,
        allow_link_local: config.allow_link_local,
    }
}

/// `t=SECONDS,v1=HEX`: HMAC-SHA256 over `SECONDS.BODY`, so that an old request cannot be passed off as a new one.
fn signature(secret: &str, now: Micros, body: &str) -> String {
    let seconds = now.0.div_euclid(Micros::PER_SECOND);
    let mut mac =
        <Hmac<Sha256>>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body.as_bytes());
    let mut text = format!("t={seconds},v1=");
    for byte in mac.finalize().into_bytes() {
        write!(text, "{byte:02x}").expect("a String takes everything");
    }
    text
}

async fn refusal(mut response: Response) -> Failure {
    let status = response.status();
    let asked = response.headers().get(RETRY_AFTER);
    let seconds = asked.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let mut text = Vec::new();
    while text.len() < REFUSAL_BYTES_MAX
        && let Ok(Some(chunk)) = response.chunk().await
    {
        text.extend_from_slice(&chunk);
    }
    text.truncate(REFUSAL_BYTES_MAX);
    let text = String::from_utf8_lossy(&text);
    let hint = if status.is_redirection() {
        " (redirects are not followed: give the final address)"
    } else {
        ""
    };
    Failure {
        reason: format!("answered {status}{hint}: {}", text.trim()),
        retry_after: seconds.map(Duration::from_secs),
    }
}

/// reqwest says only what failed; the causes say why.
fn with_causes(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        write!(text, ": {error}").expect("a String takes everything");
        cause = error.source();
    }
    text
}

fn url(config: &WebhookConfig, guard: AddressGuard) -> Result<Url, ChannelError> {
    let wrong = |reason| ChannelError::Url {
        channel: config.name.clone(),
        url: config.url.clone(),
        reason,
    };
    let url = Url::parse(&config.url).map_err(|_| wrong("is no address"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("must begin with https:// or http://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong(
            "holds a password, which would show in logs: use bearer_file",
        ));
    }
    // A literal address is never resolved, so that the guard must look at it here.
    let host = url.host_str().unwrap_or_default();
    let literal = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>();
    if literal.is_ok_and(|address| !guard.allows(address)) {
        return Err(wrong(
            "is an address that needs leave: see allow_loopback and allow_link_local",
        ));
    }
    Ok(url)
}

fn client(config: &WebhookConfig, guard: AddressGuard) -> Result<Client, ChannelError> {
    let timeout = Duration::from_secs(u64::from(config.timeout_s));
    let mut builder = Client::builder()
        .user_agent(USER_AGENT)
        .timeout(timeout)
        .connect_timeout(timeout)
        .dns_resolver(guard)
        // A proxy from the environment would resolve names where no guard stands.
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        // Repetition is the outbox's business alone.
        .retry(reqwest::retry::never())
        .pool_max_idle_per_host(0);
    let certificates = certificates(config)?;
    if !certificates.is_empty() {
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(|source| ChannelError::Client {
        channel: config.name.clone(),
        source,
    })
}

fn certificates(config: &WebhookConfig) -> Result<Vec<Certificate>, ChannelError> {
    let Some(path) = &config.ca_file else {
        return Ok(Vec::new());
    };
    let pem = read(config, path)?;
    match Certificate::from_pem_bundle(pem.as_bytes()) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(file_error(config, path, "it holds no certificate in PEM")),
    }
}

fn bearer(config: &WebhookConfig) -> Result<Option<HeaderValue>, ChannelError> {
    let Some(path) = &config.bearer_file else {
        return Ok(None);
    };
    let token = read(config, path)?;
    let invalid = |_| file_error(config, path, "a token is one line of printable ASCII");
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(invalid)?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn read_if_any(
    config: &WebhookConfig,
    path: Option<&Path>,
) -> Result<Option<String>, ChannelError> {
    path.map(|path| read(config, path)).transpose()
}

/// A small text file, without the white space at its ends.
fn read(config: &WebhookConfig, path: &Path) -> Result<String, ChannelError> {
    use std::io::Read as _;
    let limit = if config.ca_file.as_deref() == Some(path) {
        256 * SECRET_BYTES_MAX
    } else {
        SECRET_BYTES_MAX
    };
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(limit).read_to_string(&mut text))
        .map_err(|source| ChannelError::File {
            channel: config.name.clone(),
            path: path.to_path_buf(),
            source,
        })?;
    let text = text.trim();
    if text.is_empty() {
        return Err(file_error(config, path, "it is empty"));
    }
    Ok(text.to_owned())
}

fn file_error(config: &WebhookConfig, path: &Path, reason: &'static str) -> ChannelError {
    ChannelError::File {
        channel: config.name.clone(),
        path: path.to_path_buf(),
        source: std::io::Error::new(std::io::ErrorKind::InvalidData, reason),
    }
}

fn check_range(
    config: &WebhookConfig,
    setting: &'static str,
    value: u16,
    max: u16,
    range: &'static str,
) -> Result<(), ChannelError> {
    if (1..=max).contains(&value) {
        return Ok(());
    }
    Err(ChannelError::Range {
        channel: config.name.clone(),
        setting,
        value,
        range,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webhook(url: &str) -> WebhookConfig {
        let config = serde_json::json!({"name": "chat", "url": url});
        serde_json::from_value(config).unwrap()
    }

    fn checked(config: &WebhookConfig) -> Result<Url, ChannelError> {
        url(config, guard(config))
    }

    #[test]
    fn addresses_are_checked_before_anything_starts() {
        for good in [
            "https://chat.example/hook?x=1",
            "http://10.0.0.5:8080/",
            "https://[2001:db8::1]/",
        ] {
            assert!(checked(&webhook(good)).is_ok(), "{good}");
        }
        for bad in [
            "chat.example",
            "ftp://chat.example/",
            "file:///etc/passwd",
            "https://user:secret@chat.example/",
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://[::1]/",
            "http://[::ffff:169.254.169.254]/",
            "http://169.254.169.254/latest/meta-data/",
        ] {
            assert!(checked(&webhook(bad)).is_err(), "{bad}");
        }
        let local = WebhookConfig {
            allow_loopback: true,
            ..webhook("http://127.0.0.1:9/")
        };
        checked(&local).unwrap();
    }

    #[test]
    fn the_signature_covers_time_and_body() {
        // Made by: printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac secret
        let signed = signature("secret", Micros(1_700_000_000_999_999), r#"{"a":1}"#);
        assert_eq!(
            signed,
            "t=1700000000,v1=49f24e537407743fa4a0242bb63b94b9a47ee99cbbe071ccd8a22550ae411686"
        );
    }
}
