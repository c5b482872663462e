//! The built-in packs.

use std::sync::LazyLock;

use super::{PackSet, load};

macro_rules! packs {
    ($($name:literal),* $(,)?) => {
        const TEXTS: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../../dialects/", $name, ".toml")))),*];
    };
}

packs![
    "edge",
    "idempotency-key",
    "dynamodb",
    "cosmos",
    "azure-storage",
    "azure-arm",
    "kinto",
    "adyen",
    "app-store-connect",
    "auth0",
    "awx",
    "bitbucket",
    "bitbucket-cloud",
    "box",
    "consul",
    "contentful",
    "couchdb",
    "databricks",
    "directus",
    "docker",
    "dropbox",
    "elasticsearch",
    "etcd",
    "fastapi",
    "gitea",
    "github",
    "gitlab",
    "gocardless",
    "google",
    "google-rpc",
    "grafana",
    "hasura",
    "hubspot",
    "intercom",
    "jenkins",
    "kafka-connect",
    "keycloak",
    "kubernetes",
    "nomad",
    "notion",
    "npm",
    "oci-registry",
    "okta",
    "openai",
    "openstack",
    "paddle",
    "parse",
    "paypal",
    "pypi",
    "quickbooks",
    "s3",
    "sanity",
    "salesforce",
    "schema-registry",
    "scim",
    "solid",
    "solr",
    "square",
    "strapi",
    "stripe",
    "tus",
    "vault",
    "zendesk",
    "laravel",
    "rails",
    "django",
    "spring",
    "aspnet",
    "odata",
    "aws",
    "atlassian",
    "commercetools",
    "mailchimp",
    "pocketbase",
    "postgrest",
    "webdav",
];

static PACKS: LazyLock<PackSet> = LazyLock::new(|| {
    PackSet::new(
        TEXTS
            .iter()
            // A pack that does not load is left out; a test loads them all.
            .filter_map(|(name, text)| load::load(name, text).ok())
            .collect(),
    )
});

/// The built-in packs, in the order in which they are asked.
pub(crate) fn standard() -> &'static PackSet {
    &PACKS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::Judge;

    #[test]
    fn every_built_in_pack_loads_with_examples_and_sources() {
        let mut wrong: Vec<String> = Vec::new();
        for (name, text) in TEXTS {
            let pack = load::load(name, text).unwrap_or_else(|e| panic!("failed to {e}"));
            assert_eq!(pack.name(), *name);
            assert!(!pack.examples().is_empty(), "{name} has no example");
            if let Err(failures) = Judge::standard().check(&pack) {
                let told: Vec<_> = failures.iter().map(ToString::to_string).collect();
                wrong.push(told.join("\n"));
            }
            assert!(pack.sources().iter().all(|s| s.starts_with("https://")), "{name}");
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(TEXTS.len() >= 40, "{}", TEXTS.len());
    }
}
