//! The flags for how clients connect, and the bounds on them.

use clap::Args;

use crate::config::{Node, Value};

/// How clients connect, and how much they may.
#[derive(Debug, Args)]
#[command(next_help_heading = "Clients")]
pub(crate) struct ClientArgs {
    /// Where to listen: HOST:PORT, [IPV6]:PORT or unix:FILE; may be given more than once [default: 127.0.0.1:4090]
    #[arg(long, value_name = "ADDRESS")]
    listen: Vec<String>,
    /// Speak TLS on TCP, with the certificate chain in this PEM file; it is read anew when it changes
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<String>,
    /// The private key of the certificate, a PEM file
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<String>,
    /// Ask clients for a certificate that comes from an authority in this PEM file; it is read anew when it changes
    #[arg(long, value_name = "FILE")]
    tls_client_ca: Option<String>,
    /// Whether clients have to show one [default: required]
    #[arg(long, value_name = "WHICH", value_parser = ["required", "optional"])]
    tls_client_auth: Option<String>,
    /// What the API is told of clients: Forwarded (RFC 7239), X-Forwarded-*, both or none [default: forwarded]
    #[arg(long, value_name = "WHICH", value_parser = ["forwarded", "x", "both", "none"])]
    forwarded: Option<String>,
    /// At most so many client connections; more are answered with 503 [default: 10000]
    #[arg(long, value_name = "N")]
    max_connections: Option<u32>,
    /// At most so many connections from one client address [default: 5000]
    #[arg(long, value_name = "N")]
    max_connections_per_address: Option<u32>,
    /// At most so many writes of one caller at a time; more are answered with 429 [default: 4096]
    #[arg(long, value_name = "N")]
    max_writes_per_caller: Option<u32>,
    /// At most so many KiB in the head of a request [default: 64]
    #[arg(long, value_name = "KIB")]
    max_head: Option<u32>,
    /// How long the head of a request may take [default: 10s]
    #[arg(long, value_name = "DURATION")]
    head_timeout: Option<String>,
    /// How long a client may send no content, or take nothing of its answer [default: 30s]
    #[arg(long, value_name = "DURATION")]
    stall_timeout: Option<String>,
    /// How many bytes of content a client has to send in each second, after the first ten seconds [default: 1024]
    #[arg(long, value_name = "BYTES")]
    min_rate: Option<u32>,
    /// How long a connection may be idle [default: 60s]
    #[arg(long, value_name = "DURATION")]
    idle_timeout: Option<String>,
    /// How long stopping waits for what is on its way [default: 90s]
    #[arg(long, value_name = "DURATION")]
    drain_timeout: Option<String>,
}

impl ClientArgs {
    /// Each option, its setting, and its value if it was given. Bare numbers are seconds, as in a file.
    pub(super) fn given(&self) -> Vec<(&'static str, &'static str, Option<Value>)> {
        let count = |n: Option<u32>| n.map(|n| Value::Integer(n.to_string()));
        let text = |t: &String| Node::given(Value::Text(t.clone()));
        let listen = (!self.listen.is_empty()).then(|| Value::List(self.listen.iter().map(text).collect()));
        let number = super::args::number;
        vec![
            ("--listen", "listen", listen),
            ("--tls-cert", "tls_cert", self.tls_cert.clone().map(Value::Text)),
            ("--tls-key", "tls_key", self.tls_key.clone().map(Value::Text)),
            (
                "--tls-client-ca",
                "tls_client_ca",
                self.tls_client_ca.clone().map(Value::Text),
            ),
            (
                "--tls-client-auth",
                "tls_client_auth",
                self.tls_client_auth.clone().map(Value::Text),
            ),
            ("--forwarded", "forwarded", self.forwarded.clone().map(Value::Text)),
            ("--max-connections", "max_connections", count(self.max_connections)),
            (
                "--max-connections-per-address",
                "max_connections_per_address",
                count(self.max_connections_per_address),
            ),
            (
                "--max-writes-per-caller",
                "max_writes_per_caller",
                count(self.max_writes_per_caller),
            ),
            (
                "--max-head",
                "max_head",
                self.max_head.map(|n| Value::Text(format!("{n}KiB"))),
            ),
            ("--head-timeout", "head_timeout", number(&self.head_timeout)),
            ("--stall-timeout", "stall_timeout", number(&self.stall_timeout)),
            ("--min-rate", "min_rate", count(self.min_rate)),
            ("--idle-timeout", "idle_timeout", number(&self.idle_timeout)),
            ("--drain-timeout", "drain_timeout", number(&self.drain_timeout)),
        ]
    }
}
