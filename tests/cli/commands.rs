//! What texts say of commands: each one that is named is there, and each one that is there teaches.

use std::{collections::BTreeSet, fs, path::Path};

use crate::support::{phaseloop, repository};

/// Commands of test pods: nobody types them, so no list has them.
const HIDDEN: [&str; 4] = ["collect", "guard", "preflight", "probe"];

/// The words below `Commands:` of a help page, `help` left out.
fn subcommands(path: &[&str]) -> Vec<String> {
    let printed = phaseloop(&[path, &["--help"]].concat()).stdout;
    let listed = printed.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // What is indented further is the rest of a description.
    let first = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let words = first.filter_map(|line| line.split_whitespace().next()).filter(|word| *word != "help");
    words.map(str::to_owned).collect()
}

/// Words that follow `phaseloop` where a text shows a command: in code, indented or between backticks.
fn commands_in(text: &str) -> BTreeSet<String> {
    let mut fenced = false;
    let mut found = BTreeSet::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        let is_code = fenced || line.starts_with("    ");
        let parts = line.split('`').enumerate().filter(|(place, _)| is_code || place % 2 == 1);
        for (_, code) in parts {
            let words: Vec<&str> = code.split(|letter: char| " |$(;&".contains(letter)).collect();
            let named = words.windows(2).filter(|pair| matches!(pair[0], "phaseloop" | "target/release/phaseloop"));
            let is_word = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
            found.extend(named.map(|pair| pair[1]).filter(is_word).map(str::to_owned));
        }
    }
    found
}

fn documents(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            documents(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "md") {
            found.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn every_command_that_a_document_or_a_reason_names_is_there() {
    let mut known: BTreeSet<String> = subcommands(&[]).into_iter().collect();
    assert!(known.len() > 10, "{known:?}");
    known.extend(HIDDEN.map(str::to_owned));
    let mut documents = ["README.md", "CHANGELOG.md", "SECURITY.md"]
        .map(|name| (name.to_owned(), fs::read_to_string(repository(name)).unwrap()))
        .to_vec();
    self::documents(&repository("docs"), &mut documents);
    let unknown: Vec<String> = documents
        .iter()
        .flat_map(|(file, text)| commands_in(text).into_iter().map(move |word| format!("{file}: phaseloop {word}")))
        .filter(|found| !known.contains(found.rsplit(' ').next().unwrap()))
        // A Helm release and a chart bear the program's name.
        .filter(|found| !found.ends_with("phaseloop charts"))
        .collect();
    assert_eq!(unknown, [""; 0]);
}

#[test]
fn a_command_is_found_in_code_and_not_in_prose() {
    let found = |text: &str| commands_in(text).into_iter().collect::<Vec<_>>();
    assert_eq!(found("then run `phaseloop fly`, which phaseloop does"), ["fly"]);
    assert_eq!(found("    cat a | phaseloop fly -n chat\nphaseloop runs"), ["fly"]);
    assert_eq!(found("```\nphaseloop fly\n```\n`phaseloop` flies"), ["fly"]);
    assert_eq!(found("`app.kubernetes.io/name=phaseloop --all-pods`"), [""; 0]);
}

/// Every page of help that a person can ask for.
pub(crate) fn pages() -> Vec<Vec<String>> {
    let mut pages = vec![vec!["--help".to_owned()]];
    for command in subcommands(&[]) {
        pages.push(vec![command.clone(), "--help".to_owned()]);
        let further = subcommands(&[&command]).into_iter();
        pages.extend(further.map(|word| vec![command.clone(), word, "--help".to_owned()]));
    }
    pages
}

#[test]
fn every_page_of_help_but_the_first_shows_how_it_is_used() {
    let mut silent = Vec::new();
    for page in pages().iter().skip(1) {
        let arguments: Vec<&str> = page.iter().map(String::as_str).collect();
        let printed = phaseloop(&arguments).stdout;
        let begin = format!("  phaseloop {}", arguments[0]);
        if !printed.contains("\nExamples:\n") || !printed.lines().any(|line| line.starts_with(&begin)) {
            silent.push(arguments.join(" "));
        }
    }
    assert_eq!(silent, [""; 0], "without an example");
}

#[test]
fn what_is_to_be_verified_is_asked_for_with_both_ways_to_say_it() {
    phaseloop(&["audit", "verify"]).refused(64, &["--file <FILE>", "--cluster"]);
}
