//! Where the database is, and how it is used.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

/// The schema that holds the tables, unless the address names another.
const SCHEMA: &str = "tiebreak";

/// How the connection to the database is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tls {
    /// Not at all.
    Off,
    /// Where the server offers it; its certificate is checked.
    Preferred,
    /// Always; its certificate is checked.
    Required,
}

/// Where the database is: an address `postgres://user@host:port/database`, read and checked. What it shows never
/// holds the password.
#[derive(Clone)]
pub struct Address {
    pub(super) config: tokio_postgres::Config,
    pub(super) schema: String,
    pub(super) tls: Tls,
    pub(super) roots: Option<PathBuf>,
    shown: String,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

/// Why an address cannot be used: a fragment that completes "failed to …", without the address's secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read the address of the database: {0}")]
pub struct BadAddress(String);

impl Address {
    /// Whether `text` names a database and not a file.
    #[must_use]
    pub fn is(text: &str) -> bool {
        text.starts_with("postgres://") || text.starts_with("postgresql://")
    }

    /// Reads `postgres://user:password@host:port/database?sslmode=…&sslrootcert=…&schema=…`. Several hosts may be given,
    /// separated by commas: the one that takes writes is used.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn parse(text: &str) -> Result<Address, BadAddress> {
        let (base, query) = text.split_once('?').unwrap_or((text, ""));
        let (mut schema, mut mode, mut roots, mut rest) = (SCHEMA.to_owned(), None, None, Vec::new());
        for pair in query.split('&').filter(|p| !p.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_encoding::percent_decode_str(value)
                .decode_utf8_lossy()
                .into_owned();
            match name {
                "schema" => schema = value,
                "sslmode" => mode = Some(value),
                "sslrootcert" => roots = Some(PathBuf::from(value)),
                _ => rest.push(pair),
            }
        }
        let joined = if rest.is_empty() {
            base.to_owned()
        } else {
            format!("{base}?{}", rest.join("&"))
        };
        let mut config = tokio_postgres::Config::from_str(&joined).map_err(|e| {
            BadAddress(format!(
                "{}; write it as postgres://user@host/database",
                super::error::chain(&e)
            ))
        })?;
        if schema.is_empty() || schema.contains('\0') {
            return Err(BadAddress("the schema has no name; leave it out for `tiebreak`".into()));
        }
        let local = config.get_hosts().iter().all(is_local);
        let tls = match mode.as_deref() {
            None if local => Tls::Preferred,
            None | Some("require" | "verify-ca" | "verify-full") => Tls::Required,
            Some("prefer" | "allow") => Tls::Preferred,
            Some("disable") => Tls::Off,
            Some(other) => {
                return Err(BadAddress(format!(
                    "sslmode is `{other}`; use disable, prefer, require or verify-full"
                )));
            }
        };
        config.ssl_mode(match tls {
            Tls::Off => SslMode::Disable,
            Tls::Preferred => SslMode::Prefer,
            Tls::Required => SslMode::Require,
        });
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        config.connect_timeout(Duration::from_secs(3));
        config.tcp_user_timeout(Duration::from_secs(10));
        config.keepalives_idle(Duration::from_secs(30));
        if config.get_application_name().is_none() {
            config.application_name("tiebreak");
        }
        let shown = shown(&config, &schema);
        Ok(Address {
            config,
            schema,
            tls,
            roots,
            shown,
        })
    }

    /// Whether the address holds a password.
    #[must_use]
    pub fn has_password(&self) -> bool {
        self.config.get_password().is_some()
    }

    /// The same with this password.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Address {
        self.config.password(password);
        self
    }

    /// The password that a password file of libpq (`PGPASSFILE`) holds for it: the first line
    /// `host:port:database:user:password` that fits.
    #[must_use]
    pub fn password_in(&self, file: &str) -> Option<String> {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            _ => "localhost".to_owned(),
        };
        let port = self.config.get_ports().first().copied().unwrap_or(5432).to_string();
        let user = self.config.get_user().unwrap_or_default();
        let database = self.config.get_dbname().unwrap_or(user);
        let wanted = [host.as_str(), &port, database, user];
        file.lines().filter(|l| !l.starts_with('#')).find_map(|line| {
            let parts = split_escaped(line);
            let fits = parts.len() == 5 && wanted.iter().zip(&parts).all(|(w, p)| p == "*" || p == w);
            fits.then(|| parts[4].clone())
        })
    }
}

/// The fields of a line of a password file, in which a backslash takes the next character literally.
fn split_escaped(line: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut literal = false;
    for c in line.chars() {
        match c {
            '\\' if !literal => {
                literal = true;
                continue;
            }
            ':' if !literal && parts.len() < 5 => parts.push(String::new()),
            c => parts.last_mut().into_iter().for_each(|p| p.push(c)),
        }
        literal = false;
    }
    parts
}

fn is_local(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback()),
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

fn shown(config: &tokio_postgres::Config, schema: &str) -> String {
    let hosts: Vec<String> = config
        .get_hosts()
        .iter()
        .enumerate()
        .map(|(at, host)| {
            let name = match host {
                Host::Tcp(name) => name.clone(),
                #[cfg(unix)]
                Host::Unix(path) => path.display().to_string(),
            };
            let ports = config.get_ports();
            match ports.get(at).or_else(|| ports.first()) {
                Some(port) => format!("{name}:{port}"),
                None => name,
            }
        })
        .collect();
    let database = config.get_dbname().or(config.get_user()).unwrap_or_default();
    let schema = if schema == SCHEMA {
        String::new()
    } else {
        format!("?schema={schema}")
    };
    format!("postgres://{}/{database}{schema}", hosts.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_never_shows_its_password() {
        let address = Address::parse("postgres://me:s3cret@db.example:5433/ledger?schema=two&sslmode=disable").unwrap();
        assert_eq!(address.to_string(), "postgres://db.example:5433/ledger?schema=two");
        assert!(!format!("{address:?}").contains("s3cret"));
        assert!(address.has_password());
        let bad = Address::parse("postgres://me:s3cret@db:notaport/x")
            .unwrap_err()
            .to_string();
        assert!(!bad.contains("s3cret"), "{bad}");
    }

    #[test]
    fn tls_is_required_where_the_database_is_elsewhere() {
        let tls = |text| Address::parse(text).map(|a| a.tls);
        assert_eq!(tls("postgres://db.example/x"), Ok(Tls::Required));
        assert_eq!(tls("postgres://127.0.0.1/x"), Ok(Tls::Preferred));
        assert_eq!(tls("postgres:///x?host=/run/postgresql"), Ok(Tls::Preferred));
        assert_eq!(tls("postgres://db.example/x?sslmode=prefer"), Ok(Tls::Preferred));
        assert!(tls("postgres://db.example/x?sslmode=maybe").is_err());
    }

    #[test]
    fn a_password_file_is_read_as_libpq_does() {
        let address = Address::parse("postgres://me@db:5433/led").unwrap();
        let file = "# note\ndb:5432:*:me:wrong\n*:*:other:me:wrong\ndb:5433:led:me:a\\:b\\\\c:d\n";
        assert_eq!(address.password_in(file), Some("a:b\\c:d".into()));
        assert_eq!(address.password_in("*:*:*:you:x"), None);
    }
}
