//! T-SQL's queries and changes, token by token, as SQLite's. What differs is in tables (`names`); what
//! is in none of them passes unchanged, and SQLite judges it. Not here: definitions (`tables`,
//! `modules`).
//!
//! A schema is part of a table's name: `kaizen.events` becomes `"kaizen.events"`, so that views,
//! triggers and keys can name tables of any schema.

use crate::{
    error::SqlError,
    lexer::{Kind, Token, after_group, by_commas},
    names::{BARE, BEFORE_TABLE, NOT_KEYWORDS, QUERIES, RENAMED},
    syntax::{ctes, follows_dot, is_advice, parts, rewritten, sql_type},
};

/// What a translator must know of the session.
pub struct Context<'a> {
    pub is_schema: &'a dyn Fn(&str) -> bool,
    pub variables: &'a dyn Fn(&str) -> Option<String>,
}

/// One statement's translation.
pub struct Translator<'a> {
    context: &'a Context<'a>,
    /// Names defined by WITH in this statement.
    ctes: Vec<String>,
    /// Every table named in it, with its schema.
    pub tables: Vec<String>,
}

impl<'a> Translator<'a> {
    pub fn new(context: &'a Context<'a>) -> Self {
        Self { context, ctes: Vec::new(), tables: Vec::new() }
    }

    pub fn translate(&mut self, tokens: &[Token]) -> Result<Vec<Token>, SqlError> {
        self.ctes = ctes(tokens);
        let tokens = rewritten(tokens);
        self.level(&tokens)
    }

    /// One level of parentheses. TOP and OFFSET become a LIMIT at its end.
    pub fn level(&mut self, tokens: &[Token]) -> Result<Vec<Token>, SqlError> {
        let mut out: Vec<Token> = Vec::with_capacity(tokens.len() + 4);
        let (mut limit, mut at) = (Vec::new(), 0);
        while let Some(token) = tokens.get(at) {
            let next = tokens.get(at + 1);
            let opens = next.is_some_and(|next| next.symbol("("));
            at = if token.symbol("(") {
                self.group(tokens, at, &mut out)?
            } else if token.is("TOP") {
                self.top(tokens, at + 1, &mut limit)?
            } else if token.is("OFFSET") && next.is_some() {
                self.offset(&tokens[at + 1..], &mut limit)?;
                tokens.len()
            } else if token.is("COLLATE") {
                at + 2
            } else if opens && (is_advice(tokens, at) || self.call(tokens, at, &mut out)?) {
                after_group(tokens, at + 1)?
            } else if token.as_name().is_some() {
                self.name(tokens, at, &mut out)
            } else {
                out.push(self.plain(tokens, at));
                at + 1
            };
        }
        out.extend(limit);
        Ok(out)
    }

