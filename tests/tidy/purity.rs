//! The pure core stays pure: `no_std`, and no dependency that could bring a client, an executor, a clock or chance.

use crate::tree::SourceFile;

const MANIFEST: &str = "crates/core/Cargo.toml";
const WORKSPACE: &str = "Cargo.toml";
const ROOT: &str = "crates/core/src/lib.rs";

/// Starts of the names of crates that act, wait, read a clock or draw numbers. `time` and `futures` are whole families.
const IMPURE: [&str; 24] = [
    "kube",
    "k8s",
    "tokio",
    "async",
    "futures",
    "smol",
    "hyper",
    "reqwest",
    "tower",
    "axum",
    "ureq",
    "chrono",
    "time",
    "rand",
    "getrandom",
    "fastrand",
    "oorandom",
    "uuid",
    "tracing",
    "log",
    "dirs",
    "tempfile",
    "rayon",
    "crossbeam",
];

/// Crates whose default features hold nothing of `std`. Any other must switch its default features off.
const DEFAULTS_ARE_PURE: [&str; 1] = ["libm"];

/// What would let the core act, or see time or chance.
pub(crate) fn check_purity(files: &[SourceFile]) -> Vec<String> {
    let text_of = |path: &str| files.iter().find(|file| file.path == path).map(|file| file.text.as_str());
    let (Some(manifest), Some(workspace), Some(root)) = (text_of(MANIFEST), text_of(WORKSPACE), text_of(ROOT)) else {
        return vec![format!("{MANIFEST}, {WORKSPACE} or {ROOT} is not there")];
    };
    let mut findings = Vec::new();
    let attributes = ["#![no_std]", "#![cfg_attr(not(test), no_std)]"];
    if !root.lines().any(|line| attributes.contains(&line.trim())) {
        findings.push(format!("{ROOT}: the crate is not no_std"));
    }
    let core = files.iter().filter(|file| file.path.starts_with("crates/core/src/") && file.is_rust());
    findings.extend(
        core.filter(|file| file.text.contains(concat!("extern crate ", "std")))
            .map(|file| format!("{}: links std by name", file.path)),
    );
    for (name, line) in dependencies(manifest) {
        if IMPURE.iter().any(|impure| starts_family(&name, impure)) {
            findings.push(format!("{MANIFEST}: depends on {name}, which acts, waits, or knows time or chance"));
        }
        let declared = if line.contains("workspace") { workspace_line(workspace, &name) } else { Some(line.as_str()) };
        let switched_off = declared.is_some_and(|line| line.contains("default-features = false"));
        if !switched_off && !DEFAULTS_ARE_PURE.contains(&name.as_str()) {
            findings.push(format!("{MANIFEST}: {name} keeps its default features; write default-features = false"));
        }
    }
    findings
}

/// Name and line of each dependency of a manifest that is built into the crate (development ones are not). A renamed
/// one has the name of its package.
fn dependencies(manifest: &str) -> Vec<(String, String)> {
    let mut in_dependencies = false;
    let mut found = Vec::new();
    for line in manifest.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            in_dependencies = (section == "dependencies" || section == "build-dependencies")
                || section.starts_with("target.")
                    && section.ends_with("dependencies")
                    && !section.ends_with("dev-dependencies");
            if let Some(name) = section.strip_prefix("dependencies.") {
                found.push((name.to_owned(), line.to_owned()));
            }
        } else if in_dependencies && !line.starts_with('#') {
            let Some((name, value)) = line.split_once('=') else { continue };
            let renamed = value.split_once("package").and_then(|(_, rest)| rest.split('"').nth(1));
            let name = name.trim().trim_end_matches(".workspace").trim_matches('"');
            found.push((renamed.unwrap_or(name).to_owned(), line.to_owned()));
        }
    }
    found
}

/// The line of `[workspace.dependencies]` that declares `name`.
fn workspace_line<'text>(workspace: &'text str, name: &str) -> Option<&'text str> {
    let section = workspace.split("[workspace.dependencies]").nth(1)?;
    section
        .lines()
        .take_while(|line| !line.starts_with('['))
        .find(|line| line.split_once('=').is_some_and(|(declared, _)| declared.trim() == name))
}

/// `tokio` and `tokio-util` are of the family `tokio`; `timely` is not of the family `time`.
fn starts_family(name: &str, family: &str) -> bool {
    name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{assert_nothing_found, tree::repository};

    const GOOD_WORKSPACE: &str =
        "[workspace.dependencies]\njiff = { version = \"0.2\", default-features = false }\nserde = \"1\"\n";

    fn check(root: &str, manifest: &str) -> Vec<String> {
        check_purity(&[
            SourceFile::invented(MANIFEST, manifest),
            SourceFile::invented(WORKSPACE, GOOD_WORKSPACE),
            SourceFile::invented(ROOT, root),
        ])
    }

    #[test]
    fn the_core_has_no_std_and_depends_on_nothing_that_acts_or_knows_time_or_chance() {
        assert_nothing_found(&check_purity(&repository().unwrap()));
    }

    #[test]
    fn a_pure_core_passes() {
        let manifest = "[dependencies]\njiff.workspace = true\nlibm = \"0.2\"\n\n[dev-dependencies]\nrand = \"1\"\n";
        assert_nothing_found(&check("//! x\n#![no_std]\n", manifest));
    }

    #[test]
    fn each_way_to_lose_purity_is_found() {
        let pure = "//! x\n#![cfg_attr(not(test), no_std)]\n";
        let cases = [
            (pure, "[dependencies]\nkube = { version = \"5\", default-features = false }\n", "depends on kube"),
            (
                pure,
                "[dependencies]\ntokio-util = { version = \"0\", default-features = false }\n",
                "depends on tokio-util",
            ),
            (
                pure,
                "[dependencies]\nn = { package = \"rand\", version = \"1\", default-features = false }\n",
                "depends on rand",
            ),
            (
                pure,
                "[target.'cfg(unix)'.dependencies]\ntime = { version = \"0\", default-features = false }\n",
                "depends on time",
            ),
            (pure, "[dependencies.chrono]\nversion = \"0.4\"\n", "depends on chrono"),
            (pure, "[dependencies]\nserde.workspace = true\n", "serde keeps its default features"),
            (pure, "[dependencies]\nsha2 = \"0.11\"\n", "sha2 keeps its default features"),
            ("//! x\n", "[dependencies]\n", "the crate is not no_std"),
            (concat!("#![no_std]\nextern crate ", "std;\n"), "[dependencies]\n", "links std by name"),
        ];
        for (root, manifest, expected) in cases {
            let found = check(root, manifest);
            assert!(found.iter().any(|finding| finding.contains(expected)), "{expected}: {found:?}");
        }
    }

    #[test]
    fn a_name_that_only_begins_alike_is_left_alone() {
        assert!(starts_family("async-trait", "async") && starts_family("rand_core", "rand"));
        assert!(!starts_family("timely", "time") && !starts_family("logos", "log"));
    }

    #[test]
    fn a_core_that_is_not_there_is_found() {
        assert_eq!(check_purity(&[]).len(), 1);
    }
}
