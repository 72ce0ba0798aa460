//! Small files and short functions: nobody reads the thousandth line of a file, or holds a hundred lines in the head.

use crate::tree::SourceFile;

/// Lines a file may have before its tests.
const LINES_MAX: usize = 500;

/// Lines a function may have, its signature and its comments included. Tests may have more: a table is no logic.
const FUNCTION_LINES_MAX: usize = 70;

/// Files that have more.
pub(crate) fn check_size(files: &[SourceFile]) -> Vec<String> {
    files
        .iter()
        .filter(|file| file.is_rust() && !file.is_sibling_test())
        .filter_map(|file| {
            let lines = lines_before_tests(&file.text);
            (lines > LINES_MAX)
                .then(|| format!("{}: {lines} lines before its tests, {LINES_MAX} at most; split it", file.path))
        })
        .collect()
}

/// Functions outside tests that have more.
pub(crate) fn check_functions(files: &[SourceFile]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is_rust() && !is_test(file)) {
        let lines: Vec<&str> = file.text.lines().take(lines_before_tests(&file.text)).collect();
        for (start, line) in lines.iter().enumerate() {
            let Some((indent, name)) = function(line) else { continue };
            let length = lines.iter().skip(start).position(|line| ends_function(line, indent)).map_or(1, |end| end + 1);
            if length > FUNCTION_LINES_MAX {
                let place = format!("{}:{}", file.path, start + 1);
                findings.push(format!("{place}: {name} has {length} lines, {FUNCTION_LINES_MAX} at most; split it"));
            }
        }
    }
    findings
}

/// Indentation and name of the function that a line begins.
fn function(line: &str) -> Option<(&str, &str)> {
    let declared = line.trim_start();
    let (before, after) = declared.split_once("fn ")?;
    let qualifiers = ["pub", "pub(crate)", "pub(super)", "const", "async", "unsafe"];
    let is_function = before.split_whitespace().all(|word| qualifiers.contains(&word));
    let indent = line.get(..line.len() - declared.len())?;
    let name = after.split(['(', '<']).next()?;
    is_function.then_some((indent, name))
}

/// Whether a line, as rustfmt lays it out, is the last of a function with this indentation.
fn ends_function(line: &str, indent: &str) -> bool {
    let Some(rest) = line.strip_prefix(indent) else { return false };
    let declaration = (rest.contains("fn ") || rest.starts_with(')')) && rest.ends_with(';');
    rest == "}" || declaration || (function(line).is_some() && rest.ends_with('}'))
}

/// Lines above the test module at a file's end. A test module that stands in a sibling file ends nothing.
fn lines_before_tests(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines.windows(2).position(|pair| match pair {
        [attribute, module] => {
            *attribute == "#[cfg(test)]" && module.starts_with("mod ") && module.trim_end().ends_with('{')
        }
        _ => false,
    });
    tests.unwrap_or(lines.len())
}

/// A file that holds nothing but tests.
fn is_test(file: &SourceFile) -> bool {
    file.is_sibling_test() || file.path.starts_with("tests/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{assert_nothing_found, tree::repository};

    #[test]
    fn no_file_is_longer_than_500_lines_before_its_tests() {
        assert_nothing_found(&check_size(&repository().unwrap()));
    }

    #[test]
    fn no_function_is_longer_than_70_lines() {
        assert_nothing_found(&check_functions(&repository().unwrap()));
    }

    #[test]
    fn a_function_of_71_lines_is_found_and_one_of_70_is_not() {
        let of_lines =
            |lines: usize| format!("    pub fn long(\n    ) {{\n{}    }}\n", "        x;\n".repeat(lines - 3));
        let short = "    fn a() {}\n    fn b();\n    fn c(\n        d: u8,\n    ) -> u8;\n";
        let file = |lines| SourceFile::invented("src/a.rs", &format!("{short}{}{short}", of_lines(lines)));
        assert_nothing_found(&check_functions(&[file(FUNCTION_LINES_MAX)]));
        let found = check_functions(&[file(FUNCTION_LINES_MAX + 1)]);
        assert_eq!(found, ["src/a.rs:6: long has 71 lines, 70 at most; split it".to_owned()]);
    }

    #[test]
    fn a_long_table_in_a_test_is_left_alone() {
        let text = format!("#[cfg(test)]\nmod tests {{\n    fn table() {{\n{}    }}\n}}\n", "        x;\n".repeat(90));
        assert_nothing_found(&check_functions(&[SourceFile::invented("src/a.rs", &text)]));
        let bare = text.replace("#[cfg(test)]\n", "");
        assert_nothing_found(&check_functions(&[SourceFile::invented("tests/crds.rs", &bare)]));
        assert_eq!(check_functions(&[SourceFile::invented("src/a.rs", &bare)]).len(), 1);
    }

    #[test]
    fn a_file_of_501_lines_is_found_and_one_of_500_is_not() {
        let long = SourceFile::invented("src/long.rs", &"//\n".repeat(LINES_MAX + 1));
        let fits = SourceFile::invented("src/fits.rs", &"//\n".repeat(LINES_MAX));
        assert_eq!(
            check_size(&[long, fits]),
            ["src/long.rs: 501 lines before its tests, 500 at most; split it".to_owned()]
        );
    }

    #[test]
    fn only_lines_before_an_inline_test_module_count() {
        let body = "//\n".repeat(LINES_MAX);
        let with_tests = SourceFile::invented("src/a.rs", &format!("{body}#[cfg(test)]\nmod tests {{\n//\n}}\n"));
        let tests_elsewhere = SourceFile::invented("src/b.rs", &format!("#[cfg(test)]\nmod tests;\n{body}"));
        let found = check_size(&[with_tests, tests_elsewhere]);
        assert_eq!(found, ["src/b.rs: 502 lines before its tests, 500 at most; split it".to_owned()]);
    }

    #[test]
    fn a_sibling_file_of_tests_may_be_long_but_a_test_of_the_whole_may_not() {
        let long = "//\n".repeat(LINES_MAX + 1);
        let files = ["crates/core/src/plan/tests.rs", "src/api/run_tests.rs", "tests/crds.rs"]
            .map(|path| SourceFile::invented(path, &long));
        assert_eq!(check_size(&files), ["tests/crds.rs: 501 lines before its tests, 500 at most; split it".to_owned()]);
    }
}
