//! Paths of the Kubernetes API.

/// The path of a resource's objects: of one namespace, or of the whole cluster.
pub(super) fn collection_path(group: &str, version: &str, plural: &str, namespace: Option<&str>) -> String {
    let root = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
    match namespace {
        Some(namespace) => format!("{root}/namespaces/{namespace}/{plural}"),
        None => format!("{root}/{plural}"),
    }
}

/// Query parameters as they stand in a path; empty where there are none.
pub(super) fn query_text(pairs: &[(String, String)]) -> String {
    let written: Vec<String> =
        pairs.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
    if written.is_empty() { String::new() } else { format!("?{}", written.join("&")) }
}

/// Text with a percent sign and two digits for all but letters, digits and `-._~`.
pub(super) fn escaped(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_group_namespace_and_parameters() {
        assert_eq!(collection_path("", "v1", "pods", Some("chat")), "/api/v1/namespaces/chat/pods");
        assert_eq!(collection_path("apps", "v1", "deployments", None), "/apis/apps/v1/deployments");
        let pairs = [("labelSelector", "a in (b,ü)"), ("limit", "500")];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(query_text(&pairs), "?labelSelector=a%20in%20%28b%2C%C3%BC%29&limit=500");
        assert_eq!(query_text(&[]), "");
    }
}
