//! The whole of the configuration, from a text to what is said of it.

mod connections;
mod contradictions;
mod mistakes;
mod routes;
mod showing;

use expect_test::Expect;

use super::*;

/// What is said of this file, as `file.toml`.
fn faults(text: &str) -> String {
    let (_, faults) = Config::read(Some(("file.toml".into(), text.to_owned())), &[]);
    faults.told(Some(Path::new("file.toml")), text)
}

fn check(text: &str, expected: Expect) {
    expected.assert_eq(&faults(text));
}

fn config(text: &str) -> Config {
    let (config, faults) = Config::read(Some(("file.toml".into(), text.to_owned())), &[]);
    assert_eq!(faults.count(Weight::Mistake), 0, "{}", faults.told(None, text));
    config
}
