//! The image of the Dockerfile: fixed bases, a user that is not root, the program as its entry point, and nothing else that
//! starts or loads anything.

use crate::tree::SourceFile;

const DOCKERFILE: &str = "Dockerfile";
const IGNORED: &str = ".dockerignore";
const LAYOUT: &str = "image/lay-out";

/// Where [`LAYOUT`] puts the program.
const ENTRY: &str = "[\"/usr/bin/phaseloop\"]";

/// An instruction and what it says, lines that are continued joined.
fn instructions(text: &str) -> Vec<(String, String)> {
    let joined = text.replace("\\\n", " ");
    let lines = joined.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines
        .map(|line| {
            let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
            (name.to_uppercase(), rest.split_whitespace().collect::<Vec<_>>().join(" "))
        })
        .collect()
}

/// What is wrong with the Dockerfile and what stands beside it.
pub(crate) fn check_image(files: &[SourceFile]) -> Vec<String> {
    let text_of = |path: &str| files.iter().find(|file| file.path == path).map(|file| file.text.as_str());
    let (Some(dockerfile), Some(ignored), Some(layout)) = (text_of(DOCKERFILE), text_of(IGNORED), text_of(LAYOUT))
    else {
        return vec![format!("{DOCKERFILE}, {IGNORED} or {LAYOUT} is not there")];
    };
    let instructions = instructions(dockerfile);
    let mut findings = unfixed_bases(&instructions);
    let unwanted = ["ADD", "CMD", "SHELL", "VOLUME"];
    findings.extend(
        instructions
            .iter()
            .filter(|(name, _)| unwanted.contains(&name.as_str()))
            .map(|(name, rest)| format!("{DOCKERFILE}: {name} {rest}: not in this image")),
    );
    let last = instructions.iter().rposition(|(name, _)| name == "FROM").unwrap_or_default();
    let of_last_stage = |wanted: &str| {
        instructions.iter().skip(last).rev().find(|(name, _)| name == wanted).map_or("", |(_, rest)| rest.as_str())
    };
    let number = layout.lines().find_map(|line| line.strip_prefix("readonly USER_NUMBER=")).unwrap_or_default();
    let user = format!("{number}:{number}");
    if number.is_empty() || number == "0" || of_last_stage("USER") != user {
        let said = of_last_stage("USER");
        findings.push(format!("{DOCKERFILE}: its last stage has USER {said:?}, and {LAYOUT} makes {user:?}"));
    }
    if of_last_stage("ENTRYPOINT") != ENTRY {
        findings.push(format!("{DOCKERFILE}: its entry point is {:?} and not {ENTRY}", of_last_stage("ENTRYPOINT")));
    }
    if ignored.lines().find(|line| !line.starts_with('#')) != Some("*") {
        findings.push(format!("{IGNORED}: does not begin with `*`, so that what is new is sent to every build"));
    }
    findings
}

/// Bases without a tag, or with one that moves.
fn unfixed_bases(instructions: &[(String, String)]) -> Vec<String> {
    let mut stages = vec!["scratch".to_owned()];
    let mut findings = Vec::new();
    for (_, rest) in instructions.iter().filter(|(name, _)| name == "FROM") {
        let words: Vec<&str> = rest.split(' ').filter(|word| !word.starts_with("--")).collect();
        let base = words.first().copied().unwrap_or_default();
        let tag = base.rsplit('/').next().and_then(|name| name.split_once(':')).map(|(_, tag)| tag);
        if !stages.iter().any(|stage| stage == base) && tag.is_none_or(|tag| tag.is_empty() || tag == "latest") {
            findings.push(format!("{DOCKERFILE}: FROM {base}: name the version"));
        }
        stages.extend(words.get(2).map(|name| (*name).to_owned()));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{assert_nothing_found, tree::repository};

    #[test]
    fn the_image_is_built_on_fixed_bases_and_runs_the_program_as_no_root() {
        assert_nothing_found(&check_image(&repository().unwrap()));
    }

    fn findings(dockerfile: &str) -> Vec<String> {
        check_image(&[
            SourceFile::invented(DOCKERFILE, dockerfile),
            SourceFile::invented(IGNORED, "# What is sent.\n*\n!/src\n"),
            SourceFile::invented(LAYOUT, "readonly USER_NUMBER=65532\n"),
        ])
    }

    const GOOD: &str = "FROM a/b:1 AS build\nRUN x && \\\n    y\nFROM scratch\nCOPY --from=build /image/ /\nUSER 65532:65532\n\
                        ENTRYPOINT [\"/usr/bin/phaseloop\"]\n";

    #[test]
    fn each_fault_of_a_dockerfile_is_found() {
        assert_nothing_found(&findings(GOOD));
        for (good, bad, words) in [
            ("a/b:1", "a/b", "FROM a/b: name the version"),
            ("a/b:1", "host:5000/b:latest", "name the version"),
            ("a/b:1", "host:5000/b", "name the version"),
            ("FROM scratch", "FROM ubuntu", "FROM ubuntu: name the version"),
            ("USER 65532:65532\n", "", "USER \"\""),
            ("USER 65532:65532", "USER 0:0", "USER \"0:0\""),
            ("ENTRYPOINT [\"/usr/bin/phaseloop\"]", "ENTRYPOINT /usr/bin/phaseloop", "its entry point is"),
            ("COPY --from", "ADD --from", "ADD --from=build"),
        ] {
            let found = findings(&GOOD.replace(good, bad));
            assert!(found.len() == 1 && found[0].contains(words), "{bad}: {found:?}");
        }
        // What an earlier stage says of its user is not the image's.
        let early = GOOD.replace("RUN x", "USER 65532:65532\nRUN x").replacen("/ /\nUSER 65532:65532", "/ /", 1);
        assert_eq!(findings(&early).len(), 1);
    }

    #[test]
    fn a_build_that_is_sent_everything_and_files_that_are_missing_are_found() {
        let dockerfile = SourceFile::invented(DOCKERFILE, GOOD);
        assert!(check_image(core::slice::from_ref(&dockerfile))[0].contains("is not there"));
        let found = check_image(&[
            dockerfile,
            SourceFile::invented(IGNORED, "target\n"),
            SourceFile::invented(LAYOUT, "readonly USER_NUMBER=65532\n"),
        ]);
        assert!(found.len() == 1 && found[0].contains("does not begin with `*`"), "{found:?}");
    }
}
