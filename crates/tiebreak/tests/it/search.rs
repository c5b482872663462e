//! Searching writes, and explaining pasted text, over the admin listener.

use http::Method;
use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::http::Client;

fn embedded() -> (Gateway, Client) {
    let gateway = Gateway::start(&["--data", "memory", "--admin", "127.0.0.1:0"]);
    let console = Client::new(gateway.admin.clone().unwrap());
    (gateway, console)
}

async fn found(console: &mut Client, query: &str) -> Value {
    let got = console.get(&format!("/api/writes?{query}")).await;
    assert_eq!(got.status, 200, "{query}: {got:?}");
    got.json()
}

fn targets(found: &Value) -> Vec<&str> {
    let writes = found["writes"].as_array().unwrap().iter();
    writes
        .map(|w| w["target"].as_str().unwrap().rsplit('/').next().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_are_found_by_what_one_knows_of_them() {
    let (gateway, mut console) = embedded();
    let mut writer = Client::new(&gateway.authority);
    writer
        .put("/things/a", &[("idempotency-key", "\"order-17\"")], &json!({"n": 1}))
        .await;
    writer.put("/things/b?token=hunter2", &[], &json!({"n": 1})).await;
    writer
        .put("/things/a", &[("if-match", "\"not-this\"")], &json!({"n": 2}))
        .await;
    let all = found(&mut console, "").await;
    assert_eq!(targets(&all), ["a", "b?token=(concealed)", "a"], "{all:#}");
    assert_eq!(all["next"], Value::Null);
    assert_eq!(targets(&found(&mut console, "q=things/a&state=refused").await), ["a"]);
    assert_eq!(targets(&found(&mut console, "class=stale").await), ["a"]);
    assert_eq!(targets(&found(&mut console, "state=applied").await).len(), 2);
    let first = found(&mut console, "limit=1").await;
    let next = first["next"].as_str().unwrap();
    assert_eq!(
        targets(&found(&mut console, &format!("limit=1&before={next}")).await),
        ["b?token=(concealed)"]
    );
    let at = all["writes"][1]["at"].as_u64().unwrap();
    assert_eq!(
        targets(&found(&mut console, &format!("to={at}&from=0")).await).last(),
        Some(&"a")
    );

    let keyed = &all["writes"][2];
    let target = keyed["target"].as_str().unwrap();
    for key in ["order-17", "%22order-17%22"] {
        let by_key = found(&mut console, &format!("key={key}&method=PUT&target={target}")).await;
        assert_eq!(by_key["writes"][0]["id"], keyed["id"], "{by_key:#}");
    }
    let other = found(&mut console, &format!("key=order-18&method=PUT&target={target}")).await;
    assert_eq!(other["writes"], json!([]));
    let id = keyed["id"].as_str().unwrap();
    assert_eq!(found(&mut console, &format!("q={id}")).await["writes"][0]["id"], id);
    let whole = console.get(&format!("/api/writes/{id}")).await.json();
    assert_eq!(whole["record"]["settled"]["status"], 201, "{whole:#}");
    assert!(whole["story"]["events"].as_array().unwrap().len() > 3);
    assert!(whole.to_string().find("hunter2").is_none() && all.to_string().find("hunter2").is_none());

    for (query, words) in [
        ("class=odd", "`class`"),
        ("state=odd", "`state`"),
        ("key=k", "`method`"),
        ("before=17", "`before`"),
        ("colour=red", "colour"),
        ("from=monday", "from"),
    ] {
        let got = console.get(&format!("/api/writes?{query}")).await;
        assert_eq!(got.status, 400, "{query}: {got:?}");
        assert!(
            got.json()["detail"].as_str().unwrap().contains(words),
            "{query}: {got:?}"
        );
    }
    assert_eq!(
        console.get("/api/writes/00000000000000000000000000000000").await.status,
        404
    );

    // After a restart the record is left, and the story is not.
    let gateway = Gateway::start_in(gateway.kill(), &["--data", "memory", "--admin", "127.0.0.1:0"]);
    let mut console = Client::new(gateway.admin.clone().unwrap());
    let whole = console.get(&format!("/api/writes/{id}")).await.json();
    assert_eq!((&whole["record"]["id"], &whole["story"]), (&json!(id), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn pasted_text_is_explained_and_its_evidence_marked() {
    let (_gateway, mut console) = embedded();
    let text = "HTTP/1.1 409 Conflict\r\nContent-Type: application/json\r\n\r\n{\"error\":\"ä: name already exists\"}";
    let got = console.send(Method::POST, "/api/explain?method=POST", &[], text).await;
    assert_eq!(got.status, 200, "{got:?}");
    let told = got.json();
    let case = &told["cases"][0];
    assert_eq!(
        (&case["class"], &case["status"]),
        (&json!("duplicate"), &json!(409)),
        "{case:#}"
    );
    let evidence = case["evidence"].as_array().unwrap();
    let marked = evidence
        .iter()
        .find(|e| e["where"].as_str().unwrap().starts_with("body"))
        .unwrap();
    let at = |n: usize| usize::try_from(marked["at"][n].as_u64().unwrap()).unwrap();
    let units: Vec<u16> = text.encode_utf16().skip(at(0)).take(at(1) - at(0)).collect();
    assert_eq!(
        String::from_utf16(&units).unwrap(),
        marked["excerpt"].as_str().unwrap(),
        "{case:#}"
    );

    let bad = console.send(Method::POST, "/api/explain", &[], "not an answer").await;
    assert_eq!(bad.status, 422, "{bad:?}");
    let large = console
        .send(Method::POST, "/api/explain", &[], vec![b'x'; (4 << 20) + 1])
        .await;
    assert_eq!(large.status, 413, "{large:?}");
    assert_eq!(
        console
            .send(Method::POST, "/api/explain?status=7", &[], "x")
            .await
            .status,
        400
    );
}
