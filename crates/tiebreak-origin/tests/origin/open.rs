//! Opening, and what a store says when it cannot go on.

use std::os::unix::fs::FileExt as _;

use tiebreak_origin::{OpenError, Origin, OriginOptions, Place};

use crate::helpers::ask;

fn options() -> OriginOptions {
    OriginOptions::default()
}

#[tokio::test]
async fn one_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("o.db");
    let origin = Origin::open(file.clone(), options()).unwrap();
    let error = Origin::open(file.clone(), options()).unwrap_err();
    assert!(matches!(error, OpenError::Held { .. }), "{error}");
    assert!(error.to_string().contains("in use by another process"), "{error}");
    drop(origin);
    Origin::open(file, options()).unwrap();
}

#[tokio::test]
async fn documents_and_settings_survive() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("o.db");
    let origin = Origin::open(file.clone(), options()).unwrap();
    ask(
        &origin,
        "PUT /_collections/t",
        &[],
        r#"{"unique":["/u"],"stale_status":412}"#,
    )
    .await;
    let put = ask(&origin, "PUT /t/1", &[], r#"{"u":1}"#).await;
    drop(origin);
    let origin = Origin::open(file, options()).unwrap();
    let got = ask(&origin, "GET /t/1", &[], "").await;
    assert_eq!((got.etag(), got.text), (put.etag(), put.text.clone()));
    assert_eq!(ask(&origin, "PUT /t/2", &[], r#"{"u":1}"#).await.status, 409);
    let old = ask(&origin, "PUT /t/1", &[("if-match", &put.etag())], "{}").await;
    assert_eq!(old.status, 200);
    assert_eq!(
        ask(&origin, "PUT /t/1", &[("if-match", &put.etag())], "{}")
            .await
            .status,
        412
    );
}

/// A copy that is put back counts from where it was; its tags still are new ones.
#[tokio::test]
async fn tags_do_not_recur_after_a_restored_copy() {
    let folder = tempfile::tempdir().unwrap();
    let (file, copy) = (folder.path().join("o.db"), folder.path().join("copy.db"));
    let origin = Origin::open(file.clone(), options()).unwrap();
    ask(&origin, "PUT /t/1", &[], "1").await;
    drop(origin);
    std::fs::copy(&file, &copy).unwrap();
    let mut tags = std::collections::HashSet::new();
    for place in [file, copy] {
        let origin = Origin::open(place, options()).unwrap();
        for n in 0..5 {
            assert!(tags.insert(ask(&origin, "PUT /t/1", &[], &n.to_string()).await.etag()));
        }
    }
}

#[test]
fn other_files_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(
        at("text"),
        "this is no database, whatever its name may say\n".repeat(100),
    )
    .unwrap();
    rusqlite::Connection::open(at("foreign"))
        .unwrap()
        .execute_batch("CREATE TABLE x (y)")
        .unwrap();
    drop(Origin::open(at("newer"), options()).unwrap());
    rusqlite::Connection::open(at("newer"))
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let of = |name| Origin::open(at(name), options()).unwrap_err();
    assert!(matches!(of("text"), OpenError::Damaged { .. }), "{}", of("text"));
    assert!(matches!(of("foreign"), OpenError::Foreign { .. }), "{}", of("foreign"));
    assert!(
        matches!(
            of("newer"),
            OpenError::Newer {
                found: 99,
                known: 1,
                ..
            }
        ),
        "{}",
        of("newer")
    );
    assert!(
        matches!(of("no/such/folder"), OpenError::Failed { .. }),
        "{}",
        of("no/such/folder")
    );
}

#[tokio::test]
async fn damage_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("o.db");
    let origin = Origin::open(file.clone(), options()).unwrap();
    for n in 0..300 {
        ask(
            &origin,
            &format!("PUT /t/{n}"),
            &[],
            &format!("\"{}\"", "x".repeat(200)),
        )
        .await;
    }
    drop(origin);
    let damaged = std::fs::OpenOptions::new().write(true).open(&file).unwrap();
    for page in 1..20 {
        damaged.write_all_at(&[0xa5; 512], page * 4096).unwrap();
    }
    let error = Origin::open(file, options()).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

/// What does not fit is refused with 507; what was acknowledged stays, and what is smaller still fits.
#[tokio::test]
async fn a_full_store_refuses_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("o.db");
    let places = [Place::Memory, Place::File(file.clone())];
    for place in places {
        let bounded = OriginOptions {
            max_store: Some(400_000),
            ..options()
        };
        let origin = Origin::open(place, bounded).unwrap();
        let text = format!("\"{}\"", "x".repeat(50_000));
        let mut kept = 0;
        let full = loop {
            let said = ask(&origin, &format!("PUT /t/{kept}"), &[], &text).await;
            if said.status != 201 {
                break said;
            }
            kept += 1;
        };
        assert_eq!((full.status, full.problem().as_str()), (507, "store-unavailable"));
        assert!((3..8).contains(&kept), "{kept}");
        assert_eq!(ask(&origin, &format!("GET /t/{kept}"), &[], "").await.status, 404);
        for n in 0..kept {
            assert_eq!(ask(&origin, &format!("GET /t/{n}"), &[], "").await.text, text);
        }
        assert_eq!(ask(&origin, "DELETE /t/0", &[], "").await.status, 204);
        assert_eq!(ask(&origin, "PUT /t/again", &[], &text).await.status, 201);
    }
    let origin = Origin::open(file, options()).unwrap();
    assert_eq!(ask(&origin, "GET /t/again", &[], "").await.status, 200);
}

