//! An API that answers with scripts, a client that sends secrets, and requests that mean harm.

use http::Method;
use serde_json::json;

use crate::gateway::Gateway;
use crate::http::{Client, Got};
use crate::recorder::Recorder;

/// What an attacker would like to see run, wherever an answer or a request is shown.
const SCRIPT: &str = "<script>document.title='hit'</script><img src=x onerror=alert(1)>";

fn hostile(method: &str, path: &str) -> String {
    let status = match (method, path.split('?').next()) {
        ("GET", _) => "404 Not Found",
        (_, Some("/lost")) => "502 Bad Gateway",
        (_, Some("/wall")) => "403 Forbidden\r\ncf-mitigated: challenge<script>",
        _ => "409 Conflict",
    };
    let content =
        json!({"error": format!("{SCRIPT} already exists"), "code": SCRIPT, "location": "javascript:alert(1)"});
    let content = content.to_string();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nETag: \"{SCRIPT}\"\r\nLocation: javascript:alert('{SCRIPT}')\r\nContent-Length: {}\r\n\r\n{content}",
        content.len()
    )
}

/// The page is ours alone, whatever was asked for and however it was answered.
fn is_safe(what: &str, got: &Got) -> String {
    let policy = got.field("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'") && !policy.contains("unsafe"),
        "{what}: {policy:?}"
    );
    assert_eq!(got.field("x-content-type-options"), "nosniff", "{what}");
    let text = String::from_utf8_lossy(&got.content).into_owned();
    if got.field("content-type").starts_with("text/html") {
        for bad in ["<script>document", "<img", "href=\"javascript", "onerror=\""] {
            assert!(!text.contains(bad), "{what}: {bad} in {text}");
        }
    }
    assert!(!text.contains("SECRET"), "{what}: {text}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_scripts_nor_secrets_come_through() {
    let origin = Recorder::start(hostile).await;
    let upstream = format!("http://{}", origin.authority);
    let args = [
        "--ledger",
        "memory",
        "--upstream",
        &upstream,
        "--admin",
        "127.0.0.1:0",
        "--late-after",
        "200ms",
    ];
    let log = [("TIEBREAK_LOG", "tiebreak=trace")];
    let gateway = Gateway::start_with(tempfile::tempdir().unwrap(), &args, &log);
    let mut client = Client::new(&gateway.authority);
    let fields = [
        ("authorization", "Bearer SECRET1"),
        ("cookie", "session=SECRET2"),
        ("x-api-key", "SECRET3"),
        ("idempotency-key", "\"SECRET4\""),
    ];
    let mut ids = Vec::new();
    for path in ["/taken", "/wall", "/lost"] {
        let query = "?access_token=SECRET5&api%5Fkey=SECRET6&X-Amz-Signature=SECRET7";
        let content = json!({"password": "SECRET8", "note": "SECRET9"});
        let got = client.post(&format!("{path}{query}"), &fields, &content).await;
        let id = got.field("tiebreak").split("id=\"").nth(1).unwrap()[..32].to_owned();
        ids.push(id);
    }

    let mut console = Client::new(gateway.admin.clone().unwrap());
    let mut pages: Vec<String> = [
        "/",
        "/live",
        "/writes",
        "/writes?q=%3Cscript%3Edocument&from=%3Cimg%20src=x%3E",
        "/writes?q=taken&key=%3Cimg%3E",
        "/writes/%3Cscript%3Edocument",
        "/terms/%3Cscript%3Edocument",
        "/problems/%3Cimg",
        "/map?at=%3Cimg",
        "/none/%3Cimg%20src=x%3E",
        "/assets/x/..%2f..%2fapi",
        "/api/stories",
        "/api/writes",
        "/api/doubts",
        "/api/counts",
        "/api/writes?state=%3Cimg%3E",
        "/metrics",
        "/login",
        "/readyz",
    ]
    .map(str::to_owned)
    .into();
    pages.extend(ids.iter().map(|id| format!("/writes/{id}")));
    pages.extend(ids.iter().map(|id| format!("/api/stories/{id}")));
    let mut shown = 0;
    for page in &pages {
        for accept in ["text/html", "*/*"] {
            let got = console.send(Method::GET, page, &[("accept", accept)], "").await;
            let text = is_safe(page, &got);
            shown += text.matches("&lt;script&gt;document").count();
        }
    }
    assert!(shown > 0, "nobody sees what the API has answered");

    let form = [("content-type", "application/x-www-form-urlencoded")];
    let (doubt, settled) = (&ids[2], &ids[0]);
    for (path, content) in [
        (format!("/writes/{doubt}/prove"), ""),
        (format!("/writes/{doubt}/settle"), "as=%3Cimg%3E&reason=x"),
        (format!("/writes/{doubt}/settle"), "as=applied&reason=%0A"),
        (format!("/writes/{settled}/settle"), "as=applied&reason=x"),
        ("/writes/x/settle".to_owned(), "as=applied&reason=x"),
        (format!("/writes/{doubt}/settle"), "reason=%ff"),
        (
            "/explain".to_owned(),
            "text=HTTP/1.1+409+%3Cimg%0A%0A%3Cscript%3Edocument",
        ),
        ("/explain".to_owned(), "text=x&status=%3Cimg%3E"),
        ("/api/explain".to_owned(), "%3Cimg"),
        ("/login".to_owned(), "token=%3Cimg"),
        ("/none".to_owned(), ""),
    ] {
        let got = console.send(Method::POST, &path, &form, content).await;
        is_safe(&path, &got);
    }
    // Another site's page settles nothing, however it is sent.
    let form = form[0];
    for field in [
        ("origin", "http://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("host", "evil.example"),
    ] {
        let path = format!("/writes/{doubt}/settle");
        let got = console
            .send(Method::POST, &path, &[form, field], "as=applied&reason=x")
            .await;
        assert!(matches!(got.status.as_u16(), 403 | 421), "{field:?}: {got:?}");
        is_safe("another site's", &got);
    }
    let open = console.get("/api/doubts").await.json();
    assert_eq!(open["doubts"][0]["id"], **doubt, "{open}");

    let (_folder, said) = gateway.finish().await;
    let said = said.join("\n");
    assert!(!said.contains("SECRET"), "{said}");
}
