//! Label selectors as text: the lexer and the parser of Kubernetes, with their messages.

use serde_json::json;

use super::super::{
    field_error::FieldError,
    kinds::{label_value_faults, qualified_faults},
};

/// What a label must be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LabelRequirement {
    pub(super) key: String,
    pub(super) condition: Condition,
}

/// What the value of a label must be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
    Above(i64),
    Below(i64),
}

impl Condition {
    pub(super) fn holds(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match self {
            Self::In(values) => value.is_some_and(|value| values.iter().any(|own| own == value)),
            Self::NotIn(values) => value.is_none_or(|value| values.iter().all(|own| own != value)),
            Self::Exists => value.is_some(),
            Self::Absent => value.is_none(),
            Self::Above(bound) => number().is_some_and(|number| number > *bound),
            Self::Below(bound) => number().is_some_and(|number| number < *bound),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    End,
    Symbol(&'static str),
    Word(String),
    /// Signs that are no operator.
    Fault(String),
}

impl Token {
    fn told(&self) -> &str {
        match self {
            Self::End => "",
            Self::Symbol(text) => text,
            Self::Word(text) | Self::Fault(text) => text,
        }
    }
}

const SYMBOLS: [&str; 9] = [")", ",", "!", "==", "=", ">", "<", "!=", "("];
const OPERATORS: &str = "=, !=, ==, in, notin, >, <";

fn is_special(letter: char) -> bool {
    "=!(),><".contains(letter)
}

/// The tokens of a text, an end last.
fn scan(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let end = if is_special(first) {
            // The longest operator that begins here.
            let found = SYMBOLS.iter().filter(|symbol| rest.starts_with(**symbol)).max_by_key(|symbol| symbol.len());
            if let Some(symbol) = found {
                tokens.push(Token::Symbol(symbol));
            } else {
                tokens.push(Token::Fault(format!("error expected: keyword found '{first}'")));
            }
            found.map_or(1, |symbol| symbol.len())
        } else {
            let end = rest.find(|letter: char| is_special(letter) || letter.is_whitespace()).unwrap_or(rest.len());
            tokens.push(Token::Word(rest.get(..end).unwrap_or_default().to_owned()));
            end
        };
        rest = rest.get(end..).unwrap_or_default().trim_start();
    }
    tokens.push(Token::End);
    tokens
}

struct Parser {
    tokens: std::vec::IntoIter<Token>,
    next: Token,
}

/// Reads a selector.
///
/// # Errors
/// The message of the API server's 400.
pub(super) fn read_labels(text: &str) -> Result<Vec<LabelRequirement>, String> {
    let mut parser = Parser { tokens: scan(text).into_iter(), next: Token::End };
    parser.take();
    let mut requirements = Vec::new();
    loop {
        match &parser.next {
            Token::End => return Ok(requirements),
            Token::Word(_) | Token::Symbol("!") => {}
            other => return Err(format!("found '{}', expected: !, identifier, or 'end of string'", other.told())),
        }
        let requirement = parser.requirement().map_err(|why| format!("unable to parse requirement: {why}"))?;
        requirements.push(requirement);
        match parser.take() {
            Token::End => return Ok(requirements),
            Token::Symbol(",") => match &parser.next {
                Token::Word(_) | Token::Symbol("!") => {}
                other => return Err(format!("found '{}', expected: identifier after ','", other.told())),
            },
            other => return Err(format!("found '{}', expected: ',' or 'end of string'", other.told())),
        }
    }
}

impl Parser {
    /// Takes the next token.
    fn take(&mut self) -> Token {
        let following = self.tokens.next().unwrap_or(Token::End);
        std::mem::replace(&mut self.next, following)
    }

    fn requirement(&mut self) -> Result<LabelRequirement, String> {
        let mut token = self.take();
        let absent = token == Token::Symbol("!");
        if absent {
            token = self.take();
        }
        let Token::Word(key) = token else { return Err(format!("found '{}', expected: identifier", token.told())) };
        let faults = qualified_faults(&key);
        if !faults.is_empty() {
            return Err(FieldError::invalid("", &json!(key), &faults.join("; ")).to_string());
        }
        if absent {
            return Ok(LabelRequirement { key, condition: Condition::Absent });
        }
        if matches!(self.next, Token::End | Token::Symbol(",")) {
            return Ok(LabelRequirement { key, condition: Condition::Exists });
        }
        let operator = self.take();
        let condition = match operator.told() {
            "in" => Condition::In(self.values()?),
            "notin" => Condition::NotIn(self.values()?),
            "=" | "==" => Condition::In(vec![self.value()?]),
            "!=" => Condition::NotIn(vec![self.value()?]),
            ">" => Condition::Above(self.bound()?),
            "<" => Condition::Below(self.bound()?),
            other => return Err(format!("found '{other}', expected: {OPERATORS}")),
        };
        check_values(&key, &condition)?;
        Ok(LabelRequirement { key, condition })
    }

    fn value(&mut self) -> Result<String, String> {
        if matches!(self.next, Token::End | Token::Symbol(",")) {
            return Ok(String::new());
        }
        match self.take() {
            Token::Word(value) => Ok(value),
            other => Err(format!("found '{}', expected: identifier", other.told())),
        }
    }

    fn bound(&mut self) -> Result<i64, String> {
        let value = self.value()?;
        value.parse().map_err(|_| {
            let problem = "for 'Gt', 'Lt' operators, the value must be an integer";
            FieldError::invalid("values[0]", &json!(value), problem).to_string()
        })
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        let open = self.take();
        if open != Token::Symbol("(") {
            return Err(format!("found '{}' expected: '('", open.told()));
        }
        let mut values = Vec::new();
        loop {
            match self.take() {
                Token::Symbol(")") => {
                    if values.is_empty() {
                        values.push(String::new());
                    }
                    break;
                }
                Token::Word(value) => {
                    values.push(value);
                    match &self.next {
                        Token::Symbol(",") => drop(self.take()),
                        Token::Symbol(")") => continue,
                        other => return Err(format!("found '{}', expected: ',' or ')'", other.told())),
                    }
                    if self.next == Token::Symbol(")") {
                        values.push(String::new());
                    }
                }
                Token::Symbol(",") => values.push(String::new()),
                other if values.is_empty() => {
                    return Err(format!("found '{}', expected: ',', ')' or identifier", other.told()));
                }
                other => return Err(format!("found '{}', expected: ',', or identifier", other.told())),
            }
        }
        values.sort();
        values.dedup();
        Ok(values)
    }
}

fn check_values(key: &str, condition: &Condition) -> Result<(), String> {
    let (Condition::In(values) | Condition::NotIn(values)) = condition else { return Ok(()) };
    let mut errors = Vec::new();
    for (index, value) in values.iter().enumerate() {
        let faults = label_value_faults(value);
        if !faults.is_empty() {
            let place = format!("values[{index}][{key}]");
            errors.push(FieldError::invalid(&place, &json!(value), &faults.join("; ")).to_string());
        }
    }
    match errors.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone()),
        several => Err(format!("[{}]", several.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_selector_is_refused_where_it_goes_wrong() {
        for (text, problem) in [
            ("app in x", "unable to parse requirement: found 'x' expected: '('"),
            ("=x", "found '=', expected: !, identifier, or 'end of string'"),
            ("app=a b", "found 'b', expected: ',' or 'end of string'"),
            ("app,", "found '', expected: identifier after ','"),
            ("app in (a b)", "unable to parse requirement: found 'b', expected: ',' or ')'"),
            ("app is x", "unable to parse requirement: found 'is', expected: =, !=, ==, in, notin, >, <"),
            (
                "tier>x",
                "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer",
            ),
        ] {
            assert_eq!(read_labels(text).unwrap_err(), problem, "{text}");
        }
        assert!(
            read_labels("-a=b").unwrap_err().starts_with("unable to parse requirement: <nil>: Invalid value: \"-a\"")
        );
        assert!(
            read_labels("a=-b").unwrap_err().contains("values[0][a]: Invalid value: \"-b\": a valid label must be")
        );
    }

    #[test]
    fn empty_values_and_keywords_as_values_are_read() {
        let values = |text: &str| match read_labels(text).unwrap().remove(0).condition {
            Condition::In(values) | Condition::NotIn(values) => values,
            other => panic!("{other:?}"),
        };
        assert_eq!(values("a="), [""]);
        assert_eq!(values("a in ()"), [""]);
        assert_eq!(values("a in (b,)"), ["", "b"]);
        assert_eq!(values("a in (in, notin)"), ["in", "notin"]);
        assert_eq!(values("a notin(b)"), ["b"]);
    }
}
