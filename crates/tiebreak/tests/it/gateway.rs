//! Starts the real binary.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// A running `tiebreak serve`.
pub struct Gateway {
    process: Child,
    /// Host and port that it listens on.
    pub authority: String,
    /// Host and port of its admin listener, where it has one.
    pub admin: Option<String>,
    /// Its folder, kept over restarts.
    pub folder: Option<TempDir>,
    /// What it says on standard error after its start.
    said: UnboundedReceiver<String>,
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
        let (says, said) = unbounded_channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                eprintln!("gateway: {line}");
                let _ = says.send(line);
            }
        });
        Gateway {
            process,
            authority,
            admin,
            folder: Some(folder),
            said,
        }
    }

    /// Waits until it says `part` on standard error; gives back the line.
    pub async fn says(&mut self, part: &str) -> String {
        let heard = async {
            while let Some(line) = self.said.recv().await {
                if line.contains(part) {
                    return Some(line);
                }
            }
            None
        };
        let heard = tokio::time::timeout(Duration::from_secs(20), heard).await;
        let line = heard.ok().flatten();
        line.unwrap_or_else(|| panic!("the gateway never said {part:?}"))
    }

    /// Sends it a signal, by name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.process.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Asks it to stop as `kill` does, and waits until it has.
    pub fn stop(mut self) -> std::process::ExitStatus {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
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
