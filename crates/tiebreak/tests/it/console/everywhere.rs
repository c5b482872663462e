//! What holds on every page: accessible in light and dark, as narrow as a phone, small, and nothing from elsewhere.

use serde_json::{Value, json};

use super::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_page_is_accessible_and_fits_a_phone() {
    let mut stage = Stage::start().await;
    let id = stage.clash("/items/1", json!(3)).await;
    let story = format!("/writes/{id}");
    let pages = [
        "/",
        "/live",
        "/writes",
        &story,
        "/explain",
        "/map?at=409",
        "/terms",
        "/terms/409",
        "/problems",
        "/problems/stale",
        "/terms/none",
        "/none",
    ];
    for page in pages {
        stage.open(page).await;
        if page == "/map?at=409" {
            // Before the map is lively, a click follows the link.
            stage.browser.until("document.querySelector('.map-frame.live')").await;
            stage.browser.click("a.node[data-slug='409']").await;
            stage
                .browser
                .until("!document.querySelector('#map-preview').hidden")
                .await;
            // The rest is dimmed on purpose while a term has the attention.
            stage
                .browser
                .run("document.querySelector('#map').classList.remove('focus')", json!([]))
                .await;
        }
        stage.is_accessible(page).await;
    }
    let mut complaints = stage.browser.complaints(&stage.admin).await;
    // Those pages are asked for because they are not there.
    complaints.retain(|c| !c.contains("/none"));
    assert!(complaints.is_empty(), "{complaints:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_small_and_complete_without_scripts() {
    let mut stage = Stage::start().await;
    let mut client = crate::http::Client::new(&stage.admin);
    let pages = [
        "/",
        "/live",
        "/writes",
        "/explain",
        "/map",
        "/terms",
        "/terms/409",
        "/problems/overlap",
    ];
    let mut assets = std::collections::BTreeSet::new();
    let mut largest = 0;
    for page in pages {
        let got = client.get(page).await;
        assert_eq!(got.status, 200, "{page}");
        let html = String::from_utf8(got.content.to_vec()).unwrap();
        largest = largest.max(html.len());
        // The policy forbids both; a page that has one is broken.
        assert!(!html.contains(" style=") && !html.contains("<script>"), "{page}");
        let from = html
            .split("\"/assets/")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap());
        assets.extend(from.map(|rest| format!("/assets/{rest}")));
    }
    assert!(assets.len() >= 5, "{assets:?}");
    for asset in &assets {
        let got = client.get(asset).await;
        assert_eq!(got.status, 200, "{asset}");
        assert!(got.field("cache-control").contains("immutable"), "{asset}");
        largest += got.content.len();
    }
    eprintln!("the largest page with all assets: {largest} bytes");
    assert!(largest < 300_000, "{largest}");

    // Without scripts the map is a drawing with links, and a list.
    stage
        .browser
        .devtools("Emulation.setScriptExecutionDisabled", json!({"value": true}))
        .await;
    stage.open("/map").await;
    stage
        .browser
        .devtools("Emulation.setScriptExecutionDisabled", json!({"value": false}))
        .await;
    assert_eq!(
        stage.browser.eval("!!document.querySelector('.map-frame.live')").await,
        Value::Bool(false)
    );
    let listed = stage
        .browser
        .eval("document.querySelectorAll('.terms-list li').length")
        .await;
    assert_eq!(
        listed,
        stage
            .browser
            .eval("document.querySelectorAll('a.node[href]').length")
            .await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chosen_theme_stays() {
    let mut stage = Stage::start().await;
    stage.browser.prefer("light").await;
    stage.open("/").await;
    let ground = "getComputedStyle(document.documentElement).backgroundColor";
    let light = stage.browser.eval(ground).await;
    stage.browser.click("[data-theme-toggle]").await;
    stage.browser.until(&format!("{ground} !== {light}")).await;
    let dark = stage.browser.eval(ground).await;
    stage.open("/terms").await;
    assert_eq!(stage.browser.eval(ground).await, dark);
}
