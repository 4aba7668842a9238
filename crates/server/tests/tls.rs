//! The port over TLS: its certificate, and a new one without a restart.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use server::{HttpServer, ServeError, TlsFiles};

/// A self-signed certificate of `localhost`, as PEM, written with its key.
fn certify(files: &TlsFiles) -> String {
    let made =
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    std::fs::write(&files.certificate, made.cert.pem()).expect("a file");
    std::fs::write(&files.key, made.signing_key.serialize_pem()).expect("a file");
    made.cert.pem()
}

fn files(folder: &Path) -> TlsFiles {
    TlsFiles {
        certificate: folder.join("cert.pem"),
        key: folder.join("key.pem"),
    }
}

async fn ask(trusted: &str, port: u16) -> Result<String, reqwest::Error> {
    let trusted = reqwest::Certificate::from_pem(trusted.as_bytes())?;
    let client = reqwest::Client::builder()
        .tls_certs_only([trusted])
        .build()?;
    client
        .get(format!("https://localhost:{port}/"))
        .send()
        .await?
        .text()
        .await
}

#[tokio::test]
async fn a_new_certificate_is_served_after_a_reload() {
    // Another test of this process may have installed it.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().expect("a folder");
    let files = files(folder.path());
    let first = certify(&files);
    let routes = Router::new().route("/", get(async || "here"));
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = HttpServer::start(loopback, Some(files.clone()), routes)
        .await
        .expect("a port");
    let port = server.address().port();
    assert_eq!(ask(&first, port).await.expect("an answer"), "here");
    let second = certify(&files);
    assert!(ask(&second, port).await.is_err());
    server.reload_tls().await.expect("a certificate");
    assert_eq!(ask(&second, port).await.expect("an answer"), "here");
    assert!(ask(&first, port).await.is_err());
    // A broken file changes nothing.
    std::fs::write(&files.certificate, "nonsense").expect("a file");
    assert!(matches!(
        server.reload_tls().await,
        Err(ServeError::Tls { .. })
    ));
    assert_eq!(ask(&second, port).await.expect("an answer"), "here");
    server.stop(Duration::ZERO).await.expect("served");
}

#[tokio::test]
async fn a_missing_certificate_is_told_with_its_file() {
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().expect("a folder");
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let error = HttpServer::start(loopback, Some(files(folder.path())), Router::new())
        .await
        .expect_err("no file");
    assert!(error.to_string().contains("cert.pem"), "{error}");
}
