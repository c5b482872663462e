//! Every kind of problem has its page.

use std::fs;
use std::path::Path;

use tiebreak_core::problem::Kind;

const PAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/problems/");

#[test]
fn every_kind_has_its_page_and_a_line_in_the_index() {
    let index = fs::read_to_string(Path::new(PAGES).join("README.md")).expect("the index");
    for kind in Kind::ALL {
        let (slug, title, status) = (kind.slug(), kind.title(), kind.status());
        let page = fs::read_to_string(Path::new(PAGES).join(format!("{slug}.md")));
        let page = page.unwrap_or_else(|e| panic!("docs/problems/{slug}.md: {e}"));
        let start = format!("# {title}\n\n`{slug}`, status {status}");
        assert!(
            page.starts_with(&start),
            "{slug}.md starts with another title or status"
        );
        for part in ["**What it means.**", "**Why you see it.**", "**What to do.**"] {
            assert!(page.contains(part), "{slug}.md lacks {part}");
        }
        assert!(
            index.contains(&format!("| [`{slug}`]({slug}.md) | {status}")),
            "{slug} in the index"
        );
    }
    let files = fs::read_dir(PAGES).expect("the folder").count();
    assert_eq!(files, Kind::ALL.len() + 1, "a page about a kind that is not");
}
