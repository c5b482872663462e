//! Starts the real binary.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::http::Client;

/// A running `tiebreak serve`.
pub struct Gateway {
    process: Child,
    /// Host and port that it listens on.
    pub authority: String,
    /// Host and port of its admin listener, where it has one.
    pub admin: Option<String>,
    /// Its folder, kept over restarts.
    pub folder: Option<TempDir>,
    /// What it said on standard error before it listened.
    pub began: Vec<String>,
    /// What it says on standard error once it listens.
    says: mpsc::UnboundedReceiver<String>,
}

impl Gateway {
    /// Starts it in a new folder.
    pub fn start(args: &[&str]) -> Gateway {
        Gateway::start_in(tempfile::tempdir().unwrap(), args)
    }

    /// Starts it in `folder`, where an earlier one may have left its ledger.
    pub fn start_in(folder: TempDir, args: &[&str]) -> Gateway {
        Gateway::start_with(folder, args, &[])
    }

    /// The same with variables of the environment.
    pub fn start_with(folder: TempDir, args: &[&str], env: &[(&str, &str)]) -> Gateway {
        let mut process = Command::new(env!("CARGO_BIN_EXE_tiebreak"))
            .arg("serve")
            .args(if args.contains(&"--listen") {
                &[][..]
            } else {
                &["--listen", "127.0.0.1:0"]
            })
            .args(if args.contains(&"--admin") {
                &[][..]
            } else {
                &["--admin", "off"]
            })
            .args(args)
            .envs(env.iter().copied())
            .current_dir(folder.path())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        let mut admin = None;
        let authority = loop {
            let line = lines
                .next()
                .unwrap_or_else(|| panic!("the gateway ended: {said:?}"))
                .unwrap();
            if let Some(rest) = line
                .split("listening on http")
                .nth(1)
                .and_then(|rest| rest.split("://").nth(1))
            {
                break rest.split(',').next().unwrap().to_owned();
            }
            if let Some(rest) = line.split("console on http://").nth(1) {
                admin = Some(rest.trim_end_matches('/').to_owned());
            }
            said.push(line);
        };
        // What it says later must not fill the pipe.
        let (say, says) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| {
                eprintln!("gateway: {line}");
                let _ = say.send(line);
            });
        });
        Gateway {
            process,
            authority,
            admin,
            folder: Some(folder),
            began: said,
            says,
        }
    }

    /// Waits until it says something with `what` in it on standard error; gives back that line.
    pub async fn hear(&mut self, what: &str) -> String {
        let heard = async {
            loop {
                let line = self
                    .says
                    .recv()
                    .await
                    .unwrap_or_else(|| panic!("it ended without {what:?}"));
                if line.contains(what) {
                    break line;
                }
            }
        };
        let limit = Duration::from_secs(30);
        tokio::time::timeout(limit, heard)
            .await
            .unwrap_or_else(|_| panic!("it did not say {what:?}"))
    }

    /// Waits until one of the gauges of its admin listener has this value.
    pub async fn reaches(&self, gauge: &str, value: u64) {
        let admin = self.admin.as_deref().expect("it was started without an admin listener");
        let wanted = format!("{gauge} {value}");
        let reached = async {
            let mut client = Client::new(admin);
            loop {
                let metrics = client.get("/metrics").await;
                let text = String::from_utf8_lossy(&metrics.content).into_owned();
                if text.lines().any(|line| line == wanted) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), reached)
            .await
            .unwrap_or_else(|_| panic!("{gauge} did not become {value}"));
    }

    /// Sends it a signal, such as `HUP`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.process.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Stops it in peace; gives back its folder, and what else it said.
    pub async fn finish(mut self) -> (TempDir, Vec<String>) {
        self.signal("TERM");
        let mut said = Vec::new();
        while let Some(line) = self.says.recv().await {
            said.push(line);
        }
        assert!(self.process.wait().unwrap().success(), "{said:?}");
        (self.folder.take().unwrap(), said)
    }

    /// Asks it to stop as `kill` does, and waits until it has.
    pub fn stop(mut self) -> std::process::ExitStatus {
        self.signal("TERM");
        self.process.wait().unwrap()
    }

    /// Kills it as `kill -9` does; gives back its folder.
    pub fn kill(mut self) -> TempDir {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.folder.take().unwrap()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
