//! From words and signs to an expression: `or` of `and` of `not` of comparisons.

use std::ops::Range;

use super::Problem;
use super::token::{Placed, Token, tokens};

/// How deep parentheses and `not` may be nested: evaluation walks as deep.
const MOST_DEPTH: usize = 32;
/// Values of one list.
const MOST_VALUES: usize = 1000;

/// How a field is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operator {
    Equals,
    Less,
    AtMost,
    More,
    AtLeast,
    In,
    Contains,
    StartsWith,
    EndsWith,
    Like,
    Cidr,
}

/// The operators as conditions write them; each of the words can have `not` before it.
pub(super) const OPERATORS: &[(&str, Operator)] = &[
    ("==", Operator::Equals),
    ("<", Operator::Less),
    ("<=", Operator::AtMost),
    (">", Operator::More),
    (">=", Operator::AtLeast),
    ("in", Operator::In),
    ("contains", Operator::Contains),
    ("startswith", Operator::StartsWith),
    ("endswith", Operator::EndsWith),
    ("like", Operator::Like),
    ("cidr", Operator::Cidr),
];

impl Operator {
    pub(super) fn as_str(self) -> &'static str {
        OPERATORS.iter().find(|(_, operator)| *operator == self).map_or("==", |(word, _)| word)
    }
}

/// A value that stands in a condition.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Literal {
    Text(String),
    Number { digits: String, unit: String },
    Flag(bool),
}

/// What was written, not yet checked.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Expression {
    All(Vec<Expression>),
    Any(Vec<Expression>),
    Not(Box<Expression>),
    /// A field compared with a value, or with any of several.
    Compare {
        field: (String, Range<usize>),
        operator: (Operator, Range<usize>),
        values: Vec<(Literal, Range<usize>)>,
    },
    /// A field that is there at all.
    Exists((String, Range<usize>)),
    /// A field that stands alone.
    Flag((String, Range<usize>)),
}

/// Reads a condition.
///
/// # Errors
/// The first thing that was not expected.
pub(super) fn parse(text: &str) -> Result<Expression, Problem> {
    let mut reading = Reading { tokens: tokens(text)?, at: 0, end: text.len(), depth: 0 };
    if reading.tokens.is_empty() {
        return Err(Problem::new(0..text.len(), "this condition is empty").help("for example: status >= 500"));
    }
    let expression = reading.any()?;
    match reading.peek() {
        None => Ok(expression),
        Some(_) => Err(reading.unexpected("\"and\", \"or\" or the end of the condition")),
    }
}

struct Reading {
    tokens: Vec<Placed>,
    at: usize,
    end: usize,
    depth: usize,
}

impl Reading {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    fn span(&self) -> Range<usize> {
        self.tokens.get(self.at).map_or(self.end..self.end, |(_, span)| span.clone())
    }

    fn next(&mut self) -> Option<Placed> {
        let placed = self.tokens.get(self.at).cloned();
        self.at += 1;
        placed
    }

    /// Takes one of these words or signs.
    fn takes(&mut self, names: &[&str]) -> bool {
        let is = match self.peek() {
            Some(Token::Word(word)) => names.contains(&word.as_str()),
            Some(Token::Sign(sign)) => names.contains(sign),
            _ => false,
        };
        self.at += usize::from(is);
        is
    }

