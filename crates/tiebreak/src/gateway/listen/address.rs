//! Where to listen: TCP addresses and Unix sockets.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tokio::net::{TcpListener, UnixListener};

/// A place to listen at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// Host address and port.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        match text.strip_prefix("unix:") {
            Some("") => Err("name a file, like unix:/run/tiebreak.sock".into()),
            Some(path) => Ok(Address::Unix(path.into())),
            None => text
                .parse()
                .map(Address::Tcp)
                .map_err(|_| "write 127.0.0.1:4090, [::1]:4090 or unix:/run/tiebreak.sock".into()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// An open listening socket.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    /// The file is removed in the end.
    Unix(UnixListener, SocketFile),
}

/// A connection that came in.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(std::net::TcpStream, IpAddr),
    Unix(std::os::unix::net::UnixStream),
}

impl Listener {
    /// Opens the socket at `address`; the error completes "failed to …".
    pub(super) async fn open(address: &Address) -> Result<Listener, String> {
        let opened = match address {
            Address::Tcp(tcp) => TcpListener::bind(tcp).await.map(Listener::Tcp),
            Address::Unix(path) => open_unix(path),
        };
        opened.map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => format!(
                "listen on {address}: another process listens there already; stop it, or choose another address with --listen"
            ),
            io::ErrorKind::PermissionDenied if matches!(address, Address::Tcp(_)) => {
                format!("listen on {address}: not permitted; choose a port over 1023 with --listen")
            }
            _ => format!("listen on {address}: {error}; choose another address with --listen"),
        })
    }

    /// Where clients reach it.
    pub(super) fn told(&self) -> io::Result<Address> {
        match self {
            Listener::Tcp(listener) => listener.local_addr().map(Address::Tcp),
            Listener::Unix(_, file) => Ok(Address::Unix(file.0.clone())),
        }
    }

    /// The next connection.
    pub(super) async fn accept(&self) -> io::Result<Stream> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, from) = listener.accept().await?;
                Ok(Stream::Tcp(stream.into_std()?, from.ip().to_canonical()))
            }
            Listener::Unix(listener, _) => Ok(Stream::Unix(listener.accept().await?.0.into_std()?)),
        }
    }
}

/// A socket's file, removed when dropped.
#[derive(Debug)]
pub(super) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The file that an earlier process left is replaced; one at which somebody listens is not, nor is anything but a socket.
fn open_unix(path: &Path) -> io::Result<Listener> {
    match std::fs::symlink_metadata(path) {
        Err(_) => {}
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "there is a file that is no socket",
            ));
        }
        Ok(_) if std::os::unix::net::UnixStream::connect(path).is_ok() => {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        Ok(_) => std::fs::remove_file(path)?,
    }
    let listener = UnixListener::bind(path)?;
    // Whoever may write to it may write to the API: the user and its group.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(Listener::Unix(listener, SocketFile(path.to_owned())))
}
