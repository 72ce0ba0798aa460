//! The files of the repository as git knows them: tracked ones, and new ones that it does not ignore.

use std::path::Path;
use std::process::Command;

/// One text file.
pub(crate) struct SourceFile {
    /// Path from the repository's root, with forward slashes.
    pub(crate) path: String,
    /// Its whole text.
    pub(crate) text: String,
}

impl SourceFile {
    /// An invented file, for trying a check on.
    pub(crate) fn invented(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// `src/plan/mod.rs` -> `mod.rs`.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// `src/plan/mod.rs` -> `src/plan`; empty at the root.
    pub(crate) fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// Whether the file is Rust.
    pub(crate) fn is_rust(&self) -> bool {
        self.has_extension("rs")
    }

    /// Whether the file is Markdown.
    pub(crate) fn is_markdown(&self) -> bool {
        self.has_extension("md")
    }

    /// Whether the file is a test module that stands beside the file it tests.
    pub(crate) fn is_sibling_test(&self) -> bool {
        let below_source = self.path.starts_with("src/") || self.path.contains("/src/");
        let is_test = |name: &str| name == "tests.rs" || name.ends_with("_tests.rs");
        below_source && (is_test(self.name()) || self.folder().ends_with("/tests"))
    }

    fn has_extension(&self, wanted: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|extension| extension == wanted)
    }
}

/// The repository's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every text file; files that are not UTF-8 are left out.
pub(crate) fn repository() -> Result<Vec<SourceFile>, String> {
    let listed = Command::new("git")
        // A checkout may belong to another user than the one who tests it; git would refuse to list it.
        .args(["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .map_err(|error| format!("failed to run git ls-files: {error}; install git"))?;
    if !listed.status.success() {
        return Err(format!("git ls-files failed: {}", String::from_utf8_lossy(&listed.stderr)));
    }
    let paths = String::from_utf8_lossy(&listed.stdout).into_owned();
    Ok(paths
        .split('\0')
        .filter(|path| !path.is_empty())
        .filter_map(|path| {
            let text = std::fs::read_to_string(root().join(path)).ok()?;
            Some(SourceFile { path: path.to_owned(), text })
        })
        .collect())
}

#[test]
fn the_repository_is_read_with_its_paths() {
    let files = repository().unwrap();
    let manifest = files.iter().find(|file| file.path == "Cargo.toml").unwrap();
    assert!(manifest.text.contains("[workspace]"));
    let own = files.iter().find(|file| file.path == "tests/tidy/tree.rs").unwrap();
    assert_eq!((own.name(), own.folder()), ("tree.rs", "tests/tidy"));
    assert!(own.is_rust() && !own.is_markdown());
}
