//! The console in a real Chromium, as people use it.

mod accessible;
mod everywhere;
mod examples;
mod explain;
mod follow;
mod hostile;
mod login;
mod map;
mod settle;
mod stored;

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::gateway::Gateway;
use crate::http::Client;

/// A gateway with its console, and a browser.
struct Stage {
    gateway: Gateway,
    browser: Browser,
    admin: String,
}

impl Stage {
    /// Both, over an embedded origin in memory.
    async fn start() -> Stage {
        Stage::over(&["--data", "memory"]).await
    }

    async fn over(args: &[&str]) -> Stage {
        let gateway = Gateway::start(&[&["--ledger", "memory", "--admin", "127.0.0.1:0"], args].concat());
        let browser = Browser::start(1280, 900).await;
        let admin = gateway.admin.clone().unwrap();
        Stage {
            gateway,
            browser,
            admin,
        }
    }

    async fn open(&mut self, path: &str) {
        self.browser.open(&format!("http://{}{path}", self.admin)).await;
    }

    fn client(&self) -> Client {
        Client::new(&self.gateway.authority)
    }

    /// No message on the browser's console, and no request to anybody else.
    async fn was_quiet(&mut self) {
        let complaints = self.browser.complaints(&self.admin).await;
        assert!(complaints.is_empty(), "{complaints:#?}");
    }

    /// Two writers change the same member of one document from the same version; the id of the second one's write.
    async fn clash(&self, path: &str, ours: Value) -> String {
        let (mut one, mut two) = (self.client(), self.client());
        one.put(path, &[], &json!({"price": 1, "name": "n"})).await;
        one.get(path).await;
        two.get(path).await;
        one.put(path, &[], &json!({"price": 2, "name": "n"})).await;
        let refused = two.put(path, &[], &json!({"price": ours, "name": "n"})).await;
        assert_eq!(refused.status, 409, "{refused:?}");
        let mut console = Client::new(&self.admin);
        let stories = console.get("/api/stories").await.json();
        let mut stories = stories["stories"].as_array().unwrap().iter();
        let story = stories.find(|s| s["status"] == 409 && s["target"].as_str().unwrap().ends_with(path));
        story.unwrap()["id"].as_str().unwrap().to_owned()
    }
}
