//! Every file says what it is, and every folder has one file that says what lives in it.

use std::collections::BTreeSet;

use crate::tree::SourceFile;

/// Rust files whose first line is not module documentation. The name of a test module beside its file says it all.
pub(crate) fn check_headers(files: &[SourceFile]) -> Vec<String> {
    files
        .iter()
        .filter(|file| file.is_rust() && !file.is_sibling_test())
        .filter(|file| {
            let first = file.text.lines().next().unwrap_or_default();
            first.strip_prefix("//!").is_none_or(|header| header.trim().is_empty())
        })
        .map(|file| format!("{}:1: does not open with `//!` and what the file is", file.path))
        .collect()
}

/// Source folders without a file that opens them: `mod.rs`, a crate's root, or a file of the folder's name beside it.
pub(crate) fn check_folders(files: &[SourceFile]) -> Vec<String> {
    let paths: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let folders: BTreeSet<&str> = files
        .iter()
        .filter(|file| file.is_rust() && (file.path.starts_with("src/") || file.path.contains("/src/")))
        .filter(|file| file.path.split('/').all(|part| part != "bin" && part != "examples"))
        .map(SourceFile::folder)
        .collect();
    folders
        .into_iter()
        .filter(|folder| {
            let openers = ["/mod.rs", "/lib.rs", "/main.rs", ".rs"];
            !openers.iter().any(|opener| paths.contains(format!("{folder}{opener}").as_str()))
        })
        .map(|folder| format!("{folder}: no mod.rs says what lives here"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{assert_nothing_found, tree::repository};

    #[test]
    fn every_rust_file_opens_with_what_it_is() {
        assert_nothing_found(&check_headers(&repository().unwrap()));
    }

    #[test]
    fn every_source_folder_has_a_file_that_says_what_lives_there() {
        assert_nothing_found(&check_folders(&repository().unwrap()));
    }

    #[test]
    fn a_missing_an_empty_and_a_late_header_are_found() {
        let files = [
            SourceFile::invented("src/bare.rs", "fn main() {}\n"),
            SourceFile::invented("src/empty.rs", ""),
            SourceFile::invented("src/hollow.rs", "//!\nfn f() {}\n"),
            SourceFile::invented("src/late.rs", "use a::b;\n//! What it is.\n"),
            SourceFile::invented("src/good_tests.rs", "use super::*;\n"),
            SourceFile::invented("src/good.rs", "//! What it is.\n"),
            SourceFile::invented("README.md", "no Rust\n"),
        ];
        let found = check_headers(&files);
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(!found.iter().any(|finding| finding.contains("good") || finding.contains("README")));
    }

    #[test]
    fn a_folder_that_nothing_opens_is_found() {
        let files = [
            "src/lib.rs",
            "src/api/mod.rs",
            "src/api/run.rs",
            "src/plan.rs",
            "src/plan/tests.rs",
            "src/lost/a.rs",
            "tests/loose/b.rs",
        ]
        .map(|path| SourceFile::invented(path, "//! x\n"));
        assert_eq!(check_folders(&files), ["src/lost: no mod.rs says what lives here".to_owned()]);
    }
}
