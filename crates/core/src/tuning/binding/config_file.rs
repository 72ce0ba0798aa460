//! The file that `vllm serve --config` reads, as far as it is one `flag: value` per line: edited as text, so that
//! comments and layout stay. Other YAML is passed over where it is nested, and refused where the flag itself is meant.

use super::{BindingError, BindingReason, PreImage, refuse};
use crate::{prelude::*, value::ParameterName};

/// A flag's value in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scalar<'a> {
    file: &'a str,
    /// First byte of the line.
    line_start: usize,
    /// First byte after the line, its end included.
    line_end: usize,
    /// First byte of the value, quotes included.
    start: usize,
    /// First byte after the value.
    end: usize,
}

impl<'a> Scalar<'a> {
    fn raw(&self) -> &'a str {
        self.file.get(self.start..self.end).unwrap_or_default()
    }

    /// The value without its quotes.
    pub(super) fn value(&self) -> &'a str {
        let raw = self.raw();
        let unquoted = |quote: char| raw.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
        unquoted('"').or_else(|| unquoted('\'')).unwrap_or(raw)
    }

    fn replaced_by(&self, raw: &str) -> String {
        let (before, after) = (self.file.get(..self.start), self.file.get(self.end..));
        format!("{}{raw}{}", before.unwrap_or_default(), after.unwrap_or_default())
    }
}

/// The flag's value, if the file sets it.
///
/// # Errors
/// The file is not one flag and value per line where it matters, or sets the flag twice.
pub(super) fn find<'a>(file: &'a str, flag: &ParameterName) -> Result<Option<Scalar<'a>>, BindingError> {
    let mut found: Option<Scalar<'a>> = None;
    let mut line_start = 0;
    for line in file.split_inclusive('\n') {
        let line_end = line_start + line.len();
        let content = line.trim_end();
        let is_structure = content.starts_with(['{', '[', '%', '-', '?', '&', '!', '*', '.']);
        if is_structure {
            return refuse(BindingReason::NotOneFlagPerLine, format!("the file has the line {content:?}"));
        }
        let nested = content.starts_with([' ', '\t', '#']);
        if let Some((key, rest)) = content.split_once(':').filter(|_| !nested) {
            let name = key.trim_end().trim_matches(['"', '\'']);
            if ParameterName::new(name) == *flag {
                if found.is_some() {
                    return refuse(BindingReason::RepeatedFlag, format!("the file sets {flag} more than once"));
                }
                let value_start = line_start + key.len() + 1;
                let (start, end) = scalar_span(rest, flag)?;
                let (start, end) = (value_start + start, value_start + end);
                found = Some(Scalar { file, line_start, line_end, start, end });
            }
        }
        line_start = line_end;
    }
    Ok(found)
}

/// Where the value lies in what follows the colon: a plain word or number, or one in quotes without escapes, and then
/// nothing but a comment.
fn scalar_span(rest: &str, flag: &ParameterName) -> Result<(usize, usize), BindingError> {
    let start = rest.len() - rest.trim_start().len();
    let text = rest.get(start..).unwrap_or_default();
    let quote = text.chars().next().filter(|letter| matches!(letter, '"' | '\''));
    let length = match quote {
        Some(quote) => text.get(1..).and_then(|inner| inner.find(quote)).map_or(0, |inner| inner + 2),
        None => text.find(" #").map_or(text, |comment| text.get(..comment).unwrap_or_default()).trim_end().len(),
    };
    let (value, after) = text.split_at(length);
    let structured = value.starts_with(['|', '>', '&', '*', '!', '{', '[', '#']) || value.contains('\\');
    let after = after.trim_start();
    if start == 0 || value.is_empty() || structured || !(after.is_empty() || after.starts_with('#')) {
        return refuse(BindingReason::NotOneFlagPerLine, format!("{flag} is not one plain value in the file"));
    }
    Ok((start, start + length))
}

/// The file with another value of the flag, and what stood there.
pub(super) fn set(file: &str, flag: &ParameterName, value: &str) -> Result<(String, PreImage), BindingError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._,/+-".contains(&byte);
    if value.is_empty() || !value.bytes().all(plain) {
        return refuse(BindingReason::ValueNeedsQuoting, format!("{value:?} would have to be quoted in the file"));
    }
    let Some(scalar) = find(file, flag)? else {
        let added = format!("{flag}: {value}");
        let ends_whole = file.is_empty() || file.ends_with('\n');
        let text = if ends_whole { format!("{file}{added}\n") } else { format!("{file}\n{added}") };
        return Ok((text, PreImage::Absent));
    };
    let raw = scalar.raw();
    let new = match raw.chars().next() {
        Some(quote @ ('"' | '\'')) => format!("{quote}{value}{quote}"),
        _ => value.to_owned(),
    };
    Ok((scalar.replaced_by(&new), PreImage::Text(raw.to_owned())))
}

