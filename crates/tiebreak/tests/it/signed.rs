//! Signed requests through the gateway: boto3 signs them, and a small origin checks each signature with what it got.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::gateway::Gateway;
use crate::peer;

fn python(script: &str, args: &[&str]) -> Command {
    let mut command = Command::new("bash");
    command
        .arg(peer::script("python-clients"))
        .arg(format!("{}/tests/it/clients/{script}", env!("CARGO_MANIFEST_DIR")))
        .args(args);
    command
}

/// The origin; it ends when its input does.
struct Origin {
    process: Child,
    authority: String,
}

impl Origin {
    fn start() -> Origin {
        let mut process = python("signed_origin.py", &[])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut port)
            .unwrap();
        let authority = format!("127.0.0.1:{}", port.trim());
        Origin { process, authority }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

fn run(preserve_host: bool) {
    let origin = Origin::start();
    let folder = tempfile::tempdir().unwrap();
    let config = format!(
        "upstream = \"s3\"\nforwarded = \"both\"\n[upstreams.s3]\nurl = \"http://{}\"\npreserve_host = {preserve_host}\n\
         [defaults]\nhonours_keys = true\nvirtual_tags = \"bytes\"\n",
        origin.authority
    );
    std::fs::write(folder.path().join("t.toml"), config).unwrap();
    let gateway = Gateway::start_in(folder, &["--config", "t.toml", "--ledger", "memory"]);
    let mode = if preserve_host { "preserved" } else { "replaced" };
    let ran = python("signed.py", &[&origin.authority, &gateway.authority, mode])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    let failed = String::from_utf8_lossy(&ran.stderr);
    assert!(said.lines().last() == Some("all held"), "{said}\n{failed}");
}

/// Also where the route would attach keys and make tags of its own: not to what is signed.
#[test]
fn with_the_clients_own_host_every_signature_holds() {
    run(true);
}

#[test]
fn with_the_origins_host_none_does() {
    run(false);
}