    fn unexpected(&self, expected: &str) -> Problem {
        let found = match self.peek() {
            None => "found the end".to_owned(),
            Some(Token::Word(word)) => format!("found \"{word}\""),
            Some(Token::Text(_)) => "found a text".to_owned(),
            Some(Token::Number { digits, unit }) => format!("found {digits}{unit}"),
            Some(Token::Sign(sign)) => format!("found {sign}"),
        };
        let problem = Problem::new(self.span(), format!("expected {expected}, {found}"));
        match self.peek() {
            Some(Token::Sign("=")) => problem.help("equality is written =="),
            Some(Token::Sign("(")) if self.at > 0 => {
                problem.help("there are no functions; write a field, an operator and a value: path startswith \"/v1/\"")
            }
            Some(Token::Word(word)) if ["AND", "OR", "NOT", "IN"].contains(&word.as_str()) => {
                problem.help("words of the language are written small: and, or, not, in")
            }
            _ => problem,
        }
    }

    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, Problem>) -> Result<T, Problem> {
        if self.depth >= MOST_DEPTH {
            let message = format!("parentheses and \"not\" are nested deeper than {MOST_DEPTH}");
            return Err(Problem::new(self.span(), message));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn any(&mut self) -> Result<Expression, Problem> {
        let mut parts = vec![self.all()?];
        while self.takes(&["or", "||"]) {
            parts.push(self.all()?);
        }
        Ok(one_or(parts, Expression::Any))
    }

    fn all(&mut self) -> Result<Expression, Problem> {
        let mut parts = vec![self.not()?];
        while self.takes(&["and", "&&"]) {
            parts.push(self.not()?);
        }
        Ok(one_or(parts, Expression::All))
    }

    fn not(&mut self) -> Result<Expression, Problem> {
        if self.takes(&["not", "!"]) {
            return self.deeper(|r| Ok(Expression::Not(Box::new(r.not()?))));
        }
        if self.takes(&["("]) {
            let inner = self.deeper(Reading::any)?;
            if !self.takes(&[")"]) {
                return Err(self.unexpected("\")\""));
            }
            return Ok(inner);
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Expression, Problem> {
        let reserved =
            |word: &str| ["and", "or", "not", "true", "false"].contains(&word) || operator_of(word).is_some();
        let field = match self.peek() {
            Some(Token::Word(word)) if !reserved(word) => (word.clone(), self.span()),
            _ => return Err(self.unexpected("the name of a field")),
        };
        self.at += 1;
        if self.takes(&["exists"]) {
            return Ok(Expression::Exists(field));
        }
        let before = self.at;
        let negated = self.takes(&["not"]);
        if negated && self.takes(&["exists"]) {
            return Ok(Expression::Not(Box::new(Expression::Exists(field))));
        }
        if self.takes(&["!="]) && !negated {
            let span = self.tokens.get(before).map_or(0..0, |(_, span)| span.clone());
            let values = vec![self.value()?];
            let compare = Expression::Compare { field, operator: (Operator::Equals, span), values };
            return Ok(Expression::Not(Box::new(compare)));
        }
        let word = match self.peek() {
            Some(Token::Word(word)) => operator_of(word),
            Some(Token::Sign(sign)) => operator_of(sign),
            _ => None,
        };
        let Some(operator) = word else {
            // `not` belongs to no operator: `crawler and not static` was meant.
            self.at = before;
            return match self.peek() {
                None | Some(Token::Sign(")" | "&&" | "||")) => Ok(Expression::Flag(field)),
                Some(Token::Word(word)) if ["and", "or"].contains(&word.as_str()) => Ok(Expression::Flag(field)),
                _ => {
                    let words: Vec<&str> = OPERATORS.iter().map(|(word, _)| *word).collect();
                    let problem = self.unexpected("an operator");
                    let help = match self.peek() {
                        Some(Token::Word(word)) => crate::diag::suggest(word, words.iter().copied()),
                        _ => Some(format!("operators are !=, {}, exists", words.join(", "))),
                    };
                    Err(if problem.help.is_some() { problem } else { problem.maybe_help(help) })
                }
            };
        };
        let span = self.span();
        self.at += 1;
        let values = self.values(operator)?;
        let compare = Expression::Compare { field, operator: (operator, span), values };
        Ok(if negated { Expression::Not(Box::new(compare)) } else { compare })
    }

    fn values(&mut self, operator: Operator) -> Result<Vec<(Literal, Range<usize>)>, Problem> {
        let start = self.span();
        if !self.takes(&["["]) {
            return match operator {
                Operator::In => Err(self.unexpected("a list such as [\"GET\", \"HEAD\"]")),
                _ => Ok(vec![self.value()?]),
            };
        }
        if matches!(operator, Operator::Less | Operator::AtMost | Operator::More | Operator::AtLeast) {
            let message = format!("\"{}\" compares with one value, not with a list", operator.as_str());
            return Err(Problem::new(start, message));
        }
        let mut values = Vec::new();
        while !self.takes(&["]"]) {
            if !values.is_empty() && !self.takes(&[","]) {
                return Err(self.unexpected("\",\" or \"]\""));
            }
            if self.takes(&["]"]) {
                break;
            }
            values.push(self.value()?);
            if values.len() > MOST_VALUES {
                return Err(Problem::new(start, format!("this list has more than {MOST_VALUES} values")));
            }
        }
        if values.is_empty() {
            return Err(Problem::new(start, "this list is empty: nothing is in it"));
        }
        Ok(values)
    }

    fn value(&mut self) -> Result<(Literal, Range<usize>), Problem> {
        let literal = match self.peek() {
            Some(Token::Text(text)) => Literal::Text(text.clone()),
            Some(Token::Number { digits, unit }) => Literal::Number { digits: digits.clone(), unit: unit.clone() },
            Some(Token::Word(word)) if word == "true" => Literal::Flag(true),
            Some(Token::Word(word)) if word == "false" => Literal::Flag(false),
            Some(Token::Word(word)) => {
                let help = format!("texts stand in quotes: \"{word}\"");
                return Err(self.unexpected("a value").help(help));
            }
            _ => return Err(self.unexpected("a value: a text in quotes, or a number")),
        };
        let (_, span) = self.next().unwrap_or((Token::Sign(","), 0..0));
        Ok((literal, span))
    }
}

fn operator_of(word: &str) -> Option<Operator> {
    OPERATORS.iter().find(|(known, _)| *known == word).map(|(_, operator)| *operator)
}

fn one_or(mut parts: Vec<Expression>, several: impl FnOnce(Vec<Expression>) -> Expression) -> Expression {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            several(parts)
        }
    }
}
