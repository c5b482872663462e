//! Other people's client libraries, unmodified, through the gateway to real servers. What each does is in `clients/`, in
//! its own language; docs/clients.md tells what held.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;

use crate::gateway::Gateway;
use crate::peer::{self, Peer};
use crate::relay::Relay;

/// Runs `clients/FILE` with the client that `with` brings: `FILE SERVER GATEWAY`. Between gateway and server is a relay; a
/// line `lose` on the script's standard output makes it lose the next answer.
async fn run(server: &str, with: &str, file: &str) {
    let peer = Peer::start(server);
    let relay = Relay::start(peer.authority.clone()).await;
    let upstream = format!("http://{}", relay.authority);
    let gateway = Gateway::start(&["--upstream", &upstream, "--ledger", "memory", "--late-after", "1"]);
    let mut client = Command::new("bash")
        .arg(peer::script(with))
        .arg(format!("{}/tests/it/clients/{file}", env!("CARGO_MANIFEST_DIR")))
        .args([&peer.authority, &gateway.authority])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = client.stdin.take().unwrap();
    let mut last = String::new();
    // Read here, not in a task: the relay runs on the runtime's own threads meanwhile.
    for line in BufReader::new(client.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        eprintln!("{file}: {line}");
        if line == "lose" {
            relay.lose_after.store(0, Ordering::Release);
            input.write_all(b"armed\n").unwrap();
        }
        last = line;
    }
    let ended = client.wait().unwrap();
    assert!(ended.success() && last == "all held", "{file} ended with {ended}");
}

/// The lines of litmus that say how each of its tests ended.
fn litmus(authority: &str) -> Vec<String> {
    let ran = Command::new("bash")
        .args([&peer::script("litmus"), &format!("http://{authority}/dav/")])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    // On a terminal a line is written over; only its end counts.
    said.lines()
        .map(|l| l.rsplit('\r').next().unwrap().to_owned())
        .collect()
}

#[test]
fn litmus_ends_the_same_with_and_without_the_gateway() {
    let apache = Peer::start("apache-dav");
    let upstream = format!("http://{}", apache.authority);
    let gateway = Gateway::start(&["--upstream", &upstream, "--ledger", "memory"]);
    let directly = litmus(&apache.authority);
    let through = litmus(&gateway.authority);
    assert!(
        directly.iter().filter(|l| l.contains(" pass")).count() > 100,
        "{directly:#?}"
    );
    assert_eq!(through, directly);
}

#[tokio::test(flavor = "multi_thread")]
async fn azure_blob_with_microsofts_library() {
    run("azurite", "python-clients", "azure_blob.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_with_boto3() {
    run("moto", "python-clients", "s3.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kinto_with_kinto_http() {
    run("kinto", "python-clients", "kinto_records.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn couchdb_with_pouchdb() {
    run("pouchdb-server", "pouchdb", "couchdb.js").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kinto_with_curl() {
    run("kinto", "python-clients", "curl_records.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webdav_with_curl() {
    run("apache-dav", "python-clients", "webdav.py").await;
}
