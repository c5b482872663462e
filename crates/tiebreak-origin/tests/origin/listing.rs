//! Listings.

use serde_json::{Value, json};
use tiebreak_origin::OriginOptions;

use crate::helpers::{ask, both};

async fn pages(origin: &tiebreak_origin::Origin, first: &str) -> Vec<Vec<Value>> {
    let mut pages = Vec::new();
    let mut next = Some(first.to_owned());
    while let Some(at) = next {
        let said = ask(origin, &format!("GET {at}"), &[], "").await;
        assert_eq!(said.status, 200, "{said:?}");
        let page = said.json();
        pages.push(page["items"].as_array().expect("a list").clone());
        next = page["next"].as_str().map(str::to_owned);
        let link = next.as_ref().map(|next| format!("<{next}>; rel=\"next\""));
        assert_eq!(said.field("link"), link.as_deref());
    }
    pages
}

#[tokio::test]
async fn pages_follow_each_other() {
    let (_folder, origins) = both(&OriginOptions::default());
    for origin in &origins {
        for n in 0..250 {
            let content = format!("{{\"n\":{n},\"odd\":{},\"s\":\"a b&c\"}}", n % 2 == 1);
            assert_eq!(
                ask(origin, &format!("PUT /things/{n}"), &[], &content).await.status,
                201
            );
        }
        // In order of creation, also after a replacement.
        ask(origin, "PUT /things/3", &[], "{\"n\":3,\"odd\":true}").await;
        let all = pages(origin, "/things?limit=40").await;
        assert_eq!(
            all.iter().map(Vec::len).collect::<Vec<_>>(),
            [40, 40, 40, 40, 40, 40, 10]
        );
        for (n, item) in all.iter().flatten().enumerate() {
            assert_eq!(item["href"], format!("/things/{n}"));
            assert_eq!(item["document"]["n"], json!(n));
        }
        let got = ask(origin, "GET /things/3", &[], "").await;
        assert_eq!(all[0][3]["etag"], got.etag());
        let odd = pages(origin, "/things?odd=true&s=a+b%26c&limit=100").await;
        assert_eq!(odd.iter().map(Vec::len).collect::<Vec<_>>(), [100, 24]);
        assert_eq!(pages(origin, "/things?n=17.0").await[0].len(), 1);
        assert_eq!(pages(origin, "/things?limit=99999").await[0].len(), 100);
        // A page that ends with the collection has no next.
        assert_eq!(pages(origin, "/things?limit=50").await.len(), 5);
        assert_eq!(pages(origin, "/things?n=none").await, [Vec::<Value>::new()]);
    }
}

#[tokio::test]
async fn removed_documents_do_not_upset_a_cursor() {
    let (_folder, origins) = both(&OriginOptions::default());
    for origin in &origins {
        for n in 0..6 {
            ask(origin, &format!("PUT /things/{n}"), &[], "{}").await;
        }
        let first = ask(origin, "GET /things?limit=3", &[], "").await.json();
        for n in [1, 2, 3] {
            assert_eq!(ask(origin, &format!("DELETE /things/{n}"), &[], "").await.status, 204);
        }
        let rest = pages(origin, first["next"].as_str().unwrap()).await;
        let hrefs: Vec<_> = rest[0].iter().map(|i| i["href"].as_str().unwrap()).collect();
        assert_eq!(hrefs, ["/things/4", "/things/5"]);
    }
}

#[tokio::test]
async fn the_root_lists_collections() {
    let (_folder, origins) = both(&OriginOptions::default());
    for origin in &origins {
        ask(origin, "POST /a", &[], "{}").await;
        ask(origin, "POST /b", &[], "{}").await;
        // A refused first use leaves nothing behind.
        assert_eq!(ask(origin, "PUT /c/1", &[("if-match", "*")], "{}").await.status, 409);
        let root = ask(origin, "GET /", &[], "").await.json();
        let names: Vec<_> = root["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|i| i["name"].clone())
            .collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(root["items"][0]["href"], "/a");
        assert_eq!(root["items"][0]["settings"], "/_collections/a");
    }
}
