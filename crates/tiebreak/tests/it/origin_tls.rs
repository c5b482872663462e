//! TLS towards origins: trusted by a file of their own, and shown a certificate of ours.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response};
use http_body_util::Empty;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::WebPkiClientVerifier;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::gateway::Gateway;
use crate::http::Client;
use crate::http2::certificate;

/// An origin that answers 204 to clients whose certificate is that of `folder`/client, once on each connection.
async fn start(folder: &Path) -> u16 {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate(&folder.join("client"))).unwrap();
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let own = certificate(&folder.join("origin"));
    let key = PrivateKeyDer::from_pem_file(folder.join("origin/key.pem")).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients.build().unwrap())
        .with_single_cert(vec![own], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let answer = service_fn(|_| async {
                    let answer = Response::builder().status(204).body(Empty::<Bytes>::new());
                    Ok::<_, Infallible>(answer.unwrap())
                });
                let mut connection = http1::Builder::new();
                let _ = connection
                    .keep_alive(false)
                    .serve_connection(TokioIo::new(stream), answer)
                    .await;
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_is_trusted_by_its_own_file_and_shown_our_certificate() {
    let folder = tempfile::tempdir().unwrap();
    for part in ["client", "origin", "other"] {
        std::fs::create_dir(folder.path().join(part)).unwrap();
    }
    let other = certificate(&folder.path().join("other"));
    assert!(!other.is_empty());
    let port = start(folder.path()).await;
    let path = folder.path().to_owned();
    let config = |more: &str| {
        let text =
            format!("upstream = \"api\"\nledger = \"memory\"\n[upstreams.api]\nurl = \"https://localhost:{port}\"\n");
        std::fs::write(path.join("t.toml"), text + more).unwrap();
    };
    config("");
    let mut gateway = Gateway::start_in(folder, &["--config", "t.toml"]);
    let mut client = Client::new(&gateway.authority);
    let refused = client.send(Method::PUT, "/w", &[], "{}").await;
    assert_eq!(
        (refused.status.as_u16(), refused.outcome()),
        (502, "not-sent"),
        "{refused:?}"
    );
    let trusting = "ca = \"origin/cert.pem\"\n";
    config(trusting);
    gateway.signal("HUP");
    gateway.hear("t.toml anew").await;
    let unnamed = client.send(Method::GET, "/r", &[], "").await;
    assert_eq!(unnamed.status, 502, "the origin asks for a certificate: {unnamed:?}");
    config(&format!(
        "{trusting}client_cert = \"client/cert.pem\"\nclient_key = \"client/key.pem\"\n"
    ));
    gateway.signal("HUP");
    gateway.hear("t.toml anew").await;
    assert_eq!(client.send(Method::GET, "/r", &[], "").await.status, 204);
    assert_eq!(client.send(Method::PUT, "/w", &[], "{}").await.outcome(), "applied");
    // A file that changes is read anew before the next connection; what cannot be used changes nothing.
    let ca = path.join("origin/cert.pem");
    let right = std::fs::read(&ca).unwrap();
    std::fs::write(&ca, "no certificate").unwrap();
    assert_eq!(client.send(Method::GET, "/r", &[], "").await.status, 204);
    std::fs::copy(path.join("other/cert.pem"), &ca).unwrap();
    assert_eq!(client.send(Method::GET, "/r", &[], "").await.status, 502);
    std::fs::write(&ca, right).unwrap();
    assert_eq!(client.send(Method::GET, "/r", &[], "").await.status, 204);
}
