//! Azure Blob Storage (Azurite) through the gateway: requests signed by their client, passed on unaltered.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use http::Method;
use sha2::Sha256;

use crate::gateway::Gateway;
use crate::http::{Client, Got};
use crate::peer::Peer;
use crate::shared::join;

const ACCOUNT: &str = "devstoreaccount1";
/// The emulator's published key, the same everywhere.
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const VERSION: &str = "2021-08-06";

/// One request, signed with SharedKey (the "Authorize with Shared Key" page of Azure Storage).
async fn signed(client: &mut Client, method: Method, path: &str, extra: &[(&str, &str)], content: &str) -> Got {
    let date = httpdate::fmt_http_date(std::time::SystemTime::now());
    let mut ms: Vec<(&str, &str)> = extra.iter().copied().filter(|(n, _)| n.starts_with("x-ms-")).collect();
    ms.extend([("x-ms-date", date.as_str()), ("x-ms-version", VERSION)]);
    ms.sort_unstable();
    let field = |name: &str| extra.iter().find(|(n, _)| *n == name).map_or("", |(_, v)| *v);
    let length = if content.is_empty() {
        String::new()
    } else {
        content.len().to_string()
    };
    let (bare, query) = path.split_once('?').unwrap_or((path, ""));
    let mut resource = format!("/{ACCOUNT}{bare}");
    for pair in query.split('&').filter(|p| !p.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap();
        resource.push_str(&format!("\n{name}:{value}"));
    }
    let headers: String = ms.iter().map(|(n, v)| format!("{n}:{v}\n")).collect();
    let text = format!(
        "{method}\n\n\n{length}\n\n{}\n\n\n{}\n{}\n\n\n{headers}{resource}",
        field("content-type"),
        field("if-match"),
        field("if-none-match")
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(KEY).unwrap()).unwrap();
    mac.update(text.as_bytes());
    let authorization = format!("SharedKey {ACCOUNT}:{}", STANDARD.encode(mac.finalize().into_bytes()));
    let mut all: Vec<(&str, &str)> = extra.iter().copied().filter(|(n, _)| !n.starts_with("x-ms-")).collect();
    all.extend(ms);
    all.push(("authorization", &authorization));
    client.send(method, path, &all, content.to_owned()).await
}

async fn upload(client: &mut Client, name: &str, condition: (&str, &str), content: &str) -> Got {
    let path = format!("/{ACCOUNT}/box/{name}");
    let fields = [
        ("x-ms-blob-type", "BlockBlob"),
        ("content-type", "text/plain"),
        condition,
    ];
    signed(client, Method::PUT, &path, &fields, content).await
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_writes_race_and_one_wins_each_version() {
    let azurite = Peer::start("azurite");
    let gateway = Gateway::start(&["--upstream", &format!("http://{}", azurite.authority)]);
    let mut first = Client::new(&gateway.authority);
    let made = signed(
        &mut first,
        Method::PUT,
        &format!("/{ACCOUNT}/box?restype=container"),
        &[],
        "",
    )
    .await;
    assert_eq!(made.status, 201, "{made:?}");

    // Creation: of eight that say If-None-Match: *, one may win.
    let results = std::cell::RefCell::new(Vec::new());
    join((0..8).map(|n| {
        let (mut client, results) = (Client::new(&gateway.authority), &results);
        async move {
            let got = upload(&mut client, "lock", ("if-none-match", "*"), &format!("holder {n}")).await;
            results.borrow_mut().push((n, got));
        }
    }))
    .await;
    let winners: Vec<_> = results
        .borrow()
        .iter()
        .filter(|(_, g)| g.status == 201)
        .map(|(n, _)| *n)
        .collect();
    assert_eq!(winners.len(), 1, "{results:?}");
    for (_, got) in results.borrow().iter().filter(|(_, g)| g.status != 201) {
        assert_eq!((got.status.as_u16(), got.outcome()), (409, "refused"), "{got:?}");
        assert!(got.field("tiebreak").contains("class=duplicate"), "{got:?}");
    }
    let path = format!("/{ACCOUNT}/box/lock");
    let read = signed(&mut first, Method::GET, &path, &[], "").await;
    assert_eq!(read.content, format!("holder {}", winners[0]));

    // A stale edit: the client's own If-Match is literal, and the answer says what it is.
    let tag = read.field("etag").to_owned();
    let won = upload(&mut first, "lock", ("if-match", &tag), "second").await;
    assert_eq!(won.status, 201, "{won:?}");
    assert!(
        won.field("tiebreak").contains("applied; attempts=1; guarantee=A"),
        "{won:?}"
    );
    let lost = upload(&mut first, "lock", ("if-match", &tag), "third").await;
    assert_eq!((lost.status.as_u16(), lost.outcome()), (412, "refused"), "{lost:?}");
    assert!(lost.field("tiebreak").contains("class=stale"), "{lost:?}");
    assert_eq!(signed(&mut first, Method::GET, &path, &[], "").await.content, "second");
}