/// The file as it was before [`set`].
pub(super) fn restore(file: &str, flag: &ParameterName, pre_image: &PreImage) -> Result<String, BindingError> {
    let Some(scalar) = find(file, flag)? else {
        return Ok(file.to_owned());
    };
    if let PreImage::Text(old) = pre_image {
        return Ok(scalar.replaced_by(old));
    }
    // A line that was added to a file without a last line's end brought one along before it.
    let line = file.get(scalar.line_start..scalar.line_end).unwrap_or_default();
    let start = if line.ends_with('\n') { scalar.line_start } else { scalar.line_start.saturating_sub(1) };
    let (before, after) = (file.get(..start).unwrap_or_default(), file.get(scalar.line_end..).unwrap_or_default());
    Ok(format!("{before}{after}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn flag() -> ParameterName {
        ParameterName::new("max-num-seqs")
    }

    fn found(file: &str) -> Option<String> {
        find(file, &flag()).unwrap().map(|scalar| scalar.value().to_owned())
    }

    fn refusal(file: &str) -> BindingReason {
        find(file, &flag()).unwrap_err().reason
    }

    #[test]
    fn a_value_is_found_in_every_plain_form() {
        for (file, value) in [
            ("max-num-seqs: 32\n", "32"),
            ("port: 1\nmax_num_seqs:   32  # why\n", "32"),
            ("\"max-num-seqs\": 32", "32"),
            ("max-num-seqs : '32'\n", "32"),
            ("max-num-seqs: \"32\" # why", "32"),
            ("# max-num-seqs: 1\n\nmax-num-seqs: 32\nlora-modules:\n  max-num-seqs: 9\n", "32"),
            ("max-num-seqs: a#b\r\n", "a#b"),
        ] {
            assert_eq!(found(file).as_deref(), Some(value), "{file:?}");
        }
        for file in
            ["", "port: 1\n", "# max-num-seqs: 1\n", "a:\n  max-num-seqs: 9\n", "\tmax-num-seqs: 9\n", "max-num-seqs\n"]
        {
            assert_eq!(found(file), None, "{file:?}");
        }
    }

    #[test]
    fn what_is_not_one_plain_value_is_refused() {
        for file in [
            "max-num-seqs:\n  - 1\n",
            "max-num-seqs:32\n",
            "max-num-seqs: |\n  32\n",
            "max-num-seqs: >\n  32\n",
            "max-num-seqs: &a 32\n",
            "max-num-seqs: *a\n",
            "max-num-seqs: !int 32\n",
            "max-num-seqs: {a: 1}\n",
            "max-num-seqs: [1]\n",
            "max-num-seqs: # none\n",
            "max-num-seqs: \"3\\x32\"\n",
            "max-num-seqs: '32\n",
            "max-num-seqs: '3' '2'\n",
            "{max-num-seqs: 32}\n",
            "- max-num-seqs: 32\n",
            "---\nmax-num-seqs: 32\n",
            "...\n",
            "%YAML 1.2\n",
        ] {
            assert_eq!(refusal(file), BindingReason::NotOneFlagPerLine, "{file:?}");
        }
        assert_eq!(refusal("max-num-seqs: 1\nmax_num_seqs: 2\n"), BindingReason::RepeatedFlag);
    }

    #[test]
    fn only_the_value_changes() {
        let changed = |file: &str| set(file, &flag(), "64").unwrap();
        assert_eq!(
            changed("port: 1\nmax_num_seqs:   32  # why\nseed: 0\n"),
            ("port: 1\nmax_num_seqs:   64  # why\nseed: 0\n".to_owned(), PreImage::Text("32".to_owned()))
        );
        assert_eq!(changed("max-num-seqs: '32'"), ("max-num-seqs: '64'".to_owned(), PreImage::Text("'32'".to_owned())));
        assert_eq!(changed("port: 1\n"), ("port: 1\nmax-num-seqs: 64\n".to_owned(), PreImage::Absent));
        assert_eq!(changed("port: 1"), ("port: 1\nmax-num-seqs: 64".to_owned(), PreImage::Absent));
        assert_eq!(changed(""), ("max-num-seqs: 64\n".to_owned(), PreImage::Absent));
        for value in ["", "a b", "a#b", "a:b", "'"] {
            assert_eq!(set("", &flag(), value).unwrap_err().reason, BindingReason::ValueNeedsQuoting, "{value:?}");
        }
        assert!(set("", &flag(), "a_1.b,c/d+e-f").is_ok());
    }

    #[test]
    fn setting_back_takes_away_what_was_added_wherever_it_stands_now() {
        let back = |file: &str| restore(file, &flag(), &PreImage::Absent).unwrap();
        assert_eq!(back("port: 1\nmax-num-seqs: 64\n"), "port: 1\n");
        assert_eq!(back("port: 1\nmax-num-seqs: 64"), "port: 1");
        assert_eq!(back("max-num-seqs: 64\nport: 1\n"), "port: 1\n");
        assert_eq!(back("port: 1\n"), "port: 1\n");
    }

    proptest! {
        #[test]
        fn set_and_restored_gives_the_same_bytes(
            lines in proptest::collection::vec(
                prop_oneof![
                    Just("port: 8000"),
                    Just("# max-num-seqs: 1"),
                    Just(""),
                    Just("served-model-name:"),
                    Just("  nested: 1"),
                ],
                0..6,
            ),
            own in proptest::option::of((0_usize..6, "max[-_]num[-_]seqs: {1,3}('[0-9]{1,3}'|[0-9]{1,3})( # .{0,5})?")),
            ends_whole in any::<bool>(),
        ) {
            let mut lines: Vec<String> = lines.into_iter().map(ToOwned::to_owned).collect();
            if let Some((place, line)) = own {
                lines.insert(place.min(lines.len()), line.replace(['\n', '\r'], " "));
            }
            let mut file = lines.join("\n");
            if ends_whole {
                file.push('\n');
            }
            let (changed, pre_image) = set(&file, &flag(), "77").unwrap();
            prop_assert_eq!(found(&changed), Some("77".to_owned()));
            prop_assert_eq!(restore(&changed, &flag(), &pre_image).unwrap(), file);
        }
    }
}
