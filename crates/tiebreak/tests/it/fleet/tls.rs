//! TLS to the database, and passwords: from where they come, and where they never go.

use std::process::Command;

use super::*;
use crate::http2::certificate;

const PASSWORD: &str = "hush-8f2c1e";

/// A cluster that lets the user `gate` in with a password, over TLS alone.
fn guarded(folder: &std::path::Path) -> Cluster {
    certificate(folder);
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let mut cluster = Cluster::start();
    cluster.sql(&format!("CREATE ROLE gate LOGIN PASSWORD '{PASSWORD}'"));
    cluster.sql("GRANT CREATE ON DATABASE postgres TO gate");
    cluster.down(true);
    let (cert, key) = (
        cluster.write("cert.pem", &read("cert.pem")),
        cluster.write("key.pem", &read("key.pem")),
    );
    let rules = "hostssl all gate 127.0.0.1/32 scram-sha-256\nhost all gate 127.0.0.1/32 reject\nhost all all 127.0.0.1/32 trust\n";
    let rules = cluster.write("hba.conf", rules);
    let named = [("ssl_cert_file", cert), ("ssl_key_file", key), ("hba_file", rules)];
    let named: Vec<String> = named.iter().map(|(name, file)| format!("{name}={file}")).collect();
    cluster.set(&["ssl=on"]);
    cluster.set(&named.iter().map(String::as_str).collect::<Vec<_>>());
    cluster.up();
    cluster
}

/// What a gateway says that cannot start.
fn refused(ledger: &str, password: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), [7; 32]).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_tiebreak"))
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--admin",
            "off",
            "--secret",
            "secret",
            "--ledger",
            ledger,
        ])
        .env("PGPASSWORD", password)
        .env("TIEBREAK_LOG", "trace")
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(!output.status.success(), "{output:?}");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!told.contains(password), "{told}");
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_proves_who_it_is_and_its_password_appears_nowhere() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let cluster = guarded(folder.path());
    certificate(other.path());
    let origin = Scripted::start(Tags::Versions, false).await;
    let port = cluster.authority().rsplit(':').next().unwrap().to_owned();
    let at = |host: &str, roots: &std::path::Path| {
        let roots = roots.join("cert.pem");
        format!(
            "postgres://gate@{host}:{port}/postgres?schema=tls&sslmode=verify-full&sslrootcert={}",
            roots.display()
        )
    };
    let ledger = at("localhost", folder.path());

    // From the environment, and from a file.
    let loud = ("TIEBREAK_LOG", "trace");
    let from_environment = gateway_with(&ledger, &origin.authority, &[], &[("PGPASSWORD", PASSWORD), loud]);
    let set = tempfile::tempdir().unwrap();
    std::fs::write(set.path().join("password"), format!("{PASSWORD}\n")).unwrap();
    std::fs::write(set.path().join("secret"), [7; 32]).unwrap();
    let settings = format!(
        "upstream = 'http://{}'\nledger = '{ledger}'\nledger_password_file = 'password'\nsecret = 'secret'\nledger_lease = '2s'\n",
        origin.authority
    );
    std::fs::write(set.path().join("tiebreak.toml"), settings).unwrap();
    let wrong = ("PGPASSWORD", "of no use");
    let from_file = Gateway::start_with(set, &["--config", "tiebreak.toml"], &[wrong, loud]);
    let key = "8e03978e-40d5-43dd-bc93-6894a57f9324";
    for gateway in [&from_environment, &from_file] {
        let got = post(&gateway.authority, key, "guarded", None).await;
        assert_eq!((got.status.as_u16(), got.outcome()), (201, "applied"), "{got:?}");
    }
    assert_eq!(origin.performed("guarded").await, 1);
    let plain = "SELECT count(*) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) WHERE usename = 'gate' AND NOT ssl";
    assert_eq!(cluster.sql(plain), "0");
    for mut gateway in [from_environment, from_file] {
        let mut said = std::mem::take(&mut gateway.began);
        said.extend(gateway.finish().await.1);
        assert!(!said.is_empty());
        assert!(said.iter().all(|line| !line.contains(PASSWORD)), "{said:?}");
    }

    // Another certificate, another host, another password, no TLS at all.
    let told = refused(&at("localhost", other.path()), PASSWORD);
    assert!(told.contains("invalid peer certificate"), "{told}");
    let told = refused(&at("127.0.0.1", folder.path()), PASSWORD);
    assert!(told.contains("invalid peer certificate"), "{told}");
    let told = refused(&ledger, "hush-of-another");
    assert!(told.contains("password authentication failed"), "{told}");
    let told = refused(&ledger.replace("verify-full", "disable"), PASSWORD);
    assert!(told.contains("pg_hba.conf rejects connection"), "{told}");
}
