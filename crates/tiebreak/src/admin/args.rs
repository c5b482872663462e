//! The options of the admin listener.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;

use super::guard::{Guard, Token};
use super::prover::Prover;
use crate::exit::{Failure, USAGE};

/// Where it listens unless told otherwise.
const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4091);

/// A shorter token can be guessed.
const SHORTEST_TOKEN: usize = 16;

/// No secret is longer than this; a larger file is something else.
const LONGEST_SECRET: u64 = 16 * 1024;

/// Options of the admin listener.
#[derive(Debug, Clone, Args)]
pub(crate) struct AdminArgs {
    /// Where health, metrics and the console are served, or `off` [default: 127.0.0.1:4091, if it is free]
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<Place>,
    /// A file with the token that the admin listener asks for; needed for any address but loopback
    #[arg(long, value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
    /// Serve the admin listener unencrypted on an address that is not loopback
    #[arg(long)]
    admin_insecure: bool,
    /// A host name under which the admin listener is reached, besides localhost and addresses (repeatable)
    #[arg(long, value_name = "NAME")]
    admin_host: Vec<String>,
    /// A member or query parameter whose values the console never shows, besides passwords, tokens and the like (repeatable)
    #[arg(long, value_name = "NAME")]
    admin_conceal: Vec<String>,
    /// A file with header lines (`Authorization: Bearer …`) with which targets of doubts may be read to prove them
    #[arg(long, value_name = "FILE")]
    prover_credential_file: Option<PathBuf>,
}

/// The value of `--admin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Off,
    At(SocketAddr),
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Place, String> {
        if text == "off" {
            return Ok(Place::Off);
        }
        let address = text.parse();
        address
            .map(Place::At)
            .map_err(|_| "expected an address with a port, such as 127.0.0.1:4091, or `off`".into())
    }
}

/// What was asked for, found to fit together.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) address: SocketAddr,
    /// Whether the address was named: only then is it an error if it is taken.
    pub(super) named: bool,
    pub(super) guard: Guard,
}

impl AdminArgs {
    /// The prover credential, for the origin at `upstream` alone.
    pub(crate) fn prover(&self, upstream: Option<&str>) -> Result<Option<Prover>, Failure> {
        let file = self.prover_credential_file.as_deref();
        file.map(|file| Prover::read(file, upstream)).transpose()
    }

    /// Names of members and parameters that are never shown.
    pub(super) fn conceal(&self) -> &[String] {
        &self.admin_conceal
    }

    /// What they ask for; `None`: no admin listener.
    pub(super) fn asked(&self) -> Result<Option<Asked>, Failure> {
        let address = match self.admin {
            Some(Place::Off) => return Ok(None),
            Some(Place::At(address)) => address,
            None => DEFAULT,
        };
        let token = self.admin_token_file.as_deref().map(read_token).transpose()?;
        let token = token.map(|text| Token::new(&text));
        if !address.ip().is_loopback() {
            if token.is_none() {
                let why = format!(
                    "serve the admin listener on {address}: others can reach this address, so it needs a token; name its file with --admin-token-file, or use 127.0.0.1"
                );
                return Err(Failure::new(USAGE, why));
            }
            if !self.admin_insecure {
                let why = format!(
                    "serve the admin listener on {address}: the token would cross the network unencrypted; put a TLS proxy before 127.0.0.1, or say --admin-insecure where the network is trusted"
                );
                return Err(Failure::new(USAGE, why));
            }
        }
        Ok(Some(Asked {
            address,
            named: self.admin.is_some(),
            guard: Guard::new(token, &self.admin_host),
        }))
    }
}

/// Reads the token: one line in a file that only its owner can read.
pub(crate) fn read_token(path: &Path) -> Result<String, Failure> {
    let text = read_private(path, "the token file")?;
    let fail = |why: String| Failure::new(USAGE, format!("use the token file {}: {why}", path.display()));
    let token = text.trim();
    if token.chars().any(char::is_control) {
        return Err(fail("it must hold one line, the token".into()));
    }
    if token.len() < SHORTEST_TOKEN {
        return Err(fail(format!(
            "its token has fewer than {SHORTEST_TOKEN} characters; make one with: openssl rand -hex 32"
        )));
    }
    Ok(token.to_owned())
}

/// The text of a file that only its owner can read; `what` names it.
pub(super) fn read_private(path: &Path, what: &str) -> Result<String, Failure> {
    let fail = |why: String| Failure::new(USAGE, format!("use {what} {}: {why}", path.display()));
    let mut file = std::fs::File::open(path).map_err(|e| fail(e.to_string()))?;
    let mode = file.metadata().map_err(|e| fail(e.to_string()))?.mode();
    if mode & 0o077 != 0 {
        return Err(fail(format!(
            "others can read it (mode {:o}); run chmod 600 on it",
            mode & 0o777
        )));
    }
    let mut text = String::new();
    let read = (&mut file).take(LONGEST_SECRET + 1).read_to_string(&mut text);
    read.map_err(|e| fail(e.to_string()))?;
    if text.len() as u64 > LONGEST_SECRET {
        return Err(fail(format!(
            "it has more than {LONGEST_SECRET} bytes; is it the right file?"
        )));
    }
    Ok(text)
}
