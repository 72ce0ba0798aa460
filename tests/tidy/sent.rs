//! What the program is compiled with is sent to the build of the image: a file that `include_str!` names from elsewhere and
//! `.dockerignore` holds back breaks that build, and nothing else.

use crate::tree::SourceFile;

const IGNORED: &str = ".dockerignore";
const INCLUDES: [&str; 2] = ["include_str!(\"", "include_bytes!(\""];

/// Included files that the build of an image does not have.
pub(crate) fn check_sent(files: &[SourceFile]) -> Vec<String> {
    let Some(ignored) = files.iter().find(|file| file.path == IGNORED) else {
        return vec![format!("{IGNORED} is not there")];
    };
    let compiled = files.iter().filter(|file| {
        let of_a_crate =
            file.path.starts_with("src/") || (file.path.starts_with("crates/") && file.path.contains("/src/"));
        of_a_crate && file.is_rust() && !file.is_sibling_test()
    });
    compiled
        .flat_map(|file| included(file).into_iter().map(move |path| (file, path)))
        .filter(|(_, path)| !is_sent(&ignored.text, path))
        .map(|(file, path)| {
            format!("{}: includes {path}, which {IGNORED} holds back from the image's build", file.path)
        })
        .collect()
}

/// Paths of included files, from the repository's root. What stands in a file's own tests is not compiled for the program.
fn included(file: &SourceFile) -> Vec<String> {
    let program = file.text.find("\nmod tests {").map_or(file.text.as_str(), |tests| &file.text[..tests]);
    let pieces = INCLUDES.iter().flat_map(|include| program.split(include).skip(1));
    pieces.filter_map(|piece| piece.split_once('"')).map(|(path, _)| resolved(file.folder(), path)).collect()
}

fn resolved(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').collect();
    for part in path.split('/') {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

/// The last line that is about a path decides, as container engines read that file. A `*` stands for one folder.
fn is_sent(ignored: &str, path: &str) -> bool {
    let lines = ignored.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.fold(true, |sent, line| {
        let (pattern, lets_through) = line.strip_prefix('!').map_or((line, false), |pattern| (pattern, true));
        let mut folders = path.split('/');
        let is_about = pattern
            .trim_start_matches('/')
            .split('/')
            .all(|part| folders.next().is_some_and(|it| part == "*" || part == it));
        if is_about { lets_through } else { sent }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{assert_nothing_found, tree::repository};

    #[test]
    fn every_file_that_the_program_includes_is_sent_to_the_build_of_its_image() {
        let files = repository().unwrap();
        assert_nothing_found(&check_sent(&files));
        let without = |line: &str| -> Vec<SourceFile> {
            let text =
                |file: &SourceFile| if file.path == IGNORED { file.text.replace(line, "") } else { file.text.clone() };
            files.iter().map(|file| SourceFile::invented(&file.path, &text(file))).collect()
        };
        for line in ["!/charts/phaseloop/files\n", "!/manifests\n", "!/scenarios\n"] {
            assert!(!check_sent(&without(line)).is_empty(), "{line} is needed");
        }
    }

    #[test]
    fn the_last_line_about_a_path_decides() {
        let ignored = "# Few.\n*\n!/src\n!/crates\n/crates/*/tests\n";
        for (path, sent) in [
            ("src/a/b.txt", true),
            ("srcs/a", false),
            ("crates/core/src/a.json", true),
            ("crates/core/tests/a.json", false),
            ("charts/a", false),
        ] {
            assert_eq!(is_sent(ignored, path), sent, "{path}");
        }
    }

    #[test]
    fn an_include_of_a_test_alone_is_not_the_programs() {
        let found = |path: &str, text: &str| {
            check_sent(&[SourceFile::invented(path, text), SourceFile::invented(IGNORED, "*\n!/src\n")])
        };
        let include = "const A: &str = include_str!(\"../../docs/a.md\");\n";
        assert_eq!(found("src/b/c.rs", include).len(), 1);
        assert!(found("src/b/c.rs", include)[0].contains("includes docs/a.md"));
        assert_nothing_found(&found("src/b/c.rs", &format!("#[cfg(test)]\nmod tests {{ {include} }}")));
        assert_nothing_found(&found("src/b/c_tests.rs", include));
        assert_nothing_found(&found("src/b/c.rs", "const A: &[u8] = include_bytes!(\"../d/a.bin\");"));
    }
}
