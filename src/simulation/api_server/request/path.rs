//! Paths of the API.

use std::borrow::Cow;

use super::query::decode;

/// What a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Place {
    /// A resource or an object.
    Resource {
        group: String,
        version: String,
        plural: String,
        namespace: Option<String>,
        name: Option<String>,
        subresource: String,
    },
    /// What is served, by group and version; without a version the whole group, without a group all groups.
    Discovery { group: Option<String>, version: Option<String> },
    /// `/api`.
    CoreVersions,
    /// `/version`.
    Version,
    /// `/healthz` and its kin.
    Health,
}

/// What a path names; `None` where it names nothing.
pub(in super::super) fn place_of(path: &str) -> Option<Place> {
    let parts: Vec<Cow<'_, str>> =
        path.split('/').filter(|part| !part.is_empty()).map(|part| decode(part, false)).collect();
    let parts: Vec<&str> = parts.iter().map(AsRef::as_ref).collect();
    match parts.as_slice() {
        ["version"] => Some(Place::Version),
        ["healthz" | "livez" | "readyz", ..] => Some(Place::Health),
        ["api"] => Some(Place::CoreVersions),
        ["apis"] => Some(Place::Discovery { group: None, version: None }),
        ["apis", group] => Some(Place::Discovery { group: Some((*group).to_owned()), version: None }),
        ["api", version] => Some(Place::Discovery { group: Some(String::new()), version: Some((*version).to_owned()) }),
        ["apis", group, version] => {
            Some(Place::Discovery { group: Some((*group).to_owned()), version: Some((*version).to_owned()) })
        }
        ["api", version, rest @ ..] => resource("", version, rest),
        ["apis", group, version, rest @ ..] => resource(group, version, rest),
        _ => None,
    }
}

fn resource(group: &str, version: &str, rest: &[&str]) -> Option<Place> {
    let own = |text: &&str| (*text).to_owned();
    let (namespace, plural, rest) = match rest {
        ["namespaces"] => (None, "namespaces", &[] as &[&str]),
        // A namespace itself, or its subresource.
        ["namespaces", _] | ["namespaces", _, "status" | "finalize"] => (None, "namespaces", rest.get(1..)?),
        ["namespaces", namespace, plural, rest @ ..] => (Some(own(namespace)), *plural, rest),
        [plural, rest @ ..] => (None, *plural, rest),
        [] => return None,
    };
    let subresource = rest.get(1..).unwrap_or_default().join("/");
    Some(Place::Resource {
        group: group.to_owned(),
        version: version.to_owned(),
        plural: plural.to_owned(),
        namespace,
        name: rest.first().map(own),
        subresource,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(path: &str) -> String {
        match place_of(path) {
            Some(Place::Resource { group, version, plural, namespace, name, subresource }) => {
                format!("{group}/{version} {plural} {namespace:?} {name:?} {subresource}")
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn each_form_of_path_names_what_it_should() {
        for (path, expected) in [
            ("/api/v1/namespaces", "/v1 namespaces None None "),
            ("/api/v1/namespaces/a", "/v1 namespaces None Some(\"a\") "),
            ("/api/v1/namespaces/a/status", "/v1 namespaces None Some(\"a\") status"),
            ("/api/v1/namespaces/a/pods", "/v1 pods Some(\"a\") None "),
            ("/api/v1/pods", "/v1 pods None None "),
            ("/apis/apps/v1/namespaces/a/deployments/b/scale", "apps/v1 deployments Some(\"a\") Some(\"b\") scale"),
            ("/apis/x.dev/v1/things/b", "x.dev/v1 things None Some(\"b\") "),
            ("/version", "Some(Version)"),
            ("/metrics", "None"),
        ] {
            assert_eq!(told(path), expected, "{path}");
        }
    }
}
