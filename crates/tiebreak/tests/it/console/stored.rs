//! Finding writes on the page: those of the ledger, and those that were refused before it knew them.

use serde_json::json;

use crate::gateway::Gateway;
use crate::http::{Client, Got};

fn embedded() -> (Gateway, Client) {
    let gateway = Gateway::start(&["--data", "memory", "--admin", "127.0.0.1:0"]);
    let console = Client::new(gateway.admin.clone().unwrap());
    (gateway, console)
}

/// The writes that a page lists, and the page after it.
fn listed(page: &Got) -> (Vec<String>, Option<String>) {
    let html = String::from_utf8_lossy(&page.content);
    let after = |from: &str, mark: &str| {
        let rest = &from[from.find(mark)? + mark.len()..];
        Some(rest[..rest.find('"')?].replace("&amp;", "&"))
    };
    let rows = html.split("<td class=\"target\"").skip(1);
    let ids = rows.map(|row| after(row, "href=\"/writes/").unwrap()).collect();
    (ids, after(&html, "rel=\"next\" href=\""))
}

async fn look(console: &mut Client, path: &str) -> (Vec<String>, Option<String>) {
    let page = console.get(path).await;
    assert_eq!(page.status, 200, "{path}: {page:?}");
    listed(&page)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_is_found_whether_the_ledger_knows_it_or_not() {
    let (gateway, mut console) = embedded();
    let (mut one, mut two) = (Client::new(&gateway.authority), Client::new(&gateway.authority));
    one.put("/docs/a", &[], &json!({"price": 1})).await;
    one.get("/docs/a").await;
    two.get("/docs/a").await;
    one.put("/docs/a", &[], &json!({"price": 2})).await;
    let refused = two.put("/docs/a", &[], &json!({"price": 3})).await;
    // What was refused before a claim names its story all the same, and the class of the conflict.
    assert_eq!(refused.status, 409, "{refused:?}");
    let problem = refused.json();
    let id = problem["id"].as_str().unwrap();
    let field = refused.field("tiebreak");
    assert!(
        field.starts_with("not-sent; attempts=0;") && field.ends_with(&format!("; id=\"{id}\"; class=stale")),
        "{field}"
    );
    let story = console.get(&format!("/writes/{id}")).await;
    assert!(
        String::from_utf8_lossy(&story.content).contains("overlaps"),
        "{story:?}"
    );
    for query in [
        "q=docs&class=stale",
        "state=not-sent",
        "class=stale&state=not-sent&q=docs",
    ] {
        let (found, _) = look(&mut console, &format!("/writes?{query}")).await;
        assert_eq!(found, [id], "{query}");
    }
    assert!(look(&mut console, "/writes?class=race").await.0.is_empty());

    for n in 0..117 {
        let sent = one
            .put(
                &format!("/things/{n}"),
                &[("idempotency-key", &format!("\"k{n}\""))],
                &json!({"n": n}),
            )
            .await;
        assert_eq!(sent.status, 201, "{sent:?}");
    }
    let (mut all, mut next) = (Vec::new(), Some("/writes".to_owned()));
    let mut pages = 0;
    while let Some(path) = next {
        let (ids, following) = look(&mut console, &path).await;
        all.extend(ids);
        next = following;
        pages += 1;
    }
    assert_eq!((pages, all.len()), (3, 120));
    assert!(all.is_sorted_by(|a, b| a > b), "the newest first, and none twice");
    assert_eq!(all[117], id, "in its place among those that the ledger knows");

    let recorded = console.get(&format!("/api/writes/{}", all[0])).await.json();
    let target = recorded["record"]["target"].as_str().unwrap().replace("/116", "/7");
    let keyed = format!("/writes?key=k7&method=put&q={target}");
    let by_key = look(&mut console, &keyed).await.0;
    let by_target = look(&mut console, "/writes?q=/things/7&state=applied").await.0;
    assert!(
        by_target.len() > 1 && by_key.len() == 1 && by_target.contains(&by_key[0]),
        "{by_key:?} {by_target:?}"
    );
    assert!(look(&mut console, "/writes?to=2001-01-01T00:00").await.0.is_empty());
    assert_eq!(look(&mut console, "/writes?from=2001-01-01T00:00").await.0.len(), 50);
    let wrong = console.get("/writes?from=yesterday").await;
    assert_eq!(wrong.status, 400);
    assert!(
        String::from_utf8_lossy(&wrong.content).contains("`yesterday` is no time"),
        "{wrong:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_writes_are_searched() {
    const WRITERS: usize = 25;
    const EACH: usize = 400;
    let (gateway, mut console) = embedded();
    let writers = (0..WRITERS).map(|w| {
        let mut client = Client::new(&gateway.authority);
        tokio::spawn(async move {
            for n in 0..EACH {
                // The last one of each names a version that there never was.
                let tag = [("if-match", "\"never\"")];
                let guard = if n + 1 == EACH { &tag[..] } else { &[] };
                client.put(&format!("/things/{w}-{n}"), guard, &json!({"n": n})).await;
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let (first, next) = look(&mut console, "/writes").await;
    let story = format!("/writes/{}", first[0]);
    let searches = [
        ("/writes", 50),
        (next.as_deref().unwrap(), 50),
        ("/writes?q=/things/7-123", 1),
        ("/writes?q=nothing-like-it", 0),
        ("/writes?class=stale", WRITERS),
        ("/writes?state=refused&q=things", WRITERS),
        ("/writes?from=2001-01-01T00:00", 50),
        (story.as_str(), 0),
    ];
    // How long they take is measured by `bench/run console`.
    for (path, rows) in searches {
        assert_eq!(look(&mut console, path).await.0.len(), rows, "{path}");
    }
}
