//! Checks that hold on every page: axe-core finds nothing, in light and dark, and it is as narrow as a phone.

use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde_json::json;

use super::Stage;

/// The checks' script.
static AXE: LazyLock<String> = LazyLock::new(|| {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/peers/axe-core.sh");
    let output = Command::new("bash")
        .arg(script)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "axe-core is missing: run scripts/prepare axe-core"
    );
    std::fs::read_to_string(String::from_utf8(output.stdout).unwrap().trim()).unwrap()
});

impl Stage {
    /// Checks the page as it is now; `page` names it.
    pub(super) async fn is_accessible(&mut self, page: &str) {
        let browser = &mut self.browser;
        browser.run(&AXE, json!([])).await;
        for scheme in ["light", "dark"] {
            browser.prefer(scheme).await;
            let script = "const done = arguments[arguments.length - 1]; \
                axe.run(document, {resultTypes: ['violations']}).then(r => done(r.violations.map(v => [v.id, v.nodes.map(n => n.html + ' ' + n.failureSummary)])), e => done(String(e)));";
            let violations = browser.run_async(script, json!([])).await;
            assert_eq!(violations, json!([]), "{page}, {scheme}: {violations:#}");
        }
        for width in [320, 768] {
            browser.width(width, 640).await;
            let wide = browser.eval("[document.documentElement.scrollWidth, innerWidth]").await;
            assert!(wide[0].as_u64() <= wide[1].as_u64(), "{page} at {width}: {wide}");
        }
        browser.width(1280, 900).await;
        browser.prefer("light").await;
    }
}
