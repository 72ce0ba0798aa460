//! The words of a shell command line with their places in it: as much of the POSIX shell's grammar (its chapter 2.3,
//! token recognition) as it takes to know where a word begins and ends. What goes beyond is refused.

use super::{BindingError, BindingReason, refuse};
use crate::prelude::*;

/// One token of a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A word.
    Word(Word),
    /// What ends a command: `;`, `&`, `|`, a line's end.
    Separator,
    /// What takes the next word as a file: `>`, `<`, `>>`.
    Redirection,
}

/// One word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// What the shell makes of it, without quotes.
    pub(super) text: String,
    /// First byte.
    pub(super) start: usize,
    /// First byte after it.
    pub(super) end: usize,
    /// Whether the shell would replace something in it, so that `text` is not what the program sees.
    pub(super) expands: bool,
}

struct Reader<'a> {
    script: &'a str,
    position: usize,
    word: Option<Word>,
    tokens: Vec<Token>,
}

/// The tokens of a command line.
///
/// # Errors
/// A construct whose extent is not known: a substitution, a here-document, a subshell, an open quote.
pub(super) fn tokens_of(script: &str) -> Result<Vec<Token>, BindingError> {
    let mut reader = Reader { script, position: 0, word: None, tokens: Vec::new() };
    while let Some(letter) = reader.take() {
        reader.step(letter)?;
    }
    reader.end_word(script.len());
    Ok(reader.tokens)
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.script.get(self.position..)?.chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.position += letter.len_utf8();
        Some(letter)
    }

    fn step(&mut self, letter: char) -> Result<(), BindingError> {
        let start = self.position - letter.len_utf8();
        match letter {
            '\n' | ';' | '|' => self.separate(start),
            '&' if self.peek() != Some('>') => self.separate(start),
            // `&>` is the redirection that follows.
            ' ' | '\t' | '\r' | '&' => self.end_word(start),
            '<' | '>' => self.redirect(letter, start)?,
            '(' | ')' | '`' => return self.unsupported(&format!("{letter:?}")),
            '#' if self.word.is_none() => self.skip_comment(),
            '\\' => self.escape(start)?,
            '\'' => self.single_quoted(start)?,
            '"' => self.double_quoted(start)?,
            '$' => self.dollar(start)?,
            '*' | '?' | '[' | '{' | '~' => {
                self.word(start).expands = true;
                self.word(start).text.push(letter);
            }
            _ => self.word(start).text.push(letter),
        }
        Ok(())
    }

    fn word(&mut self, start: usize) -> &mut Word {
        self.word.get_or_insert_with(|| Word { text: String::new(), start, end: start, expands: false })
    }

    fn end_word(&mut self, end: usize) {
        if let Some(word) = self.word.take() {
            self.tokens.push(Token::Word(Word { end, ..word }));
        }
    }

    fn separate(&mut self, start: usize) {
        self.end_word(start);
        self.tokens.push(Token::Separator);
    }

    /// `>`, `>>`, `>&`, `<`; a number that touches it is a file descriptor and no word.
    fn redirect(&mut self, letter: char, start: usize) -> Result<(), BindingError> {
        if letter == '<' && self.peek() == Some('<') {
            return self.unsupported("a here-document");
        }
        let descriptor = self.word.take_if(|word| word.text.bytes().all(|byte| byte.is_ascii_digit()));
        if descriptor.is_none() {
            self.end_word(start);
        }
        while matches!(self.peek(), Some('>' | '&' | '|')) {
            self.take();
        }
        if self.peek() == Some('(') {
            return self.unsupported("a substitution");
        }
        self.tokens.push(Token::Redirection);
        Ok(())
    }

    fn skip_comment(&mut self) {
        while self.peek().is_some_and(|letter| letter != '\n') {
            self.take();
        }
    }

    /// Outside quotes a backslash keeps the next letter as it is; before a line's end both fall away.
    fn escape(&mut self, start: usize) -> Result<(), BindingError> {
        match self.take() {
            Some('\n') => Ok(()),
            Some(letter) => {
                self.word(start).text.push(letter);
                Ok(())
            }
            None => self.unsupported("a backslash at the end"),
        }
    }

    fn single_quoted(&mut self, start: usize) -> Result<(), BindingError> {
        self.word(start);
        loop {
            match self.take() {
                Some('\'') => return Ok(()),
                Some(letter) => self.word(start).text.push(letter),
                None => return self.unsupported("an open quote"),
            }
        }
    }

    fn double_quoted(&mut self, start: usize) -> Result<(), BindingError> {
        self.word(start);
        loop {
            match self.take() {
                Some('"') => return Ok(()),
                Some('\\') => match self.take() {
                    Some('\n') => {}
                    Some(letter @ ('$' | '`' | '"' | '\\')) => self.word(start).text.push(letter),
                    Some(letter) => self.word(start).text.extend(['\\', letter]),
                    None => return self.unsupported("an open quote"),
                },
                Some('$') => self.dollar(start)?,
                Some('`') => return self.unsupported("a substitution"),
                Some(letter) => self.word(start).text.push(letter),
                None => return self.unsupported("an open quote"),
            }
        }
    }

    fn dollar(&mut self, start: usize) -> Result<(), BindingError> {
        if matches!(self.peek(), Some('(' | '\'' | '"')) {
            return self.unsupported("a substitution");
        }
        let word = self.word(start);
        word.expands = true;
        word.text.push('$');
        Ok(())
    }

    fn unsupported(&self, what: &str) -> Result<(), BindingError> {
        refuse(BindingReason::UnsupportedShell, format!("the shell command has {what} before byte {}", self.position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(script: &str) -> Vec<String> {
        let tokens = tokens_of(script).unwrap().into_iter();
        tokens
            .map(|token| match token {
                Token::Word(word) => {
                    assert!(word.start < word.end && word.end <= script.len(), "{word:?}");
                    format!("{}{}", word.text, if word.expands { "!" } else { "" })
                }
                Token::Separator => "SEP".to_owned(),
                Token::Redirection => "REDIR".to_owned(),
            })
            .collect()
    }

    fn refused(script: &str) -> String {
        tokens_of(script).unwrap_err().to_string()
    }

    #[test]
    fn words_are_what_the_program_would_see() {
        assert_eq!(seen("a 'b c' \"d e\" f\\ g h'i'\"j\""), ["a", "b c", "d e", "f g", "hij"]);
        assert_eq!(seen("a \\\n  b\tc\r"), ["a", "b", "c"]);
        assert_eq!(seen("a\\\nb"), ["ab"], "a line's end after a backslash joins");
        assert_eq!(seen("\"a\\\"b\\$c\\\\d\\`e\\f\\\ng\""), ["a\"b$c\\d`e\\fg"]);
        assert_eq!(seen("'' \"\""), ["", ""]);
        assert_eq!(seen("naïve 'é'"), ["naïve", "é"]);
    }

    #[test]
    fn commands_end_at_separators_and_comments_are_passed_over() {
        assert_eq!(
            seen("a&&b||c;d|e&\nf"),
            "a SEP SEP b SEP SEP c SEP d SEP e SEP SEP f".split(' ').collect::<Vec<_>>()
        );
        assert_eq!(seen("a # b 'c\nd#e"), ["a", "SEP", "d#e"]);
    }

    #[test]
    fn redirections_take_their_descriptor_with_them() {
        assert_eq!(seen("a >f 2>&1 b>>g <h"), "a REDIR f REDIR 1 b REDIR g REDIR h".split(' ').collect::<Vec<_>>());
        assert_eq!(seen("a &>f"), ["a", "REDIR", "f"]);
        assert_eq!(seen("a 2 >f"), ["a", "2", "REDIR", "f"], "a number apart is a word");
        assert_eq!(seen("a >|f"), ["a", "REDIR", "f"]);
    }

    #[test]
    fn what_the_shell_would_replace_is_marked() {
        assert_eq!(
            seen("$A \"$B\" '$C' \\$D *.x a? [b] {c,d} ~/e"),
            ["$A!", "$B!", "$C", "$D", "*.x!", "a?!", "[b]!", "{c,d}!", "~/e!"]
        );
        assert_eq!(seen("\"*\" '?'"), ["*", "?"]);
    }

    #[test]
    fn constructs_of_unknown_extent_are_refused() {
        for (script, what) in [
            ("a $(b)", "a substitution before byte 3"),
            ("a \"$(b)\"", "a substitution before byte 4"),
            ("a $'b'", "a substitution before byte 3"),
            ("a $\"b\"", "a substitution before byte 3"),
            ("a `b`", "'`' before byte 3"),
            ("a \"`b`\"", "a substitution before byte 4"),
            ("(a)", "'(' before byte 1"),
            ("a)", "')' before byte 2"),
            ("a <<E", "a here-document before byte 3"),
            ("a <(b)", "a substitution before byte 3"),
            ("a >(b)", "a substitution before byte 3"),
            ("a 'b", "an open quote before byte 4"),
            ("a \"b", "an open quote before byte 4"),
            ("a \"b\\", "an open quote before byte 5"),
            ("a \\", "a backslash at the end before byte 3"),
        ] {
            assert_eq!(refused(script), format!("UnsupportedShell: the shell command has {what}"), "{script}");
        }
    }
}
