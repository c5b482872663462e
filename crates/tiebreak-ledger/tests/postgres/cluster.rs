//! A PostgreSQL cluster of its own for a test: made in a temporary folder, on a private port, ended with it.

#![allow(dead_code, reason = "each crate of tests uses its part")]

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A running cluster.
pub struct Cluster {
    dir: TempDir,
    binaries: PathBuf,
    user: Option<(u32, u32)>,
    server: Option<Child>,
    settings: Vec<String>,
    port: u16,
}

impl Cluster {
    /// Makes and starts one that may forget when the machine does: for all tests but those of durability.
    pub fn start() -> Cluster {
        Cluster::with(&["fsync=off", "full_page_writes=off"])
    }

    /// Makes and starts one with these settings (`name=value`).
    pub fn with(settings: &[&str]) -> Cluster {
        let mut cluster = Cluster::in_new_folder(settings.iter().map(|s| (*s).to_owned()).collect());
        let data = cluster.data();
        let made = cluster.run(
            "initdb",
            &[
                "-D",
                &data,
                "-U",
                "tiebreak",
                "-A",
                "trust",
                "-N",
                "-E",
                "UTF8",
                "--locale=C",
            ],
        );
        assert!(
            made.status.success(),
            "initdb failed: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        cluster.up();
        cluster
    }

    /// Makes and starts a standby that follows this one.
    pub fn standby(&self) -> Cluster {
        let mut standby = Cluster::in_new_folder(self.settings.clone());
        let (port, data) = (self.port.to_string(), standby.data());
        let from = ["-h", "127.0.0.1", "-p", &port, "-U", "tiebreak"];
        // -R: it is told whom to follow; the checkpoint does not wait.
        let how = ["-D", &data, "-R", "-X", "stream", "-c", "fast"];
        let copied = standby.run("pg_basebackup", &[&from[..], &how].concat());
        let said = String::from_utf8_lossy(&copied.stderr);
        assert!(copied.status.success(), "pg_basebackup failed: {said}");
        standby.up();
        standby
    }

    /// Makes the standby the one that takes writes; returns when it does.
    pub fn promote(&self) {
        let promoted = self.run("pg_ctl", &["promote", "-w", "-D", &self.data()]);
        let said = String::from_utf8_lossy(&promoted.stdout);
        assert!(promoted.status.success(), "the standby was not promoted: {said}");
    }

    fn in_new_folder(settings: Vec<String>) -> Cluster {
        let dir = tempfile::tempdir().unwrap();
        let user = unprivileged();
        if let Some((user, group)) = user {
            std::os::unix::fs::chown(dir.path(), Some(user), Some(group)).unwrap();
        }
        Cluster {
            binaries: binaries(),
            user,
            server: None,
            settings,
            port: free_port(),
            dir,
        }
    }

    /// Has these settings (`name=value`) from the next start on.
    pub fn set(&mut self, settings: &[&str]) {
        self.settings.extend(settings.iter().map(|s| (*s).to_owned()));
    }

    /// Writes a file that only the server's user may read; a name without a folder: beside the data. Returns its path.
    pub fn write(&self, name: &str, content: &str) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        if let Some((user, group)) = self.user {
            std::os::unix::fs::chown(&path, Some(user), Some(group)).unwrap();
        }
        path.display().to_string()
    }

    fn data(&self) -> String {
        self.dir.path().join("data").display().to_string()
    }

    /// A command of PostgreSQL, as the user of the cluster.
    pub fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.binaries.join(name));
        command
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .env_remove("PGPASSFILE");
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }

    /// Runs a command of PostgreSQL to its end.
    pub fn run(&self, name: &str, args: &[&str]) -> Output {
        self.command(name).args(args).output().unwrap()
    }

    /// Starts the server and waits until it answers.
    pub fn up(&mut self) {
        let log = std::fs::File::options()
            .append(true)
            .create(true)
            .open(self.dir.path().join("log"))
            .unwrap();
        let port = self.port.to_string();
        let mut command = self.command("postgres");
        command.args(["-D", &self.data(), "-p", &port, "-c", "listen_addresses=127.0.0.1"]);
        command.args([
            "-c",
            "unix_socket_directories=",
            "-c",
            "max_connections=60",
            "-c",
            "autovacuum=off",
        ]);
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        command.stdout(Stdio::null()).stderr(log);
        self.server = Some(command.spawn().unwrap());
        let give_up = Instant::now() + Duration::from_secs(20);
        while !self
            .run("pg_isready", &["-q", "-h", "127.0.0.1", "-p", &port])
            .status
            .success()
        {
            assert!(Instant::now() < give_up, "the server did not start: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends the server: `fast` (SIGINT) as an operator does, else (SIGQUIT) as if it crashed.
    pub fn down(&mut self, fast: bool) {
        let Some(mut server) = self.server.take() else { return };
        let signal = if fast { "-INT" } else { "-QUIT" };
        let sent = Command::new("kill").args([signal, &server.id().to_string()]).status();
        assert!(sent.unwrap().success());
        server.wait().unwrap();
    }

    /// Kills all its processes, as a machine that loses its power does.
    pub fn kill(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        let own = server.id().to_string();
        let listed = Command::new("ps")
            .args(["-o", "pid=", "--ppid", &own])
            .output()
            .unwrap();
        server.kill().unwrap();
        for pid in String::from_utf8(listed.stdout).unwrap().split_whitespace() {
            // One that ended with its parent is gone already.
            let _gone = Command::new("kill").args(["-9", pid]).stderr(Stdio::null()).status();
        }
        server.wait().unwrap();
    }

    /// Runs statements with psql; returns what it prints, unaligned.
    pub fn sql(&self, statements: &str) -> String {
        let port = self.port.to_string();
        let args = [
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-U",
            "tiebreak",
            "-d",
            "postgres",
            "-X",
            "-q",
            "-A",
            "-t",
        ];
        let done = self
            .command("psql")
            .args(args)
            .args(["-v", "ON_ERROR_STOP=1", "-c", statements])
            .output()
            .unwrap();
        assert!(
            done.status.success(),
            "{statements}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }

    /// Host and port.
    pub fn authority(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

/// The address of a ledger behind `authority`, in a schema of its own.
pub fn address(authority: &str, schema: &str) -> String {
    format!("postgres://tiebreak@{authority}/postgres?schema={schema}")
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.down(false);
    }
}

/// The newest installed server's programs.
fn binaries() -> PathBuf {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version = path.file_name()?.to_str()?.parse().ok()?;
            path.join("bin/initdb").exists().then(|| (version, path.join("bin")))
        })
        .collect();
    found.sort();
    found.pop().expect("PostgreSQL is not installed: run scripts/prepare").1
}

/// PostgreSQL refuses to run as root: then it runs as its own user.
fn unprivileged() -> Option<(u32, u32)> {
    let id = |args: &[&str]| -> u32 {
        let output = Command::new("id").args(args).output().unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        told.trim()
            .parse()
            .expect("the user `postgres` is missing: run scripts/prepare")
    };
    (id(&["-u"]) == 0).then(|| (id(&["-u", "postgres"]), id(&["-g", "postgres"])))
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
