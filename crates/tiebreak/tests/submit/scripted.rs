//! A target that behaves as a test wants it to.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A request as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// What the target does with a request.
pub(crate) enum Does {
    /// Answers with this status and content.
    Answers(u16, String),
    /// The same, after a while.
    Late(Duration, u16, String),
    /// Sends these bytes and closes.
    Raw(&'static [u8]),
    /// Closes without an answer.
    Closes,
}

/// A server on a port of its own, until it is dropped.
pub(crate) struct Target {
    pub(crate) url: String,
    port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
    over: Arc<AtomicBool>,
}

impl Target {
    /// Starts one; `script` is called for every request.
    pub(crate) fn start(script: impl Fn(&Seen) -> Does + Send + Sync + 'static) -> Target {
        Target::on(TcpListener::bind("127.0.0.1:0").unwrap(), script)
    }

    /// Another one on the port of one that was stopped.
    pub(crate) fn again(&self, script: impl Fn(&Seen) -> Does + Send + Sync + 'static) -> Target {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            match TcpListener::bind(("127.0.0.1", self.port)) {
                Ok(listener) => return Target::on(listener, script),
                Err(error) => assert!(Instant::now() < end, "{error}"),
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn on(listener: TcpListener, script: impl Fn(&Seen) -> Does + Send + Sync + 'static) -> Target {
        let port = listener.local_addr().unwrap().port();
        let (seen, over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (log, end, script) = (Arc::clone(&seen), Arc::clone(&over), Arc::new(script));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (log, script, end) = (Arc::clone(&log), Arc::clone(&script), Arc::clone(&end));
                std::thread::spawn(move || {
                    let _closed = serve(&stream, &log, &end, script.as_ref());
                });
            }
        });
        Target {
            url: format!("http://127.0.0.1:{port}"),
            port,
            seen,
            over,
        }
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// How many writes came in.
    pub(crate) fn writes(&self) -> usize {
        self.seen().iter().filter(|s| s.method != "GET").count()
    }

    /// Closes the port.
    pub(crate) fn stop(&self) {
        self.over.store(true, Ordering::SeqCst);
        let _woken = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.stop();
    }
}

fn serve(
    stream: &TcpStream,
    log: &Mutex<Vec<Seen>>,
    over: &AtomicBool,
    script: &dyn Fn(&Seen) -> Does,
) -> std::io::Result<()> {
    let mut input = BufReader::new(stream);
    let mut output = stream;
    while let Some(seen) = request(&mut input)? {
        log.lock().unwrap().push(seen.clone());
        let (status, content) = match script(&seen) {
            Does::Answers(status, content) => (status, content),
            Does::Late(wait, status, content) => {
                std::thread::sleep(wait);
                (status, content)
            }
            Does::Raw(bytes) => {
                output.write_all(bytes)?;
                break;
            }
            Does::Closes => break,
        };
        let length = content.len();
        let head = format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
        output.write_all(format!("{head}{content}").as_bytes())?;
        if over.load(Ordering::SeqCst) {
            break;
        }
    }
    stream.shutdown(std::net::Shutdown::Both)
}

fn request(input: &mut impl BufRead) -> std::io::Result<Option<Seen>> {
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    let length = head
        .lines()
        .find_map(|l| {
            l.to_ascii_lowercase()
                .strip_prefix("content-length:")
                .map(|n| n.trim().to_owned())
        })
        .map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    input.read_exact(&mut body)?;
    let mut words = head.split_whitespace();
    let (method, path) = (
        words.next().unwrap_or_default().to_owned(),
        words.next().unwrap_or_default().to_owned(),
    );
    Ok(Some(Seen {
        method,
        path,
        head,
        body: String::from_utf8_lossy(&body).into_owned(),
    }))
}
