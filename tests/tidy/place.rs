//! Nothing committed names the machine it was written on: neither its folders nor the mirror its packages came from.

use crate::tree::SourceFile;

/// Starts of absolute paths that only mean something on one machine. Built, so that this file does not contain them.
const FOLDERS: [&str; 5] =
    [concat!("/wo", "rk/"), concat!("/t", "mp/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];

/// Folders that were beside somebody's checkout.
const NEIGHBOURS: [&str; 2] = [concat!("shared/", "design"), concat!("shared/", "data")];

/// Words in the addresses of package mirrors.
const MIRRORS: [&str; 4] =
    [concat!("arti", "factory"), concat!("jf", "rog"), concat!("nexus/", "repository"), concat!("replace", "-with")];

/// The only source a lock file may name.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Lines that name a folder or a package source of one machine.
pub(crate) fn check_places(files: &[SourceFile]) -> Vec<String> {
    files
        .iter()
        .flat_map(|file| {
            file.text.lines().enumerate().filter_map(|(index, line)| {
                let what = foreign_place(line).or_else(|| foreign_source(file, line))?;
                Some(format!("{}:{}: names {what}", file.path, index + 1))
            })
        })
        .collect()
}

fn foreign_place(line: &str) -> Option<String> {
    let folder = FOLDERS.into_iter().find(|folder| starts_a_path(line, folder));
    let lower = line.to_lowercase();
    folder
        .or_else(|| NEIGHBOURS.into_iter().find(|neighbour| line.contains(neighbour)))
        .or_else(|| MIRRORS.into_iter().find(|mirror| lower.contains(mirror)))
        .map(|place| format!("`{place}`, which exists on one machine only"))
}

/// Whether an absolute path begins here: `/x/` in a URL, in a variable's value or in a longer path does not.
fn starts_a_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        !before.is_some_and(|character| character.is_alphanumeric() || "_.-}/~".contains(character))
    })
}

fn foreign_source(file: &SourceFile, line: &str) -> Option<String> {
    let source = line.strip_prefix("source = ")?.trim().trim_matches('"');
    (file.name() == "Cargo.lock" && source != REGISTRY).then(|| format!("the package source {source}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{assert_nothing_found, tree::repository};

    #[test]
    fn no_committed_file_names_a_folder_or_a_package_mirror_of_one_machine() {
        assert_nothing_found(&check_places(&repository().unwrap()));
    }

    #[test]
    fn each_folder_neighbour_and_mirror_is_found() {
        for place in FOLDERS.into_iter().chain(NEIGHBOURS).chain(MIRRORS) {
            for line in [format!("see {place}a"), format!("\"{place}a\""), format!("{place}a")] {
                assert_eq!(check_places(&[SourceFile::invented("docs/a.md", &line)]).len(), 1, "{line}");
            }
        }
    }

    #[test]
    fn a_longer_path_and_an_address_are_left_alone() {
        let lines = FOLDERS.map(|folder| format!("$ROOT{folder}a https://example.org{folder}a ${{DIR}}{folder}a"));
        assert_nothing_found(&check_places(&[SourceFile::invented("docs/a.md", &lines.join("\n"))]));
    }

    #[test]
    fn a_lock_file_may_name_only_the_public_registry() {
        let line = |source: &str| format!("name = \"a\"\nsource = \"{source}\"\n");
        let good = SourceFile::invented("Cargo.lock", &line(REGISTRY));
        let other = SourceFile::invented("Cargo.lock", &line("registry+https://mirror.example.org/index"));
        let git = SourceFile::invented("fuzz/Cargo.lock", &line("git+https://github.com/a/b#c"));
        let found = check_places(&[good, other, git]);
        assert_eq!(found.len(), 2, "{found:?}");
    }
}
