use super::*;

async fn items(format: Format, mode: Mode, place: Place, text: &[u8]) -> Vec<Item> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("input");
    std::fs::write(&path, text).unwrap();
    let source = Source {
        path: Some(path),
        format,
        mode,
        place,
    };
    let (mut receive, _) = start(source).unwrap();
    let mut all = Vec::new();
    while let Some(item) = receive.recv().await {
        all.push(item);
    }
    all
}

fn summary(items: &[Item]) -> Vec<(u64, Result<String, String>)> {
    let told = |item: &Item| match item {
        Item::Line { line, what, .. } => {
            let entry = what.as_ref().map_err(Clone::clone);
            let text = entry.map(|e| {
                format!(
                    "{} {} {}",
                    e.method,
                    e.target.path(),
                    String::from_utf8_lossy(&e.content)
                )
            });
            (*line, text)
        }
        Item::Broken(why) => (0, Err(why.clone())),
    };
    items.iter().map(told).collect()
}

fn records() -> Mode {
    Mode::Records(RecordRules {
        method: http::Method::PUT,
        id: Some(tiebreak_core::json::Pointer::parse("/id").unwrap()),
        key: Vec::new(),
    })
}

const CSV: Format = Format::Csv {
    delimiter: b',',
    typed: false,
};

#[tokio::test]
async fn ndjson_keeps_its_line_numbers_over_what_is_malformed() {
    let text = b"\xef\xbb\xbf{\"method\":\"DELETE\",\"path\":\"/a/1\"}\r\n\n[1]\n{\"a\":1,\"a\":2}\n{\"method\":\n\xff\n{\"method\":\"DELETE\",\"path\":\"/a/2\"}";
    let got = summary(&items(Format::Ndjson, Mode::Writes, Place::embedded(), text).await);
    let lines: Vec<u64> = got.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [1, 3, 4, 5, 6, 7]);
    assert_eq!(got[0].1.as_deref(), Ok("DELETE /a/1 "));
    assert_eq!(got[5].1.as_deref(), Ok("DELETE /a/2 "));
    assert!(got[1].1.as_ref().unwrap_err().contains("object"));
    assert!(
        got[2..5]
            .iter()
            .all(|(_, what)| what.as_ref().unwrap_err().contains("JSON")),
        "{got:?}"
    );
}

#[tokio::test]
async fn the_first_line_decides_what_all_are() {
    let rules = || match records() {
        Mode::Records(rules) => Mode::AsTheFirst(rules),
        other => other,
    };
    let to = || Place::to("/a").unwrap();
    let writes = b"{\"method\":\"DELETE\",\"path\":\"/1\"}\n{\"id\":\"2\"}";
    let got = summary(&items(Format::Ndjson, rules(), to(), writes).await);
    assert_eq!(got[0].1.as_deref(), Ok("DELETE /a/1 "));
    assert!(got[1].1.is_err());
    let recorded = b"{\"id\":\"2\"}\n{\"method\":\"DELETE\",\"path\":\"/1\",\"id\":\"3\"}";
    let got = summary(&items(Format::Ndjson, rules(), to(), recorded).await);
    assert_eq!(got[0].1.as_deref(), Ok("PUT /a/2 {\"id\":\"2\"}"));
    assert!(got[1].1.as_deref().unwrap().starts_with("PUT /a/3"));
}

#[tokio::test]
async fn ragged_rows_are_named_and_the_others_go_on() {
    let text = b"id,name\n1,\"a\nb\"\n2\n3,c,d\n4,e\n";
    let got = summary(&items(CSV, records(), Place::to("/a").unwrap(), text).await);
    let expected = [
        (2, Ok(r#"PUT /a/1 {"id":"1","name":"a\nb"}"#.to_owned())),
        (4, Err("read it: it has 1 fields, the header has 2".to_owned())),
        (5, Err("read it: it has 3 fields, the header has 2".to_owned())),
        (6, Ok(r#"PUT /a/4 {"id":"4","name":"e"}"#.to_owned())),
    ];
    assert_eq!(got, expected);
}

#[tokio::test]
async fn cells_are_texts_unless_types_are_asked_for() {
    let typed = Format::Csv {
        delimiter: b';',
        typed: true,
    };
    let text = b"id;n;t;e;s\nx;1.50;true;;1 2\n";
    let got = summary(&items(typed, records(), Place::to("/a").unwrap(), text).await);
    assert_eq!(
        got[0].1.as_deref(),
        Ok(r#"PUT /a/x {"id":"x","n":1.50,"t":true,"s":"1 2"}"#)
    );
}

#[tokio::test]
async fn rows_may_be_full_writes() {
    let text = b"method,path,body,if_match\nPUT,/a/1,\"{\"\"x\"\":1}\",v1\nDELETE,/a/2,,\nPUT,/a/3,{,\n";
    let got = summary(&items(CSV, Mode::Writes, Place::embedded(), text).await);
    assert_eq!(got[0].1.as_deref(), Ok("PUT /a/1 {\"x\":1}"));
    assert_eq!(got[1].1.as_deref(), Ok("DELETE /a/2 "));
    assert!(got[2].1.as_ref().unwrap_err().contains("`body`"));
}

#[tokio::test]
async fn a_quote_that_is_never_closed_ends_the_input_within_bounds() {
    let mut text = b"id,name\n1,a\n2,\"b\n".to_vec();
    text.extend(std::iter::repeat_n(b'x', (17 << 20) + 5));
    let got = summary(&items(CSV, records(), Place::to("/a").unwrap(), &text).await);
    assert_eq!(got.len(), 2, "{got:?}");
    assert!(got[0].1.is_ok());
    assert!(got[1].1.as_ref().unwrap_err().contains("quote"));
}

#[tokio::test]
async fn a_header_with_a_name_twice_is_refused() {
    let got = summary(&items(CSV, records(), Place::to("/a").unwrap(), b"id,id\n1,2\n").await);
    assert_eq!(got.len(), 1);
    assert!(got[0].1.as_ref().unwrap_err().contains("comes twice"));
}
