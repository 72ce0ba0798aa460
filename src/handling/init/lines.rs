//! YAML by hand: the library writes no comments, and here they are the point.

/// Characters of a line with a comment.
const LINE_LENGTH_MAX: usize = 118;
/// Spaces per step of nesting.
const INDENT: usize = 2;
/// Words that YAML takes for something else than text.
const WORDS_WITH_MEANING: [&str; 9] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];

/// A text that grows line by line.
#[derive(Debug, Default)]
pub(super) struct Lines(String);

impl Lines {
    /// A line of YAML at a depth.
    pub(super) fn line(&mut self, depth: usize, text: &str) {
        self.0.push_str(&" ".repeat(depth * INDENT));
        self.0.push_str(text);
        self.0.push('\n');
    }

    /// A comment at a depth, wrapped between words. Whatever stands in it stays on its lines.
    pub(super) fn comment(&mut self, depth: usize, text: &str) {
        let margin = format!("{}#", " ".repeat(depth * INDENT));
        let mut line = margin.clone();
        for word in one_line(text).split(' ').filter(|word| !word.is_empty()) {
            let is_full = line.chars().count() + 1 + word.chars().count() > LINE_LENGTH_MAX;
            if is_full && line != margin {
                self.0.push_str(&line);
                self.0.push('\n');
                line.clone_from(&margin);
            }
            line.push(' ');
            line.push_str(word);
        }
        self.0.push_str(&line);
        self.0.push('\n');
    }

    /// A comment that keeps its spaces: a row of a table.
    pub(super) fn row(&mut self, depth: usize, text: &str) {
        self.line(depth, format!("#   {}", one_line(text)).trim_end());
    }

    /// A document's end.
    pub(super) fn end_document(&mut self) {
        self.0.push_str("---\n");
    }

    /// All of it.
    pub(super) fn into_text(self) -> String {
        self.0
    }
}

/// A text without line ends and control characters, so that what an object says of itself can't become YAML.
pub(super) fn one_line(text: &str) -> String {
    let is_line_end =
        |character: char| character.is_control() || matches!(character, '\u{2028}' | '\u{2029}' | '\u{85}');
    text.chars().map(|character| if is_line_end(character) { ' ' } else { character }).collect()
}

/// A scalar that is read back as this text.
pub(super) fn scalar(text: &str) -> String {
    let begins = text.starts_with(|first: char| first.is_ascii_lowercase());
    let plain =
        text.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-.".contains(letter));
    if begins && plain && !text.ends_with(['-', '.']) && !WORDS_WITH_MEANING.contains(&text) {
        return text.to_owned();
    }
    // JSON's quoted text is YAML's.
    serde_json::Value::from(one_line(text)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::read_documents;

    #[test]
    fn a_scalar_reads_back_as_the_text_that_it_was() {
        for text in
            ["llama-8b", "on", "1e5", "0 3 * * *", "03:00", "null", "a: b", "-", "Etc/UTC", "say \"x\"", "a.", ""]
        {
            let documents = read_documents("x", &format!("key: {}\n", scalar(text))).unwrap();
            assert_eq!(documents[0].value["key"], text, "{text:?} as {}", scalar(text));
        }
        assert_eq!(scalar("llama-8b"), "llama-8b", "what needs no quotes has none");
    }

    #[test]
    fn what_stands_in_a_comment_can_not_become_yaml() {
        let mut lines = Lines::default();
        lines.comment(0, "model\nspec: {evil: true}\r\u{2028}x: 1");
        lines.row(1, "a\nb: c");
        lines.line(0, "key: value");
        let text = lines.into_text();
        let documents = read_documents("x", &text).unwrap();
        assert_eq!(documents[0].value, serde_json::json!({ "key": "value" }), "{text}");
    }

    #[test]
    fn a_long_comment_is_wrapped_and_loses_no_word() {
        let words: Vec<String> = (0..60).map(|number| format!("word{number}")).collect();
        let mut lines = Lines::default();
        lines.comment(3, &words.join(" "));
        let text = lines.into_text();
        assert!(text.lines().count() > 1 && text.lines().all(|line| line.len() <= 118), "{text}");
        let kept: Vec<&str> =
            text.lines().flat_map(|line| line.trim_start().trim_start_matches('#').split(' ')).collect();
        assert_eq!(kept.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>(), words);
    }
}
