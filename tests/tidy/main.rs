//! What the compiler cannot keep and a reader of this repository counts on. Each check is a function from files to
//! findings, runs here over the repository, and is itself tried on a bad example: a check that cannot fail is a defect.
//!
//! **What lives here**: rules about text (sizes, headers, wording, paths, links, decision records) and about manifests.
//! **What must not**: rules that rustc, clippy, rustfmt or cargo-deny keep, and tests of what the program does.

mod decision;
mod header;
mod image;
mod link;
mod place;
mod purity;
mod sent;
mod size;
mod step;
mod tree;
mod wording;

/// Fails with one finding per line, so that a run names all of them at once.
#[cfg(test)]
fn assert_nothing_found(findings: &[String]) {
    assert!(findings.is_empty(), "{} found:\n  {}", findings.len(), findings.join("\n  "));
}
