//! A line's tokens, read one after the other: what the parser stands on.

use crate::lex::{Token, tokens};

/// A result, or what is wrong at which byte of the line.
pub(crate) type Parsed<T> = Result<T, (usize, String)>;

/// The tokens of a line, and how far they are read.
pub(crate) struct Parser<'a> {
    pub(crate) tokens: Vec<(usize, Token<'a>)>,
    pub(crate) next: usize,
    len: usize,
}

/// Tokens.
impl<'a> Parser<'a> {
    pub(crate) fn new(line: &'a str) -> Parsed<Parser<'a>> {
        Ok(Parser { tokens: tokens(line)?, next: 0, len: line.trim_end().len() })
    }

    pub(crate) fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.next).map(|t| t.1)
    }

    /// The offset of the next token.
    pub(crate) fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.len, |t| t.0)
    }

    pub(crate) fn fail<T>(&self, expected: &str) -> Parsed<T> {
        let found = match self.peek() {
            Some(Token::Word(w)) => w.to_string(),
            Some(Token::Number(n)) => n.to_string(),
            Some(Token::Sign(s)) => s.to_string(),
            None => "the end of the line".to_string(),
        };
        Err((self.at(), format!("expected {expected}, found {found}")))
    }

    pub(crate) fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(s)) if s == sign);
        self.next += usize::from(found);
        found
    }

    pub(crate) fn expect(&mut self, sign: &str) -> Parsed<()> {
        if self.sign(sign) { Ok(()) } else { self.fail(sign) }
    }

    pub(crate) fn word(&mut self) -> Option<&'a str> {
        match self.peek() {
            Some(Token::Word(w)) => {
                self.next += 1;
                Some(w)
            }
            _ => None,
        }
    }

    pub(crate) fn keyword(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(w)) if w == word);
        self.next += usize::from(found);
        found
    }

    pub(crate) fn end(&self) -> Parsed<()> {
        if self.peek().is_none() { Ok(()) } else { self.fail("the end of the line") }
    }
}

/// Numbers.
impl Parser<'_> {
    /// A number with an optional sign.
    pub(crate) fn signed(&mut self) -> Parsed<i128> {
        let negative = self.sign("-");
        if !negative {
            self.sign("+");
        }
        match self.peek() {
            Some(Token::Number(n)) => {
                self.next += 1;
                Ok(if negative { -i128::from(n) } else { n.into() })
            }
            _ => self.fail("a number"),
        }
    }

    pub(crate) fn within<T: TryFrom<i128>>(&mut self, what: &str) -> Parsed<T> {
        let at = self.at();
        let n = self.signed()?;
        T::try_from(n).map_err(|_| (at, format!("{n} does not fit in {what}")))
    }

    /// A 32-bit immediate; where only 32 bits count it may be written without sign.
    pub(crate) fn imm32(&mut self, only_low: bool) -> Parsed<i32> {
        let at = self.at();
        let n = self.signed()?;
        match (i32::try_from(n), u32::try_from(n)) {
            (Ok(n), _) => Ok(n),
            (_, Ok(n)) if only_low => Ok(n as i32),
            _ => Err((at, format!("{n} does not fit in a 32-bit immediate"))),
        }
    }
}
