//! Decision records are found by their index, numbered without gaps, short, and all of one shape.

use crate::tree::SourceFile;

const FOLDER: &str = "docs/adr";

/// What each record answers, in this order.
const SECTIONS: [&str; 4] = ["## Context", "## Decision", "## Alternatives", "## Consequences"];

/// A record that needs more has two decisions in it.
const LINES_MAX: usize = 60;

/// Records that the index does not list, gaps in their numbers, missing sections, and records that are too long.
pub(crate) fn check_decisions(files: &[SourceFile]) -> Vec<String> {
    let folder: Vec<&SourceFile> = files.iter().filter(|file| file.folder() == FOLDER && file.is_markdown()).collect();
    let Some(index) = folder.iter().find(|file| file.name() == "README.md") else {
        return vec![format!("{FOLDER}/README.md, the index, is not there")];
    };
    let mut records: Vec<&&SourceFile> =
        folder.iter().filter(|file| file.name().starts_with(|first: char| first.is_ascii_digit())).collect();
    records.sort_by_key(|file| file.name());
    let mut findings = Vec::new();
    for (position, record) in records.iter().enumerate() {
        let number = format!("{:04}", position + 1);
        if !record.name().starts_with(&format!("{number}-")) {
            findings.push(format!("{}: the next number is {number}", record.path));
        }
        if !index.text.contains(&format!("({})", record.name())) {
            findings.push(format!("{}: is not listed in {}", record.path, index.path));
        }
        if !record.text.lines().any(|line| line.starts_with("Status: ")) {
            findings.push(format!("{}: has no line `Status: ...`", record.path));
        }
        let headings: Vec<&str> = record.text.lines().filter(|line| line.starts_with("## ")).collect();
        if headings != SECTIONS {
            findings.push(format!("{}: its sections are not {}", record.path, SECTIONS.join(", ")));
        }
        let lines = record.text.lines().count();
        if lines > LINES_MAX {
            findings.push(format!("{}: {lines} lines, {LINES_MAX} at most", record.path));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{assert_nothing_found, tree::repository};

    fn record(name: &str, text: &str) -> SourceFile {
        SourceFile::invented(&format!("{FOLDER}/{name}"), text)
    }

    fn good_text() -> String {
        format!("# 1. A\nStatus: accepted\n{}\n", SECTIONS.join("\ntext\n"))
    }

    #[test]
    fn every_decision_record_is_listed_numbered_short_and_whole() {
        let files = repository().unwrap();
        assert!(files.iter().any(|file| file.path.starts_with(FOLDER)), "no record was read");
        assert_nothing_found(&check_decisions(&files));
    }

    #[test]
    fn a_good_folder_passes() {
        let index = record("README.md", "[1](0001-a.md) [2](0002-b.md)");
        let template = record("template.md", "## Anything");
        let files = [index, template, record("0001-a.md", &good_text()), record("0002-b.md", &good_text())];
        assert_nothing_found(&check_decisions(&files));
    }

    #[test]
    fn each_fault_of_a_record_is_found() {
        let good = good_text();
        let long = format!("{good}{}", "text\n".repeat(LINES_MAX));
        let without_consequences = good.replace("## Consequences", "");
        let without_status = good.replace("Status: accepted", "");
        let cases = [
            ("[1](0001-a.md)", "0001-b.md", good.as_str(), "is not listed"),
            ("[2](0002-a.md)", "0002-a.md", good.as_str(), "the next number is 0001"),
            ("[1](0001-a.md)", "0001-a.md", long.as_str(), "60 at most"),
            ("[1](0001-a.md)", "0001-a.md", without_consequences.as_str(), "its sections are not"),
            ("[1](0001-a.md)", "0001-a.md", without_status.as_str(), "has no line `Status"),
        ];
        for (index, name, text, expected) in cases {
            let found = check_decisions(&[record("README.md", index), record(name, text)]);
            assert_eq!(found.len(), 1, "{expected}: {found:?}");
            assert!(found.iter().all(|finding| finding.contains(expected)), "{expected}: {found:?}");
        }
        assert_eq!(check_decisions(&[]).len(), 1, "a missing index");
    }
}
