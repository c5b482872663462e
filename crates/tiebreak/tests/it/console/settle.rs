//! A doubt, and the person who ends it.

use serde_json::json;

use super::Stage;
use crate::browser::{ENTER, TAB};
use crate::scripted::{Fault, Scripted, Tags};

#[tokio::test(flavor = "multi_thread")]
async fn a_person_settles_a_doubt() {
    let origin = Scripted::start(Tags::None, false).await;
    let upstream = format!("http://{}", origin.authority);
    let mut stage = Stage::over(&["--upstream", &upstream]).await;
    let fault = Fault::LostAnswer.word();
    let lost = stage
        .client()
        .post("/things", &[("x-write", "w"), ("x-fault", &fault)], &json!({"n": 1}))
        .await;
    assert_eq!(lost.status, 504, "{lost:?}");
    let id = lost.json()["id"].as_str().unwrap().to_owned();
    stage.open("/").await;
    let browser = &mut stage.browser;
    browser
        .until("document.body.innerText.includes('One doubt needs a person.')")
        .await;
    browser.click(&format!("#doubts ~ .wide a[href='/writes/{id}']")).await;
    browser.until("document.querySelector('.settle')").await;
    browser.click("form[action$='/prove'] button").await;
    browser
        .until("document.querySelector('[role=status]').innerText.startsWith('Still in doubt')")
        .await;
    browser.click("input[value='applied']").await;
    browser.press(&[TAB]).await;
    browser.type_text("seen in the origin's log <b>").await;
    browser.press(&[ENTER]).await;
    browser
        .until("document.querySelector('.lead').textContent.startsWith('It was applied.')")
        .await;
    browser
        .until("document.body.innerText.includes(\"by a person: seen in the origin's log <b>\")")
        .await;
    assert_eq!(browser.eval("document.querySelectorAll('.settle').length").await, 0);
    stage.was_quiet().await;
}
