//! A DELETE whose answer is lost, of what was served in a form that is nobody's base.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::gateway::Gateway;
use crate::http::Client;

/// An origin with one file of this type; it hangs up on the DELETE that removes it.
async fn origin(content_type: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let gone = Arc::new(AtomicBool::new(false));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let gone = Arc::clone(&gone);
            tokio::spawn(async move {
                loop {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(stream.read_u8().await?);
                    }
                    if head.starts_with(b"DELETE") {
                        gone.store(true, Ordering::Release);
                        return std::io::Result::Ok(());
                    }
                    let answer = match gone.load(Ordering::Acquire) {
                        true => "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned(),
                        false => {
                            format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: 2\r\n\r\nxx")
                        }
                    };
                    stream.write_all(answer.as_bytes()).await?;
                }
            });
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_shown_it_is_told_that_it_is_gone() {
    for (content_type, reads, virtual_tags, outcome) in [
        ("image/png", true, "off", "adopted"),
        ("text/plain", true, "off", "adopted"),
        ("image/png", true, "bytes", "adopted"),
        // An origin may hide what one may not read.
        ("image/png", false, "off", "in-doubt"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "upstream = \"{}\"\nledger = \"memory\"\n[defaults]\nlate_after = \"0s\"\nvirtual_tags = \"{virtual_tags}\"\n",
            origin(content_type).await
        );
        std::fs::write(folder.path().join("t.toml"), config).unwrap();
        let gateway = Gateway::start_in(folder, &["--config", "t.toml"]);
        let mut client = Client::new(&gateway.authority);
        if reads {
            assert_eq!(client.get("/pic").await.status, 200);
        }
        let got = client.send(Method::DELETE, "/pic", &[], "").await;
        assert_eq!(got.outcome(), outcome, "{content_type} {virtual_tags}: {got:?}");
        // What is gone was not shown to anybody: the next one is on its own.
        let again = client.send(Method::DELETE, "/pic", &[("x-other", "1")], "").await;
        assert_eq!(again.outcome(), "in-doubt", "{again:?}");
    }
}
