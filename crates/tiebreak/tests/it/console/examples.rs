//! The commands on the pages about terms do what the pages show.

use std::collections::HashMap;
use std::process::Command;

use crate::gateway::Gateway;

/// The commands of a text, each with the output that it shows.
fn commands(text: &str) -> Vec<(String, Vec<String>)> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    let mut within = false;
    for line in text.lines() {
        if line.starts_with("```") {
            within = line == "```console";
        } else if let (true, Some(command)) = (within, line.strip_prefix("$ ")) {
            found.push((command.to_owned(), Vec::new()));
        } else if let (true, Some((_, output))) = (within, found.last_mut()) {
            output.push(line.to_owned());
        }
    }
    found
}

fn tag(line: &str) -> Option<&str> {
    line.strip_prefix("etag: ")
}

#[test]
fn every_example_does_what_it_shows() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/console/terms");
    let gateway = Gateway::start(&["--ledger", "memory", "--data", "memory"]);
    let mut ran = 0;
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    for file in files.iter().filter(|f| f.extension().is_some_and(|e| e == "md")) {
        // Entity tags differ each time; what a page takes for one stands for the one that came.
        let mut tags: HashMap<String, String> = HashMap::new();
        let real = |text: &str, tags: &HashMap<String, String>| {
            tags.iter().fold(text.to_owned(), |text, (shown, came)| {
                text.replace(shown.as_str(), came)
            })
        };
        for (command, shown) in commands(&std::fs::read_to_string(file).unwrap()) {
            let command = real(&command, &tags).replace("127.0.0.1:4090", &gateway.authority);
            let output = Command::new("bash").args(["-c", &command]).output().unwrap();
            let output = String::from_utf8(output.stdout).unwrap();
            let came: Vec<&str> = output.lines().map(str::trim_end).collect();
            let place = format!("{}: {command}\n{output}", file.display());
            assert_eq!(came.len(), shown.len(), "{place}");
            for (shown, came) in shown.iter().zip(came) {
                match (tag(shown), tag(came)) {
                    (Some(shown), Some(came)) => drop(tags.insert(shown.to_owned(), came.to_owned())),
                    _ => assert_eq!(real(shown, &tags), came, "{place}"),
                }
            }
            ran += 1;
        }
    }
    assert!(ran >= 15, "{ran}");
}
