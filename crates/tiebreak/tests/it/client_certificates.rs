//! Clients' certificates: who is let in, and whose keys and reads are whose.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::gateway::Gateway;
use crate::http::Got;
use crate::http2::certificate;
use crate::scripted::{Scripted, Tags};

type Authority = CertifiedIssuer<'static, KeyPair>;
type Shown = (CertificateDer<'static>, PrivateKeyDer<'static>);

/// A certificate authority, whose certificate is in `file`.
fn authority(file: &Path) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let made = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(file, made.pem()).unwrap();
    made
}

/// A new certificate for a client of this name.
fn issue(authority: &Authority, name: &str) -> Shown {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().unwrap();
    let made = params.signed_by(&key, authority).unwrap();
    (made.der().clone(), PrivateKeyDer::Pkcs8(key.serialize_der().into()))
}

fn copy((certificate, key): &Shown) -> Shown {
    (certificate.clone(), key.clone_key())
}

struct Client(SendRequest<Full<Bytes>>);

impl Client {
    /// Connects, and shows a certificate. `None`: it was not let in.
    async fn connect(authority: &str, trusted: &CertificateDer<'static>, shown: Option<&Shown>) -> Option<Client> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(trusted.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match shown {
            Some((chain, key)) => config
                .with_client_auth_cert(vec![chain.clone()], key.clone_key())
                .unwrap(),
            None => config.with_no_client_auth(),
        };
        let stream = TcpStream::connect(authority).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.ok()?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
        tokio::spawn(connection);
        let mut client = Client(sender);
        // In TLS 1.3 a client learns only after its own last word that its certificate was refused.
        client.try_send(Method::GET, &[]).await?;
        Some(client)
    }

    async fn try_send(&mut self, method: Method, fields: &[(&str, &str)]) -> Option<Got> {
        self.0.ready().await.ok()?;
        let content = if method == Method::GET { "" } else { r#"{"n":1}"# };
        let mut request = Request::builder()
            .method(method)
            .uri("/docs")
            .header("host", "localhost");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(content))).unwrap();
        let (head, body) = self.0.send_request(request).await.ok()?.into_parts();
        let content = body.collect().await.ok()?.to_bytes();
        Some(Got {
            status: head.status,
            headers: head.headers,
            content,
        })
    }

    /// Whether a POST with this key and credential was a replay; else it was performed, or belongs to somebody else.
    async fn replays(&mut self, key: &str, credential: &str) -> bool {
        let key = format!("\"{key}\"");
        let fields = [("idempotency-key", key.as_str()), ("authorization", credential)];
        let got = self.try_send(Method::POST, &fields).await.unwrap();
        assert!(got.status.is_success(), "{got:?}");
        got.field("idempotency-replayed") == "true"
    }
}

fn start(origin: &Scripted, folder: &tempfile::TempDir, more: &str, args: &[&str]) -> Gateway {
    let path = |name: &str| folder.path().join(name).display().to_string();
    let text = format!(
        "upstream = \"http://{}\"\nledger = \"memory\"\ntls_cert = \"{}\"\ntls_key = \"{}\"\n{more}",
        origin.authority,
        path("cert.pem"),
        path("key.pem"),
    );
    let own = tempfile::tempdir().unwrap();
    std::fs::write(own.path().join("t.toml"), text).unwrap();
    let ca = path("ca.pem");
    let mut all = vec!["--config", "t.toml", "--tls-client-ca", &ca];
    all.extend_from_slice(args);
    Gateway::start_in(own, &all)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_clients_with_a_certificate_of_the_authority_are_let_in() {
    let origin = Scripted::start(Tags::Versions, false).await;
    let folder = tempfile::tempdir().unwrap();
    let own = certificate(folder.path());
    let (ca, other) = (folder.path().join("ca.pem"), folder.path().join("other.pem"));
    let (first, second) = (authority(&ca), authority(&other));
    let (one, stranger) = (issue(&first, "one"), issue(&second, "one"));
    let mut gateway = start(&origin, &folder, "", &[]);
    let lets = |gateway: &Gateway, shown: Option<&Shown>| {
        let (authority, own, shown) = (gateway.authority.clone(), own.clone(), shown.map(copy));
        async move { Client::connect(&authority, &own, shown.as_ref()).await.is_some() }
    };
    assert!(lets(&gateway, Some(&one)).await);
    assert!(!lets(&gateway, Some(&stranger)).await);
    assert!(!lets(&gateway, None).await);
    // The file of the authority is read anew when it changes; what cannot be used changes nothing.
    std::fs::write(&ca, "no certificate").unwrap();
    gateway.hear("the TLS certificate stays as it was").await;
    assert!(lets(&gateway, Some(&one)).await);
    std::fs::copy(&other, &ca).unwrap();
    gateway.hear("anew").await;
    assert!(!lets(&gateway, Some(&one)).await);
    assert!(lets(&gateway, Some(&stranger)).await);
    drop(gateway);
    let gateway = start(&origin, &folder, "", &["--tls-client-auth", "optional"]);
    assert!(lets(&gateway, None).await);
    assert!(lets(&gateway, Some(&stranger)).await);
    assert!(!lets(&gateway, Some(&one)).await, "what is shown has to be in order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_belongs_to_the_client_that_its_certificate_names() {
    let origin = Scripted::start(Tags::Versions, false).await;
    let folder = tempfile::tempdir().unwrap();
    let own = certificate(folder.path());
    let first = authority(&folder.path().join("ca.pem"));
    let shown = [issue(&first, "one"), issue(&first, "one"), issue(&first, "two")];
    for (more, anew_is_the_same) in [("", false), ("[defaults]\nprincipal = \"certificate\"\n", true)] {
        let gateway = start(&origin, &folder, more, &[]);
        let mut clients = Vec::new();
        for shown in &shown {
            clients.push(Client::connect(&gateway.authority, &own, Some(shown)).await.unwrap());
        }
        let [one, renewed, two] = &mut clients[..] else {
            unreachable!()
        };
        assert!(!one.replays("k", "Bearer a").await);
        assert!(one.replays("k", "Bearer a").await);
        assert!(
            renewed.replays("k", "Bearer a").await,
            "a renewed certificate names the same client"
        );
        assert!(!two.replays("k", "Bearer a").await, "one credential, and two clients");
        // Beside a certificate the credential counts, unless the route says that the certificate is the principal.
        assert_eq!(one.replays("k", "Bearer b").await, anew_is_the_same);
    }
}
