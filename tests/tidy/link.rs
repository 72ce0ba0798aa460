//! A link of a document leads to a file that exists, and to a heading that stands in it.

use std::collections::BTreeSet;

use crate::tree::SourceFile;

/// Links of Markdown files whose file or heading is not there.
pub(crate) fn check_links(files: &[SourceFile]) -> Vec<String> {
    let paths: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is_markdown()) {
        for (line, target) in links(&file.text) {
            let (path, anchor) = target.split_once('#').unwrap_or((target.as_str(), ""));
            let resolved = if path.is_empty() { file.path.clone() } else { resolve(file.folder(), path) };
            let is_folder = paths.iter().any(|known| known.starts_with(&format!("{resolved}/")));
            if !is_folder && !paths.contains(resolved.as_str()) {
                findings.push(format!("{}:{line}: links to {target}, and {resolved} is not there", file.path));
            } else if !anchor.is_empty() {
                let linked = files.iter().find(|other| other.path == resolved);
                if !linked.is_some_and(|other| anchors(&other.text).contains(anchor)) {
                    findings.push(format!("{}:{line}: links to {target}, and no heading gives #{anchor}", file.path));
                }
            }
        }
    }
    findings
}

/// Line number and target of each link to a file of the repository. Code is left out.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut fenced = false;
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced || line.starts_with("    ") {
            continue;
        }
        // Every second part between backticks is code.
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("code");
        let inline = prose.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
        let defined = prose.strip_prefix('[').and_then(|rest| rest.split_once("]: ")).map(|(_, target)| target.trim());
        let local = inline.chain(defined).filter(|target| !target.contains("://") && !target.starts_with("mailto:"));
        found.extend(local.map(|target| (index + 1, target.to_owned())));
    }
    found
}

/// `docs/adr` and `../a.md` -> `docs/a.md`.
fn resolve(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.join("/")
}

/// The anchors that the headings of a document get, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter(|character| character.is_alphanumeric() || " -_".contains(*character));
            kept.map(|character| if character == ' ' { '-' } else { character }).collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{assert_nothing_found, tree::repository};

    #[test]
    fn every_link_of_a_document_leads_somewhere() {
        assert_nothing_found(&check_links(&repository().unwrap()));
    }

    #[test]
    fn a_link_to_a_missing_file_or_heading_is_found() {
        let guide = "# A guide\n## Two budgets, one night\n";
        let cases = [
            ("see [x](guide.md)", true),
            ("see [x](guide.md#two-budgets-one-night)", true),
            ("see [x](../README.md) and [y](adr/)", true),
            ("see [x](https://example.org/nowhere.md)", true),
            ("`[x](gone.md)` and\n```\n[x](gone.md)\n```", true),
            ("see [x](gone.md)", false),
            ("see [x](guide.md) and [y](gone.md \"title\")", false),
            ("see [x](guide.md#three-budgets)", false),
            ("see [x](#nowhere)", false),
            ("[x]: gone.md", false),
            ("see [`code`](gone.md)", false),
        ];
        for (text, good) in cases {
            let files = [
                SourceFile::invented("docs/text.md", text),
                SourceFile::invented("docs/guide.md", guide),
                SourceFile::invented("docs/adr/README.md", ""),
                SourceFile::invented("README.md", ""),
            ];
            assert_eq!(check_links(&files).is_empty(), good, "{text}");
        }
    }
}
