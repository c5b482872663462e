//! Clients of HTTP/1.0, for which an answer of unknown length ends where the connection ends.

use std::io::ErrorKind;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::gateway::Gateway;

const GET: &[u8] = b"GET /x HTTP/1.0\r\nHost: a\r\n\r\n";
/// The beginning of an answer that does not say its length.
const BEGUN: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n";

/// A client that has the beginning of an answer, and the origin's side of it.
async fn begun(args: &[&str]) -> (Gateway, TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let gateway = Gateway::start(&[&["--upstream", &url, "--ledger", "memory"], args].concat());
    let mut client = TcpStream::connect(&gateway.authority).await.unwrap();
    client.write_all(GET).await.unwrap();
    let (mut origin, _) = listener.accept().await.unwrap();
    let _ = origin.read(&mut [0; 4096]).await.unwrap();
    origin.write_all(BEGUN).await.unwrap();
    let mut got = Vec::new();
    while !got.ends_with(b"begun") {
        got.push(client.read_u8().await.unwrap());
    }
    (gateway, client, origin)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_answer_of_unknown_length_ends_with_the_connection() {
    let (_gateway, mut client, mut origin) = begun(&[]).await;
    origin.write_all(b"4\r\nrest\r\n0\r\n\r\n").await.unwrap();
    let mut rest = String::new();
    client.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "rest");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_answer_of_unknown_length_resets_the_connection() {
    let (_gateway, mut client, origin) = begun(&[]).await;
    drop(origin);
    let ended = client.read_to_end(&mut Vec::new()).await;
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_stopping_cuts_resets_the_connection() {
    let (gateway, mut client, _origin) = begun(&["--drain-timeout", "100ms"]).await;
    let stopped = tokio::task::spawn_blocking(move || gateway.stop());
    let ended = client.read_to_end(&mut Vec::new()).await;
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert!(stopped.await.unwrap().success());
}
