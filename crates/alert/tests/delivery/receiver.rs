//! A receiver of webhooks on loopback that answers as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use tokio::sync::watch;

/// How a request is answered; when all are used up, with 204.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    /// With that status.
    Status(u16),
    /// With 429 and that many seconds.
    RetryAfter(u32),
    /// Not at all: the connection breaks.
    Hangup,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) key: String,
    pub(crate) signature: String,
    pub(crate) authorization: String,
    pub(crate) body: String,
}

#[derive(Debug)]
struct Inner {
    answers: Mutex<VecDeque<Answer>>,
    received: Mutex<Vec<Received>>,
    count: watch::Sender<usize>,
}

impl Inner {
    fn new(answers: &[Answer]) -> Arc<Self> {
        Arc::new(Self {
            answers: Mutex::new(answers.iter().copied().collect()),
            received: Mutex::default(),
            count: watch::Sender::new(0),
        })
    }
}

fn router(inner: &Arc<Inner>) -> axum::Router {
    axum::Router::new()
        .route("/hook", axum::routing::post(take))
        .with_state(Arc::clone(inner))
}

/// A receiver that runs until the test ends.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    inner: Arc<Inner>,
}

impl Receiver {
    pub(crate) async fn start(answers: &[Answer]) -> Self {
        let inner = Inner::new(answers);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let url = format!(
            "http://{}/hook",
            listener.local_addr().expect("it is bound")
        );
        let router = router(&inner);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, inner }
    }

    /// A receiver over TLS, with a certificate for `localhost` that it signed itself; gives that certificate, too.
    pub(crate) async fn start_tls() -> (Self, String) {
        install_provider();
        let made =
            rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let tls = axum_server::tls_rustls::RustlsConfig::from_pem(
            certificate.clone().into_bytes(),
            key.into_bytes(),
        )
        .await
        .expect("a sound certificate");
        let inner = Inner::new(&[]);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("it can be");
        let port = listener.local_addr().expect("it is bound").port();
        let url = format!("https://localhost:{port}/hook");
        let server = axum_server::from_tcp_rustls(listener, tls).expect("it listens");
        tokio::spawn(server.serve(router(&inner).into_make_service()));
        (Self { url, inner }, certificate)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        lock(&self.inner.received).clone()
    }

    /// Waits until so many requests have come.
    pub(crate) async fn wait_for(&self, requests: usize) {
        let mut count = self.inner.count.subscribe();
        let limit = std::time::Duration::from_secs(60);
        let enough = count.wait_for(|count| *count >= requests);
        tokio::time::timeout(limit, enough)
            .await
            .expect("they come within a minute")
            .expect("it runs");
    }
}

#[expect(clippy::panic, reason = "breaks the connection, and nothing else")]
async fn take(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: String) -> Response {
    let header = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    lock(&inner.received).push(Received {
        key: header("idempotency-key"),
        signature: header("x-nhatky-signature"),
        authorization: header("authorization"),
        body,
    });
    inner.count.send_modify(|count| *count += 1);
    let answer = lock(&inner.answers).pop_front();
    match answer {
        None => StatusCode::NO_CONTENT.into_response(),
        Some(Answer::Status(status)) => {
            let status = StatusCode::from_u16(status).expect("a status");
            (status, [("location", "http://192.0.2.1/")], "not now").into_response()
        }
        Some(Answer::RetryAfter(seconds)) => {
            let wait = seconds.to_string();
            (StatusCode::TOO_MANY_REQUESTS, [("retry-after", wait)]).into_response()
        }
        // The connection's task ends here, and the connection with it.
        Some(Answer::Hangup) => panic!("hangs up, as it was told"),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .expect("nothing panics while it holds the lock")
}

/// Every test process installs rustls's provider once.
pub(crate) fn install_provider() {
    // Another test of this process may have been first, which is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
}
