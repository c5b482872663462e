//! `Expect: 100-continue` towards origins, over raw sockets: when the content goes out, and what an answer before it proves.

use std::time::{Duration, Instant};

use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::gateway::Gateway;
use crate::http::{Client, Got};

const CONTENT: usize = 4096;

/// How the origin meets a head.
#[derive(Clone, Copy)]
enum Manner {
    /// Answers at once, with this status.
    Answers(u16),
    /// Answers the first head at once, with this status, and asks for the content after the others.
    AnswersOnce(u16),
    /// Asks for the content, and performs the write.
    Asks,
    /// Waits for the content without a word, and performs the write.
    Waits,
    /// Answers 417 to an expectation, and performs a write without one.
    Unbearing,
}

/// What a connection carried: the head, and how many bytes after it, until it was closed or answered 204.
type Carried = (String, usize);

async fn start(manner: Manner) -> (String, UnboundedReceiver<Carried>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (tell, carried) = unbounded_channel();
    tokio::spawn(async move {
        let mut nth = 0;
        while let Ok((stream, _)) = listener.accept().await {
            let tell = tell.clone();
            nth += 1;
            tokio::spawn(async move {
                let carried = meet(stream, manner, nth).await;
                let _ = tell.send(carried);
            });
        }
    });
    (url, carried)
}

async fn meet(mut stream: TcpStream, manner: Manner, nth: usize) -> Carried {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let byte = stream.read_u8().await.unwrap();
        head.push(char::from(byte));
    }
    head.make_ascii_lowercase();
    let expects = head.contains("\r\nexpect: 100-continue\r\n");
    let first = match manner {
        Manner::AnswersOnce(_) if nth > 1 => "HTTP/1.1 100 Continue\r\n\r\n".to_owned(),
        Manner::Answers(status) | Manner::AnswersOnce(status) => {
            format!("HTTP/1.1 {status} No\r\nContent-Length: 2\r\n\r\nno")
        }
        Manner::Unbearing if expects => "HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n".to_owned(),
        Manner::Asks => "HTTP/1.1 100 Continue\r\n\r\n".to_owned(),
        Manner::Waits | Manner::Unbearing => String::new(),
    };
    stream.write_all(first.as_bytes()).await.unwrap();
    let mut content = vec![0; CONTENT];
    let mut got = 0;
    while got < CONTENT {
        match stream.read(&mut content[got..]).await {
            Ok(0) | Err(_) => return (head, got),
            Ok(n) => got += n,
        }
    }
    stream
        .write_all(b"HTTP/1.1 204 Done\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    (head, got)
}

const LARGE: &str = "expect_over = \"1KiB\"";

fn gateway(url: &str, defaults: &str) -> Gateway {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("upstream = \"{url}\"\nledger = \"memory\"\n[defaults]\n{defaults}\n");
    std::fs::write(folder.path().join("t.toml"), text).unwrap();
    Gateway::start_in(folder, &["--config", "t.toml"])
}

async fn post(gateway: &Gateway, headers: &[(&str, &str)]) -> Got {
    let mut client = Client::new(&gateway.authority);
    client.send(Method::POST, "/things", headers, vec![b'x'; CONTENT]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_before_the_content_proves_that_the_write_was_refused() {
    for status in [500, 403] {
        let (url, mut carried) = start(Manner::Answers(status)).await;
        let got = post(&gateway(&url, LARGE), &[]).await;
        assert_eq!((got.status.as_u16(), got.outcome()), (status, "refused"), "{got:?}");
        let (head, content) = carried.recv().await.unwrap();
        assert!(head.contains("\r\nexpect: 100-continue\r\n"), "{head}");
        assert!(head.contains(&format!("\r\ncontent-length: {CONTENT}\r\n")), "{head}");
        assert_eq!(
            content, 0,
            "after the answer the connection is closed, and nothing more goes out on it"
        );
        assert!(carried.try_recv().is_err(), "it was sent again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_before_its_content_for_a_passing_reason_is_sent_again() {
    let (url, mut carried) = start(Manner::AnswersOnce(502)).await;
    let got = post(&gateway(&url, LARGE), &[]).await;
    assert_eq!(got.outcome(), "applied", "{got:?}");
    assert!(got.field("tiebreak").contains("attempts=2"), "{got:?}");
    for expected in [0, CONTENT] {
        assert_eq!(carried.recv().await.unwrap().1, expected);
    }
    assert!(carried.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_content_follows_when_it_is_asked_for_and_after_a_second_of_silence() {
    for (manner, asked) in [(Manner::Asks, true), (Manner::Waits, false)] {
        let (url, mut carried) = start(manner).await;
        let gateway = gateway(&url, LARGE);
        let begun = Instant::now();
        let got = post(&gateway, &[]).await;
        assert_eq!(got.outcome(), "applied", "{got:?}");
        // What is not asked for goes out after the silence, and not before.
        assert!(
            asked || begun.elapsed() >= Duration::from_secs(1),
            "{:?}",
            begun.elapsed()
        );
        let (head, content) = carried.recv().await.unwrap();
        assert!(head.contains("\r\nexpect: 100-continue\r\n"), "{head}");
        assert_eq!(content, CONTENT);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_that_bears_no_expectation_gets_the_write_without_one() {
    let (url, mut carried) = start(Manner::Unbearing).await;
    let gateway = gateway(&url, LARGE);
    for expected in [&[(true, 0), (false, CONTENT)][..], &[(false, CONTENT)]] {
        let got = post(&gateway, &[]).await;
        assert_eq!(got.outcome(), "applied", "{got:?}");
        for (expects, bytes) in expected {
            let (head, content) = carried.recv().await.unwrap();
            assert_eq!((head.contains("\r\nexpect:"), content), (*expects, *bytes), "{head}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn small_writes_and_protected_ones_are_sent_at_once() {
    let small = "expect_over = \"4KiB\"";
    let keyed = format!("{LARGE}\nhonours_keys = true");
    let versioned = format!("{LARGE}\netag = \"version\"");
    let given = [("if-match", "\"7\"")];
    for (defaults, headers) in [(small, &[][..]), (&keyed, &[]), (&versioned, &given)] {
        let (url, mut carried) = start(Manner::Waits).await;
        assert_eq!(post(&gateway(&url, defaults), headers).await.outcome(), "applied");
        let (head, content) = carried.recv().await.unwrap();
        assert!(!head.contains("\r\nexpect:"), "{defaults}: {head}");
        assert_eq!(content, CONTENT);
    }
}
