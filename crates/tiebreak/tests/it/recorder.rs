//! An origin that records what it receives, byte for byte, and answers what it was told to.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// One request, as it came over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    pub line: String,
    /// Names in lower case, in the order in which they came.
    pub fields: Vec<(String, String)>,
    /// As it came, with the marks of chunks.
    pub content: Vec<u8>,
}

impl Received {
    /// Without the fields that each hop has of its own.
    pub fn end_to_end(mut self) -> Received {
        let own = ["host", "via", "connection"];
        self.fields.retain(|(name, _)| !own.contains(&name.as_str()));
        self
    }
}

/// The running origin.
pub struct Recorder {
    pub authority: String,
    received: Arc<Mutex<Vec<Received>>>,
    /// How many requests to `/slow…` are being held, and whether they may go on.
    held: Arc<watch::Sender<usize>>,
    released: Arc<watch::Sender<bool>>,
}

impl Recorder {
    /// Starts it; `answer` gives the whole response to a method and a path, as bytes.
    pub async fn start(answer: fn(&str, &str) -> String) -> Recorder {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let received = Arc::default();
        let held = Arc::new(watch::channel(0).0);
        let released = Arc::new(watch::channel(false).0);
        let recorder = Recorder {
            authority,
            received: Arc::clone(&received),
            held: Arc::clone(&held),
            released: Arc::clone(&released),
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (received, held, go) = (Arc::clone(&received), Arc::clone(&held), released.subscribe());
                tokio::spawn(serve(stream, answer, received, held, go));
            }
        });
        recorder
    }

    /// What came since the last call.
    pub fn take(&self) -> Vec<Received> {
        std::mem::take(&mut self.received.lock().unwrap())
    }

    /// Waits until so many requests to `/slow…` are held.
    pub async fn holds(&self, count: usize) {
        self.held.subscribe().wait_for(|held| *held >= count).await.unwrap();
    }

    /// Lets them go on.
    pub fn release(&self) {
        self.released.send_replace(true);
    }
}

async fn serve(
    mut stream: TcpStream,
    answer: fn(&str, &str) -> String,
    received: Arc<Mutex<Vec<Received>>>,
    held: Arc<watch::Sender<usize>>,
    mut go: watch::Receiver<bool>,
) {
    let mut buffer = Vec::new();
    while let Some(request) = next(&mut stream, &mut buffer).await {
        let mut line = request.line.split(' ');
        let (method, path) = (line.next().unwrap().to_owned(), line.next().unwrap().to_owned());
        received.lock().unwrap().push(request);
        if path.starts_with("/slow") {
            held.send_modify(|held| *held += 1);
            go.wait_for(|go| *go).await.unwrap();
        }
        if stream.write_all(answer(&method, &path).as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Reads one request; `None` at the end.
async fn next(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Received> {
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        more(stream, buffer).await?;
    };
    let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let line = lines.next().unwrap().to_owned();
    let fields: Vec<(String, String)> = lines
        .map(|line| line.split_once(':').unwrap())
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let field = |name: &str| fields.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    let length = match (field("content-length"), field("transfer-encoding")) {
        (Some(length), _) => length.parse().unwrap(),
        (None, Some(_)) => loop {
            if let Some(at) = buffer[end..].windows(5).position(|w| w == b"0\r\n\r\n") {
                break at + 5;
            }
            more(stream, buffer).await?;
        },
        (None, None) => 0,
    };
    while buffer.len() < end + length {
        more(stream, buffer).await?;
    }
    let rest = buffer.split_off(end + length);
    let content = buffer.split_off(end);
    *buffer = rest;
    Some(Received { line, fields, content })
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let mut chunk = [0; 4096];
    match stream.read(&mut chunk).await {
        Ok(0) | Err(_) => None,
        Ok(n) => {
            buffer.extend_from_slice(&chunk[..n]);
            Some(())
        }
    }
}
