//! The way in, where a token is asked for.

use std::os::unix::fs::PermissionsExt;

use super::Stage;
use crate::browser::ENTER;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_with_the_token() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, TOKEN).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let args = ["--data", "memory", "--admin-token-file", file.to_str().unwrap()];
    let mut stage = Stage::over(&args).await;
    stage.open("/writes").await;
    assert_eq!(stage.browser.eval("location.pathname").await, "/login");
    stage.is_accessible("the way in").await;
    // The field has the focus already.
    stage.browser.type_text("guess").await;
    stage.browser.press(&[ENTER]).await;
    stage.browser.until("document.querySelector('[role=alert]')").await;
    stage.is_accessible("a wrong token").await;
    stage.browser.type_text(TOKEN).await;
    stage.browser.press(&[ENTER]).await;
    stage.browser.until("location.pathname === '/'").await;
    stage
        .browser
        .until("document.body.innerText.includes('What is happening')")
        .await;
    assert_eq!(stage.browser.eval("document.cookie").await, "", "no script sees it");
    let mut complaints = stage.browser.complaints(&stage.admin).await;
    // The wrong token is answered 403.
    complaints.retain(|c| !c.contains("403"));
    assert!(complaints.is_empty(), "{complaints:#?}");
}
