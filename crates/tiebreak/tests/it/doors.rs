//! Where the gateway listens, and how it stops.

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};

use crate::gateway::Gateway;
use crate::wire::{Recorder, exchange};

const GET: &[u8] = b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn it_listens_at_several_places_and_replaces_a_socket_that_nobody_serves() {
    let origin = Recorder::start().await;
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    // What an earlier process left.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let unix = format!("unix:{}", socket.display());
    let args = [
        "--upstream",
        &origin.url,
        "--ledger",
        "memory",
        "--listen",
        &unix,
        "--listen",
        "[::1]:0",
    ];
    let gateway = Gateway::start(&args);
    assert!(gateway.authority.starts_with("[::1]:"), "{}", gateway.authority);
    assert!(exchange(&gateway.authority, &[GET]).await.starts_with("HTTP/1.1 204"));
    let meta = std::fs::metadata(&socket).unwrap();
    assert!(meta.file_type().is_socket());
    assert_eq!(meta.permissions().mode() & 0o777, 0o660);
    let mut stream = UnixStream::connect(&socket).await.unwrap();
    stream.write_all(GET).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    assert!(
        origin
            .seen()
            .to_ascii_lowercase()
            .contains("forwarded: for=unknown;host=\"a\";proto=http"),
        "{}",
        origin.seen()
    );
    // A second one may not take the socket away, nor overwrite a file.
    let plain = folder.path().join("plain");
    std::fs::write(&plain, "precious").unwrap();
    for (address, words) in [
        (unix, "another process listens there"),
        (format!("unix:{}", plain.display()), "no socket"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_tiebreak"))
            .args([
                "serve", "--ledger", "memory", "--data", "memory", "--admin", "off", "--listen", &address,
            ])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains(words), "{told}");
    }
    assert_eq!(std::fs::read_to_string(&plain).unwrap(), "precious");
    assert!(gateway.stop().success());
    assert!(!socket.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_closes_idle_connections_answers_what_has_begun_and_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let gateway = Gateway::start(&["--upstream", &url, "--ledger", "memory"]);
    let mut idle = TcpStream::connect(&gateway.authority).await.unwrap();
    let mut reader = TcpStream::connect(&gateway.authority).await.unwrap();
    let mut writer = TcpStream::connect(&gateway.authority).await.unwrap();
    reader.write_all(b"GET /r HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let (mut read, _) = listener.accept().await.unwrap();
    let _ = read.read(&mut [0; 4096]).await.unwrap();
    writer
        .write_all(b"POST /w HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}")
        .await
        .unwrap();
    let (mut write, _) = listener.accept().await.unwrap();
    let _ = write.read(&mut [0; 4096]).await.unwrap();
    let authority = gateway.authority.clone();
    let stopping = tokio::task::spawn_blocking(move || gateway.stop());
    // The idle one is closed while the others wait.
    let closed = tokio::time::timeout(Duration::from_secs(30), idle.read(&mut [0; 16]))
        .await
        .unwrap();
    assert_eq!(closed.unwrap(), 0);
    // The listener closes at about the same time, on another thread.
    let refused = async {
        while TcpStream::connect(&authority).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), refused)
        .await
        .expect("it still takes connections in");
    read.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nrd")
        .await
        .unwrap();
    write
        .write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nwr")
        .await
        .unwrap();
    let (mut one, mut two) = (String::new(), String::new());
    reader.read_to_string(&mut one).await.unwrap();
    writer.read_to_string(&mut two).await.unwrap();
    assert!(one.starts_with("HTTP/1.1 200") && one.ends_with("rd"), "{one}");
    assert!(
        two.starts_with("HTTP/1.1 201") && two.contains("tiebreak: applied"),
        "{two}"
    );
    assert!(stopping.await.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_has_a_bound() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let gateway = Gateway::start(&["--upstream", &url, "--ledger", "memory", "--drain-timeout", "300ms"]);
    let mut writer = TcpStream::connect(&gateway.authority).await.unwrap();
    writer
        .write_all(b"POST /w HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}")
        .await
        .unwrap();
    let (mut never_answered, _) = listener.accept().await.unwrap();
    let _ = never_answered.read(&mut [0; 4096]).await.unwrap();
    let ended = tokio::task::spawn_blocking(move || gateway.stop());
    let ended = tokio::time::timeout(Duration::from_secs(20), ended)
        .await
        .expect("it did not stop");
    assert!(ended.unwrap().success());
}