    /// `(…)`, and a derived table of VALUES whose columns are named after it.
    fn group(
        &mut self,
        tokens: &[Token],
        at: usize,
        out: &mut Vec<Token>,
    ) -> Result<usize, SqlError> {
        let end = after_group(tokens, at)?;
        let inner = self.level(&tokens[at + 1..end - 1])?;
        let alias = usize::from(tokens.get(end).is_some_and(|token| token.is("AS"))) + end;
        let named = inner.first().is_some_and(|token| token.is("VALUES"))
            && tokens.get(alias).is_some_and(|token| token.as_name().is_some())
            && tokens.get(alias + 1).is_some_and(|token| token.symbol("("));
        out.push(tokens[at].clone());
        if !named {
            out.extend(inner);
            out.push(tokens[end - 1].clone());
            return Ok(end);
        }
        let after = after_group(tokens, alias + 1)?;
        out.push(Token::raw("SELECT"));
        for (index, name) in by_commas(&tokens[alias + 2..after - 1]).into_iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            out.push(Token::raw(format!("{comma} column{} AS", index + 1)));
            out.extend_from_slice(name);
        }
        out.push(Token::raw("FROM ("));
        out.extend(inner);
        out.push(Token::raw(")) AS"));
        out.push(tokens[alias].clone());
        Ok(after)
    }

    fn top(
        &mut self,
        tokens: &[Token],
        at: usize,
        limit: &mut Vec<Token>,
    ) -> Result<usize, SqlError> {
        let end = if tokens.get(at).is_some_and(|token| token.symbol("(")) {
            after_group(tokens, at)?
        } else {
            at + 1
        };
        let count = tokens.get(at..end).ok_or_else(|| SqlError::syntax("TOP"))?;
        limit.push(Token::raw("LIMIT"));
        limit.extend(self.level(count)?);
        if tokens.get(end).is_some_and(|token| token.is_any(&["PERCENT", "WITH"])) {
            return Err(SqlError::unsupported("TOP … PERCENT and WITH TIES"));
        }
        Ok(end)
    }

    /// `OFFSET n ROWS [FETCH NEXT m ROWS ONLY]`, from after OFFSET.
    fn offset(&mut self, rest: &[Token], limit: &mut Vec<Token>) -> Result<(), SqlError> {
        let rows = |token: &Token| token.is_any(&["ROW", "ROWS"]);
        let mut parts = rest.splitn(2, rows);
        let skip = parts.next().unwrap_or_default();
        let fetch = parts.next().unwrap_or_default();
        limit.push(Token::raw("LIMIT"));
        match fetch.first() {
            Some(word) if word.is("FETCH") => {
                let count = fetch.get(2..).unwrap_or_default().split(rows).next();
                limit.extend(self.level(count.unwrap_or_default())?);
            }
            _ => limit.push(Token::raw("-1")),
        }
        limit.push(Token::raw("OFFSET"));
        limit.extend(self.level(skip)?);
        Ok(())
    }

    /// A call of a function that SQLite has not; false if it has.
    fn call(
        &mut self,
        tokens: &[Token],
        at: usize,
        out: &mut Vec<Token>,
    ) -> Result<bool, SqlError> {
        let Kind::Word(word) = &tokens[at].kind else { return Ok(false) };
        if follows_dot(tokens, at) {
            return Ok(false);
        }
        let word = word.to_ascii_uppercase();
        let inner = &tokens[at + 2..after_group(tokens, at + 1)? - 1];
        match word.as_str() {
            "CAST" | "TRY_CAST" => {
                let split = inner.iter().rposition(|token| token.is("AS"));
                let split = split.ok_or_else(|| SqlError::syntax("CAST"))?;
                self.cast(&word, &inner[..split], &inner[split + 1..], out)?;
            }
            "CONVERT" | "TRY_CONVERT" => {
                let parts = by_commas(inner);
                let value = parts.get(1).ok_or_else(|| SqlError::syntax("CONVERT"))?;
                self.cast(&word, value, parts[0], out)?;
            }
            _ => {
                let arguments = self.level(inner)?;
                if let Some((_, name)) = RENAMED.iter().find(|(from, _)| *from == word) {
                    out.push(Token::raw(format!("{name}(")));
                    out.extend(arguments);
                    out.push(Token::raw(")"));
                } else if let Some((_, before, after)) = QUERIES.iter().find(|q| q.0 == word) {
                    let first = by_commas(&arguments)[0];
                    out.push(Token::raw(*before));
                    out.extend_from_slice(first);
                    out.push(Token::raw(*after));
                    if word == "OBJECT_ID" {
                        // Temporary tables are SQLite's own; their name is asked for again.
                        out.extend_from_slice(first);
                        out.push(Token::raw(") LIMIT 1)"));
                    }
                } else {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn cast(
        &mut self,
        word: &str,
        value: &[Token],
        ty: &[Token],
        out: &mut Vec<Token>,
    ) -> Result<(), SqlError> {
        let (ty, _) = sql_type(ty)?;
        let name = if word.starts_with("TRY_") { "ts_try_cast(" } else { "ts_cast(" };
        out.push(Token::raw(name));
        out.extend(self.level(value)?);
        out.push(Token::raw(format!(", '{}')", ty.code())));
        Ok(())
    }

    /// A name of one or more parts; a table's become one.
    fn name(&mut self, tokens: &[Token], at: usize, out: &mut Vec<Token>) -> usize {
        let (parts, end) = parts(tokens, at);
        let before = at.checked_sub(1).map(|at| &tokens[at]);
        let is_table = before.is_some_and(|token| token.is_any(BEFORE_TABLE))
            && !tokens[at].is_any(&["SELECT", "INTO", "FROM", "VALUES", "SET"]);
        if is_table {
            out.push(self.table(&parts));
            return end;
        }
        let known =
            |part: &Token| part.as_name().is_some_and(|name| (self.context.is_schema)(name));
        if let [schema, table, column] = parts.as_slice()
            && known(schema)
        {
            // schema.table.column
            let whole = self.table(&[schema.clone(), table.clone()]);
            out.extend([whole, Token { kind: Kind::Symbol("."), line: 0 }, column.clone()]);
            return end;
        }
        if parts.len() == 1 {
            out.push(self.plain(tokens, at));
        } else {
            // Nothing in a dotted name is a keyword.
            out.extend(tokens[at..end].iter().map(|token| match &token.kind {
                Kind::Word(word) => Token::name(word.clone()),
                _ => token.clone(),
            }));
        }
        end
    }

    /// The single name of a table, from its last two parts; `dbo` if it has but one.
    pub fn table(&mut self, parts: &[Token]) -> Token {
        let name = parts.last().and_then(Token::as_name).unwrap_or_default().to_owned();
        if name.starts_with('#') {
            return Token::name(name);
        }
        let schema = parts.len().checked_sub(2).and_then(|at| parts[at].as_name());
        if schema.is_none() && self.ctes.iter().any(|cte| cte.eq_ignore_ascii_case(&name)) {
            return Token::name(name);
        }
        let whole = format!("{}.{name}", schema.filter(|s| !s.is_empty()).unwrap_or("dbo"));
        self.tables.push(whole.clone());
        Token::name(whole)
    }

    /// Everything else: variables, words that are calls, and `+` between texts.
    fn plain(&self, tokens: &[Token], at: usize) -> Token {
        let token = &tokens[at];
        match &token.kind {
            Kind::Variable(name) => {
                (self.context.variables)(name).map_or_else(|| token.clone(), Token::raw)
            }
            Kind::Word(word) if token.is_any(NOT_KEYWORDS) => Token::name(word.clone()),
            Kind::Word(word) => {
                let bare = BARE.iter().find(|(from, _)| from.eq_ignore_ascii_case(word));
                bare.map_or_else(|| token.clone(), |(_, to)| Token::raw(*to))
            }
            Kind::Symbol("+") => {
                // Types are not known here; a literal beside the plus tells.
                let text = |at: Option<usize>| {
                    at.and_then(|at| tokens.get(at)).is_some_and(|token| token.as_text().is_some())
                };
                let joins = text(at.checked_sub(1)) || text(Some(at + 1));
                if joins { Token::raw("||") } else { token.clone() }
            }
            _ => token.clone(),
        }
    }
}
