//! The built-in packs.

use std::sync::LazyLock;

use super::{Pack, load};

macro_rules! packs {
    ($($name:literal),* $(,)?) => {
        const TEXTS: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../../dialects/", $name, ".toml")))),*];
    };
}

packs!["kubernetes",];

static PACKS: LazyLock<Vec<Pack>> = LazyLock::new(|| {
    TEXTS
        .iter()
        // A pack that does not load is left out; a test loads them all.
        .filter_map(|(name, text)| load::load(name, text).ok())
        .collect()
});

/// The built-in packs, in the order in which they are asked.
pub(crate) fn standard() -> &'static [Pack] {
    &PACKS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_pack_loads_with_examples_and_sources() {
        for (name, text) in TEXTS {
            let pack = load::load(name, text).unwrap_or_else(|e| panic!("failed to {e}"));
            assert_eq!(pack.name(), *name);
            assert!(!pack.examples().is_empty(), "{name} has no example");
            assert!(pack.sources().iter().all(|s| s.starts_with("https://")), "{name}");
        }
    }
}
