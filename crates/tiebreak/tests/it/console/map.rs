//! The concept map: pointing, previewing, dragging, searching, and all of it with the keyboard.

use serde_json::json;

use super::Stage;
use crate::browser::{ENTER, ESCAPE, RIGHT, TAB};

const NODE_409: &str = "a.node[data-slug='409']";

#[tokio::test(flavor = "multi_thread")]
async fn the_map_answers_the_pointer() {
    let mut stage = Stage::start().await;
    stage.open("/map").await;
    let browser = &mut stage.browser;
    // What is drawn is in the page: nothing is built, nothing is counted up from zero.
    let drawn = browser
        .eval("[document.querySelectorAll('a.node').length, document.querySelectorAll('path.edge').length]")
        .await;
    assert!(
        drawn[0].as_u64().unwrap() >= 50 && drawn[1].as_u64().unwrap() >= 100,
        "{drawn}"
    );
    browser.until("document.querySelector('.map-frame.live')").await;

    browser.hover(NODE_409).await;
    let near = "[...document.querySelectorAll('a.node.near')].map(n => n.dataset.slug)";
    browser.until(&format!("{near}.includes('412')")).await;
    let near = browser.eval(near).await;
    let near = near.as_array().unwrap();
    assert!(
        near.len() > 8 && near.len() < 40 && !near.contains(&json!("jitter")),
        "{near:?}"
    );

    browser.click(NODE_409).await;
    browser
        .until("document.querySelector('#map-preview').innerText.includes('clashes with what is there now')")
        .await;
    assert_eq!(browser.eval("location.pathname").await, "/map");

    let before = browser
        .eval(&format!(
            "document.querySelector(\"{NODE_409}\").getAttribute('transform')"
        ))
        .await;
    browser.press(&[ESCAPE]).await;
    browser.drag(NODE_409, (60, 90)).await;
    let moved = format!("document.querySelector(\"{NODE_409}\").getAttribute('transform')");
    browser.until(&format!("{moved} !== {before}")).await;
    let there = browser.eval(&moved).await;
    // It stays as arranged.
    stage.open("/map").await;
    let browser = &mut stage.browser;
    browser.until(&format!("{moved} === {there}")).await;
    browser.click("[data-zoom='reset']").await;
    browser
        .until(&format!("{moved} === {before}.replace(/(\\d+) (\\d+)/, '$1.0 $2.0')"))
        .await;

    browser.click("#map-find").await;
    browser.type_text("fencing").await;
    browser
        .until("document.querySelectorAll('a.node.near').length >= 1")
        .await;
    browser.press(&[ENTER]).await;
    browser
        .until("document.activeElement.dataset.slug === 'fencing-token'")
        .await;
    browser
        .until("document.querySelector('#map-preview').innerText.includes('older one is refused')")
        .await;
    stage.was_quiet().await;
}

/// What the style sheet shows before the script is what the script goes on with; the list comes after the first paint.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_jumps_when_the_script_begins() {
    let mut stage = Stage::start().await;
    for (width, height) in [(320, 640), (700, 900), (1280, 900), (1280, 500)] {
        stage.browser.width(width, height).await;
        stage.open("/map").await;
        let browser = &mut stage.browser;
        browser.until("document.querySelector('.map-frame.live')").await;
        browser
            .until("getComputedStyle(document.querySelector('.group')).contentVisibility === 'auto'")
            .await;
        let script = "
            const frame = document.querySelector('.map-frame'), svg = frame.querySelector('svg.map');
            const at = () => ['409', 'lane', 'retry'].flatMap((slug) => {
                const box = svg.querySelector(`a.node[data-slug='${slug}'] rect`).getBoundingClientRect();
                return [box.x, box.y, box.width];
            });
            const lively = at();
            frame.classList.remove('live');
            svg.setAttribute('viewBox', '0 0 1500 988');
            svg.querySelector('.scene').removeAttribute('transform');
            const first = at();
            return [Math.max(...lively.map((n, i) => Math.abs(n - first[i]))), lively, first];";
        let told = browser.run(script, json!([])).await;
        assert!(told[0].as_f64().unwrap() < 2.0, "{width} x {height}: {told}");
    }
    stage.was_quiet().await;
}

/// Every pointer move is answered well within a frame: what the handlers do, with the style and layout that follow.
#[tokio::test(flavor = "multi_thread")]
async fn each_move_is_answered_within_a_frame() {
    let mut stage = Stage::start().await;
    stage.open("/map").await;
    let browser = &mut stage.browser;
    browser.until("document.querySelector('.map-frame.live')").await;
    browser
        .until("performance.getEntriesByName('first-contentful-paint').length")
        .await;
    let script = "
        const took = [];
        const over = (target) => target.dispatchEvent(new PointerEvent('pointerover', {bubbles: true, pointerType: 'mouse'}));
        for (let round = 0; round < 3; round++) for (const node of document.querySelectorAll('a.node')) {
            const from = performance.now();
            over(node.querySelector('rect'));
            document.querySelector('#map').getBoundingClientRect();
            getComputedStyle(node).opacity;
            took.push(performance.now() - from);
        }
        took.sort((a, b) => a - b);
        return [took[took.length >> 1], took.length, performance.getEntriesByName('first-contentful-paint')[0].startTime];";
    let told = browser.run(script, json!([])).await;
    let median = told[0].as_f64().unwrap();
    eprintln!(
        "a move takes {median:.2} ms (median of {}), first paint after {} ms",
        told[1], told[2]
    );
    assert!(median < 16.0, "{median} ms");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keyboard_alone_will_do() {
    let mut stage = Stage::start().await;
    stage.open("/map?at=412").await;
    let browser = &mut stage.browser;
    browser.until("document.querySelector('.map-frame.live')").await;
    assert_eq!(
        browser
            .eval("document.querySelector('.you').parentElement.dataset.slug")
            .await,
        "412"
    );
    // The first stop leads past the navigation.
    browser.press(&[TAB]).await;
    assert_eq!(browser.eval("document.activeElement.className").await, "skip");
    for _ in 0..20 {
        if browser.eval("document.activeElement.dataset.slug || ''").await == "412" {
            break;
        }
        browser.press(&[TAB]).await;
    }
    // One stop for the whole map, where one is.
    assert_eq!(browser.eval("document.activeElement.dataset.slug").await, "412");
    browser.press(&[RIGHT]).await;
    browser
        .until("(document.activeElement.dataset.slug || '412') !== '412'")
        .await;
    let there = browser.eval("document.activeElement.dataset.slug").await;
    browser.press(&[ENTER]).await;
    browser.until("!document.querySelector('#map-preview').hidden").await;
    browser.press(&[ESCAPE]).await;
    browser.until("document.querySelector('#map-preview').hidden").await;
    assert_eq!(browser.eval("document.activeElement.dataset.slug").await, there);
    browser.press(&[ENTER, ENTER]).await;
    browser
        .until(&format!("location.pathname === '/terms/' + {there}"))
        .await;
    stage.was_quiet().await;
}
