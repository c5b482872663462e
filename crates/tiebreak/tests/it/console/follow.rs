//! Pages follow what happens.

use serde_json::json;

use super::Stage;
use crate::recorder::Recorder;

#[tokio::test(flavor = "multi_thread")]
async fn the_live_view_follows_writes() {
    let mut stage = Stage::start().await;
    stage.open("/live").await;
    stage
        .browser
        .until("document.querySelector('[data-live-state]').textContent === 'Following.'")
        .await;
    let mut client = stage.client();
    client.put("/items/1", &[], &json!({"n": 0})).await;
    let stale = client
        .put("/items/1", &[("if-match", "\"v0-00000000\"")], &json!({"n": 1}))
        .await;
    assert_eq!(stale.status, 409);
    let browser = &mut stage.browser;
    browser.click("[data-plot='guarantees'] summary").await;
    let conflicts = "+document.querySelector('[data-figure=\"conflicts\"] dd').textContent >= 1";
    for n in 0..40 {
        client.put(&format!("/items/{n}"), &[], &json!({"n": n})).await;
    }
    browser.until(conflicts).await;
    browser
        .until("parseFloat(document.querySelector('[data-figure=\"rate\"] dd').textContent) > 0")
        .await;
    browser
        .until("document.querySelector('[data-plot=\"classes\"] svg').getAttribute('aria-label').includes('stale')")
        .await;
    browser
        .until("document.querySelector('[data-plot=\"latency\"] .line.p95').getAttribute('d').length > 5")
        .await;
    browser
        .until("document.querySelectorAll('[data-plot=\"guarantees\"] tbody tr').length === 4")
        .await;
    stage.was_quiet().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicts_show_up_by_themselves_and_tell_their_story() {
    let mut stage = Stage::start().await;
    stage.open("/").await;
    stage
        .browser
        .until("document.body.innerText.includes('No write has come through yet')")
        .await;
    let hostile = "<img src=x onerror=\"document.title='hit'\"><script>document.title='hit'</script>";
    let id = stage.clash("/items/7", json!(hostile)).await;
    let browser = &mut stage.browser;
    browser
        .until(&format!("document.querySelector('a[href=\"/writes/{id}\"]')"))
        .await;
    browser
        .until("/2 applied, 1 not sent/.test(document.querySelector('.lead').textContent)")
        .await;
    browser.click(&format!("a[href='/writes/{id}']")).await;
    browser.until("document.querySelector('.sides')").await;
    let sides = browser
        .eval("[...document.querySelectorAll('.sides tbody td')].map(t => t.innerText.trim())")
        .await;
    assert_eq!(sides, json!(["1", format!("{}", json!(hostile)), "2"]));
    assert_eq!(
        browser
            .eval("document.querySelectorAll('.sides img, .sides script').length")
            .await,
        0
    );
    let words = browser.eval("document.querySelector('.timeline').innerText").await;
    for word in ["its turn", "1 of its changes overlap", "answered 409"] {
        assert!(words.as_str().unwrap().contains(word), "{word}: {words}");
    }
    assert_eq!(browser.eval("document.title").await, "PUT /items/7 · Tiebreak");

    // The term's page and the map say how often it was met.
    stage.open("/terms/overlapping-edit").await;
    stage
        .browser
        .until("/met \\w+ times|met once/.test(document.querySelector('.seen').textContent)")
        .await;
    stage.open("/map").await;
    stage
        .browser
        .until("document.querySelector(\"a[data-slug='overlapping-edit'] .badge text\")")
        .await;

    stage.open("/writes?q=/items/&state=not-sent").await;
    assert_eq!(
        stage
            .browser
            .eval("document.querySelectorAll('.writes tbody tr').length")
            .await,
        1
    );
    stage.open("/writes?q=nothing-like-it").await;
    assert_eq!(
        stage
            .browser
            .eval("document.querySelectorAll('.writes tbody tr').length")
            .await,
        0
    );
    stage.was_quiet().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_story_is_followed_to_its_end() {
    let origin = Recorder::start(|_, _| "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n".to_owned()).await;
    let upstream = format!("http://{}", origin.authority);
    let mut stage = Stage::over(&["--upstream", &upstream]).await;
    let mut client = stage.client();
    let write = tokio::spawn(async move { client.put("/slow/1", &[], &json!({"n": 1})).await });
    origin.holds(1).await;
    stage.open("/writes").await;
    let browser = &mut stage.browser;
    browser.click(".writes a").await;
    browser
        .until("document.querySelector('.lead').textContent === 'It is on its way.'")
        .await;
    origin.release();
    assert_eq!(write.await.unwrap().status, 201);
    browser
        .until("document.querySelector('.lead').textContent.startsWith('It was applied.')")
        .await;
    browser
        .until("document.querySelector('.timeline').innerText.includes('answered 201')")
        .await;
    browser.until("!document.querySelector('[data-fresh]')").await;
    stage.was_quiet().await;
}
