//! The prover credential: header fields with which the operator lets Tiebreak read targets of doubts.

use std::path::Path;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use super::args::read_private;
use crate::exit::{Failure, USAGE};

/// Fields of a request that are not the operator's to set here.
const NOT_THESE: [&str; 5] = ["host", "content-length", "transfer-encoding", "connection", "range"];

/// A credential, and the one origin that gets to see it.
pub(crate) struct Prover {
    fields: HeaderMap,
    origin: Option<Uri>,
}

impl std::fmt::Debug for Prover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Prover")
    }
}

impl Prover {
    /// Reads the file: lines `Name: value`, readable by its owner only. `upstream`: the only origin that it is shown to.
    pub(crate) fn read(path: &Path, upstream: Option<&str>) -> Result<Prover, Failure> {
        let text = read_private(path, "the prover credential")?;
        let fail = |line: usize, why: &str| {
            let why = format!("use the prover credential {}: line {line}: {why}", path.display());
            Failure::new(USAGE, why)
        };
        let mut fields = HeaderMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| fail(number, "expected `Name: value`, such as `Authorization: Bearer …`"))?;
            let name: HeaderName = name.trim().parse().map_err(|_| fail(number, "that is no field name"))?;
            let mut value: HeaderValue = value
                .trim()
                .parse()
                .map_err(|_| fail(number, "that is no field value"))?;
            if NOT_THESE.contains(&name.as_str()) {
                return Err(fail(number, "that field is not a credential"));
            }
            value.set_sensitive(true);
            fields.append(name, value);
        }
        if fields.is_empty() {
            return Err(fail(1, "expected at least one line `Name: value`"));
        }
        let origin = upstream.and_then(|u| u.parse().ok());
        Ok(Prover { fields, origin })
    }

    /// The credential for a read of `target`; `None` if that is of another origin, as in a ledger that another gateway wrote.
    pub(super) fn credential_for(&self, target: &str) -> Option<&HeaderMap> {
        let target: Uri = target.parse().ok()?;
        let origin = self.origin.as_ref()?;
        let same = origin.scheme() == target.scheme() && origin.authority() == target.authority();
        same.then_some(&self.fields)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn prover(upstream: Option<&str>) -> Prover {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "# ours\n\nAuthorization: Bearer hunter2\nX-Tenant: a\n").unwrap();
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o600)).unwrap();
        Prover::read(file.path(), upstream).unwrap()
    }

    #[test]
    fn only_its_own_origin_gets_to_see_a_credential() {
        let ours = prover(Some("https://api.example.com/v1"));
        let shown = ours.credential_for("https://api.example.com/v1/things/7").unwrap();
        assert_eq!(shown.len(), 2);
        for other in [
            "http://api.example.com/v1/things/7",
            "https://api.example.com:8443/v1/things/7",
            "https://api.example.com.evil.example/v1",
            "https://api.example.com@evil.example/v1",
            "/v1/things/7",
        ] {
            assert!(ours.credential_for(other).is_none(), "{other}");
        }
        assert!(prover(None).credential_for("https://api.example.com/").is_none());
        assert!(!format!("{ours:?} {shown:?}").contains("hunter2"));
    }
}
