//! A directory of its own for each job, and the binary in it.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use serde_json::Value;
use tiebreak_origin::{Origin, OriginOptions};

/// A child that is being started has copies of all open files for a moment, locks among them: nothing is started while
/// a test of this process holds the lock of an origin.
static STARTING: Mutex<()> = Mutex::new(());

/// Starts a process.
pub(crate) fn spawn(command: &mut Command) -> Child {
    let _alone = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    command.spawn().unwrap()
}

/// A directory with the files of a job.
pub(crate) struct Job {
    dir: tempfile::TempDir,
}

/// What a run came to.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Job {
    /// An empty directory.
    pub(crate) fn new() -> Job {
        Job {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// With `in.ndjson`, one line per value.
    pub(crate) fn of(lines: &[Value]) -> Job {
        let job = Job::new();
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        job.write("in.ndjson", &text);
        job
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// A command in the directory: `tiebreak submit` with these arguments.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tiebreak"));
        command
            .arg("submit")
            .args(args)
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        ran(&self.start(args).wait_with_output().unwrap())
    }

    pub(crate) fn start(&self, args: &[&str]) -> Child {
        spawn(self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()))
    }

    /// `results.ndjson`.
    pub(crate) fn results(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path("results.ndjson")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// How the lines came out, in the order of the input.
    pub(crate) fn outcomes(&self) -> Vec<String> {
        self.results()
            .iter()
            .map(|r| r["outcome"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The documents at these paths of the embedded origin of `in.ndjson`.
    pub(crate) fn documents(&self, paths: &[String]) -> Vec<Option<Value>> {
        read(&self.path("in.ndjson.origin"), paths)
    }
}

/// A run, and what it has said on standard error so far.
pub(crate) struct Running {
    child: Child,
    saying: BufReader<ChildStderr>,
    said: String,
}

impl Running {
    pub(crate) fn of(mut child: Child) -> Running {
        let saying = BufReader::new(child.stderr.take().unwrap());
        let said = String::new();
        Running { child, saying, said }
    }

    /// Sends it SIGINT, as Ctrl-C does.
    pub(crate) fn interrupt(&self) {
        let id = self.child.id().to_string();
        let sent = spawn(Command::new("kill").args(["-INT", &id])).wait().unwrap();
        assert!(sent.success());
    }

    /// Waits for a line that begins with these words.
    pub(crate) fn says(&mut self, words: &str) {
        loop {
            let mut line = String::new();
            let more = self.saying.read_line(&mut line).unwrap() > 0;
            self.said.push_str(&line);
            assert!(more, "it ended without saying {words:?}: {}", self.said);
            if line.starts_with(words) {
                return;
            }
        }
    }

    /// How it ends.
    pub(crate) fn ended(mut self) -> Ran {
        self.saying.read_to_string(&mut self.said).unwrap();
        let ended = ran(&self.child.wait_with_output().unwrap());
        Ran {
            err: self.said,
            ..ended
        }
    }
}

pub(crate) fn ran(output: &Output) -> Ran {
    Ran {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The documents at these paths of the origin whose data is at `data`.
pub(crate) fn read(data: &Path, paths: &[String]) -> Vec<Option<Value>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let _alone = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    runtime.block_on(async {
        let origin = Origin::open(data.to_owned(), OriginOptions::default()).unwrap();
        let mut documents = Vec::new();
        for path in paths {
            let request = http::Request::get(path).body(Bytes::new()).unwrap();
            let answer = origin.handle(request).await;
            let found = answer.status() == 200;
            documents.push(found.then(|| serde_json::from_slice(answer.body()).unwrap()));
        }
        documents
    })
}