/// One write too large for the store does not take those with it that share its transaction.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_write_that_does_not_fit_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let bounded = OriginOptions {
        max_store: Some(600_000),
        ..options()
    };
    let origin = std::sync::Arc::new(Origin::open(folder.path().join("o.db"), bounded).unwrap());
    let tasks: Vec<_> = (0..64)
        .map(|n| {
            let origin = origin.clone();
            tokio::spawn(async move {
                let text = if n % 8 == 0 {
                    format!("\"{}\"", "x".repeat(900_000))
                } else {
                    "{}".to_owned()
                };
                (n, ask(&origin, &format!("PUT /t/{n}"), &[], &text).await.status)
            })
        })
        .collect();
    for task in tasks {
        let (n, status) = task.await.unwrap();
        assert_eq!(status, if n % 8 == 0 { 507 } else { 201 }, "{n}");
    }
}

#[tokio::test]
async fn collections_are_bounded() {
    let bounded = OriginOptions {
        max_collections: 2,
        ..options()
    };
    let origin = Origin::open(Place::Memory, bounded).unwrap();
    for (name, status) in [("a", 201), ("b", 201), ("c", 507), ("a", 201)] {
        assert_eq!(
            ask(&origin, &format!("POST /{name}"), &[], "{}").await.status,
            status,
            "{name}"
        );
    }
    assert_eq!(ask(&origin, "PUT /_collections/d", &[], "{}").await.status, 507);
}

/// While something else holds the file's write lock, writes wait, up to the bound; the rest is refused at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_full_queue_refuses_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("o.db");
    let bounded = OriginOptions { queue: 1, ..options() };
    let origin = std::sync::Arc::new(Origin::open(file.clone(), bounded).unwrap());
    ask(&origin, "PUT /t/0", &[], "0").await;
    let blocker = rusqlite::Connection::open(file).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 1..=8 {
        let origin = origin.clone();
        tasks.spawn(async move { (n, ask(&origin, &format!("PUT /t/{n}"), &[], "1").await) });
    }
    // The writer holds at most two (it took one, then one more), and one is queued.
    for _ in 0..5 {
        let (n, said) = tasks.join_next().await.unwrap().unwrap();
        assert_eq!((said.status, said.problem().as_str()), (503, "busy"));
        assert_eq!(said.field("retry-after"), Some("1"));
        assert_eq!(ask(&origin, &format!("GET /t/{n}"), &[], "").await.status, 404);
    }
    // Reads go on meanwhile.
    assert_eq!(ask(&origin, "GET /t/0", &[], "").await.status, 200);
    blocker.execute_batch("ROLLBACK").unwrap();
    let mut written = 0;
    while let Some(task) = tasks.join_next().await {
        let (n, said) = task.unwrap();
        let read = ask(&origin, &format!("GET /t/{n}"), &[], "").await;
        match said.status {
            201 => assert_eq!((read.status, said.etag()), (200, read.etag())),
            other => assert_eq!((other, read.status), (503, 404)),
        }
        written += usize::from(said.status == 201);
    }
    assert!(written >= 1);
}
