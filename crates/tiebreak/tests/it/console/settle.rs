//! A doubt, and the person who ends it, with nothing but a keyboard.

use serde_json::json;

use super::Stage;
use crate::browser::{ENTER, TAB};
use crate::scripted::{Fault, Scripted, Tags};

/// Presses Tab until the focus is on what the selector finds.
async fn tab_to(stage: &mut Stage, selector: &str) {
    let there = format!("!!document.activeElement.matches({})", json!(selector));
    for _ in 0..80 {
        if stage.browser.eval(&there).await == true {
            return;
        }
        stage.browser.press(&[TAB]).await;
    }
    panic!("Tab never comes to {selector}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_settles_a_doubt_by_keyboard() {
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
    stage
        .browser
        .until("document.body.innerText.includes('One doubt needs a person.')")
        .await;
    let link = format!("a[href='/writes/{id}']");
    // It stands under what needs a person, and not among the conflicts as well.
    let links = stage
        .browser
        .eval(&format!("document.querySelectorAll(\"{link}\").length"))
        .await;
    assert_eq!(links, 1);
    tab_to(&mut stage, &link).await;
    stage.browser.press(&[ENTER]).await;
    stage.browser.until("document.querySelector('.settle')").await;
    stage.is_accessible("a doubt").await;

    tab_to(&mut stage, "form[action$='/prove'] button").await;
    stage.browser.press(&[ENTER]).await;
    stage
        .browser
        .until("document.querySelector('[role=status]')?.innerText.startsWith('Still in doubt')")
        .await;
    stage.is_accessible("what came of a look").await;

    tab_to(&mut stage, "input[value='applied']").await;
    stage.browser.press(&[" "]).await;
    tab_to(&mut stage, "#reason").await;
    stage.browser.type_text("seen in the origin's log <b>").await;
    tab_to(&mut stage, ".settle button").await;
    stage.browser.press(&[ENTER]).await;
    stage
        .browser
        .until("document.querySelector('.lead').textContent.startsWith('It was applied.')")
        .await;
    stage
        .browser
        .until("document.body.innerText.includes(\"by a person: seen in the origin's log <b>\")")
        .await;
    let forms = stage.browser.eval("document.querySelectorAll('.settle').length").await;
    assert_eq!(forms, 0);
    stage.was_quiet().await;
}
