//! A step of `tests/run` that a text names is one that it has.

use std::collections::BTreeSet;

use crate::tree::SourceFile;

/// What `tests/run` takes besides the names of steps.
const OTHER_WORDS: [&str; 3] = ["all", "cluster", "help"];
/// The file with the steps.
const RUNNER: &str = "tests/run";

/// Every `tests/run WORD` of a text whose word is no step. Code stands between backticks, or indented.
pub(crate) fn check_steps(files: &[SourceFile]) -> Vec<String> {
    let Some(runner) = files.iter().find(|file| file.path == RUNNER) else {
        return vec![format!("{RUNNER} is not there")];
    };
    let steps: BTreeSet<&str> = runner.text.lines().filter_map(step).chain(OTHER_WORDS).collect();
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is_markdown() || file.is_rust()) {
        for (index, line) in file.text.lines().enumerate() {
            for rest in line.split("tests/run ").skip(1) {
                let end = rest.find(|letter: char| !letter.is_ascii_lowercase() && letter != '-');
                let word = &rest[..end.unwrap_or(rest.len())];
                let is_word = !word.is_empty() && !rest[word.len()..].starts_with('/');
                if is_word && !steps.contains(word) && is_code(file, line, rest) {
                    findings.push(format!("{}:{}: {RUNNER} has no step {word}", file.path, index + 1));
                }
            }
        }
    }
    findings
}

/// `"name  what it shows"` of a list of steps.
fn step(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix('"')?.split_once("  ").map(|(name, _)| name)
}

/// Whether what comes before `rest` in a line opens code: in Rust between the backticks of a comment, elsewhere by its indent too.
fn is_code(file: &SourceFile, line: &str, rest: &str) -> bool {
    let before = &line[..line.len() - rest.len()];
    let is_quoted = before.matches('`').count() % 2 == 1;
    if file.is_rust() {
        is_quoted && line.trim_start().starts_with("//")
    } else {
        is_quoted || line.starts_with("    ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{assert_nothing_found, tree::repository};

    #[test]
    fn every_step_that_is_named_is_there() {
        assert_nothing_found(&check_steps(&repository().unwrap()));
    }

    #[test]
    fn a_step_that_is_not_there_is_found() {
        let files = |text: &str| {
            [
                SourceFile::invented(RUNNER, "readonly STEPS=(\n  \"lint  cargo clippy\"\n)\n"),
                SourceFile::invented("docs/a.md", text),
            ]
        };
        for good in ["`tests/run lint`", "    tests/run all", "`tests/run`", "what tests/run does", "`tests/run STEP`"]
        {
            assert_eq!(check_steps(&files(good)), [""; 0], "{good}");
        }
        for bad in ["`tests/run fly`", "    tests/run fly   # away"] {
            assert_eq!(check_steps(&files(bad)), ["docs/a.md:1: tests/run has no step fly"], "{bad}");
        }
        let rust = |text: &str| [files("").into_iter().next().unwrap(), SourceFile::invented("src/a.rs", text)];
        assert_eq!(check_steps(&rust("    /// `tests/run fly` sets 20.")), ["src/a.rs:1: tests/run has no step fly"]);
        assert_eq!(check_steps(&rust("    run(\"`tests/run fly`\");")), [""; 0]);
        assert_eq!(check_steps(&[]), ["tests/run is not there"]);
    }
}
