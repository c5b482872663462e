//! Answers of origins that begin well, or are none.

use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::gateway::Gateway;
use crate::http::Client;

/// An origin whose every answer is `answer`, after which it says nothing more and keeps the connection open.
async fn gateway(answer: &'static str) -> Gateway {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await?);
                }
                stream.write_all(answer.as_bytes()).await?;
                // Until the gateway closes.
                stream.read_to_end(&mut head).await
            });
        }
    });
    let args = [
        "--upstream",
        &url,
        "--ledger",
        "memory",
        "--timeout",
        "1s",
        "--late-after",
        "0s",
    ];
    Gateway::start(&args)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_says_what_became_of_a_write_though_its_content_never_comes() {
    for (status, outcome) in [
        ("201 Created", "applied"),
        ("422 No", "refused"),
        ("500 Oh", "in-doubt"),
    ] {
        let answer: &str = format!("HTTP/1.1 {status}\r\nContent-Length: 100\r\n\r\nabc").leak();
        let gateway = gateway(answer).await;
        let got = Client::new(&gateway.authority).send(Method::POST, "/x", &[], "").await;
        assert_eq!(got.outcome(), outcome, "{got:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_switched_to_another_protocol() {
    let gateway = gateway("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n").await;
    for (method, status, outcome) in [(Method::GET, 502, ""), (Method::POST, 504, "in-doubt")] {
        let got = Client::new(&gateway.authority).send(method, "/x", &[], "").await;
        assert_eq!((got.status.as_u16(), got.outcome()), (status, outcome), "{got:?}");
    }
}
