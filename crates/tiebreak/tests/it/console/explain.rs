//! An answer that somebody pastes.

use super::Stage;
use crate::browser::TAB;

#[tokio::test(flavor = "multi_thread")]
async fn a_pasted_answer_is_explained_with_its_evidence_marked() {
    let mut stage = Stage::start().await;
    stage.open("/explain").await;
    let browser = &mut stage.browser;
    browser.click("#text").await;
    let pasted = "HTTP/1.1 409 Conflict\nContent-Type: application/json\n\n{\"error\":\"conflict\",\"reason\":\"Document update conflict.\",\"x\":\"<script>document.title='hit'</script>\"}";
    browser
        .run(
            "document.querySelector('#text').value = arguments[0]",
            serde_json::json!([pasted]),
        )
        .await;
    for _ in 0..4 {
        if browser.eval("document.activeElement.localName").await == "button" {
            break;
        }
        browser.press(&[TAB]).await;
    }
    browser.press(&[crate::browser::ENTER]).await;
    browser.until("document.querySelector('.verdict')").await;
    let marked = browser
        .eval("[...document.querySelectorAll('.marked mark')].map(m => m.firstChild.textContent)")
        .await;
    assert!(marked.to_string().contains("conflict"), "{marked}");
    assert_eq!(
        browser.eval("document.querySelector('.marked script')").await,
        serde_json::Value::Null
    );
    assert_eq!(browser.eval("document.querySelector('#text').value").await, pasted);
    assert_eq!(browser.eval("document.title").await, "Explain · Tiebreak");
    stage.was_quiet().await;
}
