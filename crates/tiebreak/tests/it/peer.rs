//! Starts real third-party servers with the scripts of this project.

use std::process::{Command, Stdio};

/// A running server; ended when dropped.
pub struct Peer {
    process: u32,
    pub authority: String,
}

impl Peer {
    /// Starts `scripts/peers/NAME.sh`, which installs the server if it is missing.
    pub fn start(name: &str) -> Peer {
        let port = free_port();
        let script = script(name);
        let output = Command::new("bash")
            .args([&script, &port.to_string()])
            .env("PEERS_OWNER", std::process::id().to_string())
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{name} did not start; run scripts/prepare {name}"
        );
        let process = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
        Peer {
            process,
            authority: format!("127.0.0.1:{port}"),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.process.to_string()).status();
    }
}

/// Where the script of a server or a client is.
pub fn script(name: &str) -> String {
    format!("{}/../../scripts/peers/{name}.sh", env!("CARGO_MANIFEST_DIR"))
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
