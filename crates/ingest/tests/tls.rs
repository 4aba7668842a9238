//! Syslog over TLS through real sockets: certificates of both sides, and new ones while it runs.

mod node;

use std::path::Path;
use std::sync::Arc;

use event::Identity;
use ingest::{ClientCertificate, Lapse, Protocol, TlsConfig};
use node::{Node, PATIENCE, listener, texts};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority")
}

/// A certificate and its key, in PEM.
fn issue(authority: &Authority, common_name: &str, dns_name: &str) -> (String, String) {
    let mut params = CertificateParams::new(vec![dns_name.to_owned()]).expect("a DNS name");
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, authority).expect("a certificate");
    (certificate.pem(), key.serialize_pem())
}

fn write_server(dir: &Path, authority: &Authority, dns_name: &str) {
    let (certificate, key) = issue(authority, "server", dns_name);
    std::fs::write(dir.join("server.pem"), certificate).expect("written");
    std::fs::write(dir.join("server.key"), key).expect("written");
}

fn tls(dir: &Path) -> TlsConfig {
    TlsConfig {
        certificate: dir.join("server.pem"),
        key: dir.join("server.key"),
        client_authorities: None,
        client_certificate: ClientCertificate::Required,
    }
}

fn client(authority: &Authority, own: Option<(String, String)>) -> TlsConnector {
    use rustls::pki_types::pem::PemObject;
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let config = match own {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).expect("PEM");
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("PEM");
            builder
                .with_client_auth_cert(vec![certificate], key)
                .expect("a pair")
        }
    };
    TlsConnector::from(Arc::new(config))
}

async fn connect(
    node: &Node,
    client: &TlsConnector,
    name: &'static str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(node.address("tls")).await?;
    client
        .connect(ServerName::try_from(name).expect("a name"), stream)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_known_by_its_certificate() {
    let (dir, authority) = (tempfile::tempdir().expect("a directory"), authority("ours"));
    write_server(dir.path(), &authority, "logs.example");
    std::fs::write(dir.path().join("ca.pem"), authority.pem()).expect("written");
    let mut config = listener("tls", Protocol::Tls);
    let mut files = tls(dir.path());
    files.client_authorities = Some(dir.path().join("ca.pem"));
    config.tls = Some(files);
    let node = Node::start(vec![config]).await;

    let known = client(
        &authority,
        Some(issue(&authority, "fw-01", "fw-01.example")),
    );
    let mut stream = connect(&node, &known, "logs.example")
        .await
        .expect("a session");
    stream.write_all(b"7 <13>abc").await.expect("sent");
    let record = &node.received(1).await[0];
    assert_eq!(record.origin.identity, Some(Identity::Tls("fw-01".into())));
    assert_eq!(record.origin.sender(), "tls:fw-01");

    let stranger = authority_of_strangers();
    let unknown = client(&authority, Some(issue(&stranger, "fw-01", "fw-01.example")));
    for refused in [client(&authority, None), unknown] {
        // With TLS 1.3 the client hears of the refusal when it reads.
        let came = match connect(&node, &refused, "logs.example").await {
            Err(_) => 0,
            Ok(mut stream) => stream.read(&mut [0; 1]).await.unwrap_or(0),
        };
        assert_eq!(came, 0);
    }
}

fn authority_of_strangers() -> Authority {
    authority("strangers")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_shown_after_reloading_and_a_broken_one_never() {
    let (dir, authority) = (tempfile::tempdir().expect("a directory"), authority("ours"));
    write_server(dir.path(), &authority, "old.example");
    let mut config = listener("tls", Protocol::Tls);
    config.tls = Some(tls(dir.path()));
    let node = Node::start(vec![config]).await;
    let client = client(&authority, None);
    let mut old = connect(&node, &client, "old.example")
        .await
        .expect("the old certificate");

    write_server(dir.path(), &authority, "new.example");
    node.ingest.reload_tls().expect("sound files");
    let mut new = connect(&node, &client, "new.example")
        .await
        .expect("the new certificate");
    assert!(connect(&node, &client, "old.example").await.is_err());

    std::fs::write(dir.path().join("server.pem"), "not PEM").expect("written");
    let errors = node.ingest.reload_tls().expect_err("a broken file");
    assert_eq!(errors[0].name, "tls");
    drop(
        connect(&node, &client, "new.example")
            .await
            .expect("still the new certificate"),
    );

    // Connections that were open before go on.
    old.write_all(b"<13>old\n").await.expect("sent");
    node.received(1).await;
    new.write_all(b"<13>new\n").await.expect("sent");
    assert_eq!(texts(&node.received(2).await), ["<13>old", "<13>new"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn relp_speaks_tls_too() {
    let (dir, authority) = (tempfile::tempdir().expect("a directory"), authority("ours"));
    write_server(dir.path(), &authority, "logs.example");
    let mut config = listener("tls", Protocol::Relp);
    config.tls = Some(tls(dir.path()));
    let node = Node::start(vec![config]).await;
    let mut stream = connect(&node, &client(&authority, None), "logs.example")
        .await
        .expect("a session");
    stream.write_all(b"1 syslog 3 abc\n").await.expect("sent");
    let mut answer = [0; 15];
    stream.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"1 rsp 6 200 OK\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_dawdles_is_cut_off() {
    let (dir, authority) = (tempfile::tempdir().expect("a directory"), authority("ours"));
    write_server(dir.path(), &authority, "logs.example");
    let mut config = listener("tls", Protocol::Tls);
    config.tls = Some(tls(dir.path()));
    config.message_time_max = Lapse(std::time::Duration::from_millis(100));
    let node = Node::start(vec![config]).await;
    let mut stream = TcpStream::connect(node.address("tls"))
        .await
        .expect("a listener");
    let read = tokio::time::timeout(PATIENCE, stream.read(&mut [0; 1]))
        .await
        .expect("cut off");
    assert!(matches!(read, Ok(0) | Err(_)));
}
