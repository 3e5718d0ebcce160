//! GRANT, DENY, REVOKE, and the making of logins, users and members of the fixed roles: what a script
//! of least privilege consists of. Permissions that the double has not (VIEW DEFINITION and the like)
//! are taken, without effect.

use crate::{
    catalogue::text,
    engine::Engine,
    error::SqlError,
    lexer::{Token, by_commas},
    permissions::{Access, EVERYTHING},
    syntax::parts,
};

/// The fixed roles of a database that mean something here.
const ROLES: &[(&str, &[Access])] = &[
    ("db_datareader", &[Access::Select]),
    ("db_datawriter", &[Access::Insert, Access::Update, Access::Delete]),
    ("db_ddladmin", &[Access::Alter]),
];

impl Engine {
    /// `GRANT permission, … [ON [SCHEMA::]name] TO user, …`, DENY and REVOKE alike.
    pub(crate) fn grant(&mut self, tokens: &[Token]) -> Result<(), SqlError> {
        self.check_admin()?;
        let to = tokens.iter().rposition(|token| token.is_any(&["TO", "FROM"]));
        let to = to.ok_or_else(|| SqlError::syntax("GRANT"))?;
        let on = tokens[..to].iter().position(|token| token.is("ON"));
        let target = match on.map(|on| &tokens[on + 1..to]) {
            None => EVERYTHING.to_owned(),
            Some([kind, colons, name @ ..]) if colons.symbol("::") && kind.is("SCHEMA") => {
                format!("{}.*", name.first().and_then(Token::as_name).unwrap_or_default())
            }
            Some([_, colons, name @ ..]) if colons.symbol("::") => self.object(name)?,
            Some(name) => self.object(name)?,
        };
        for user in by_commas(&tokens[to + 1..]) {
            let user = user.first().and_then(Token::as_name).unwrap_or_default();
            for permission in by_commas(&tokens[1..on.unwrap_or(to)]) {
                let words: Vec<&str> = permission.iter().filter_map(Token::as_name).collect();
                let Some(access) = Access::named(&words.join(" ").to_ascii_uppercase()) else {
                    continue;
                };
                match &tokens[0] {
                    word if word.is("GRANT") => self.permissions.grant(user, access, &target),
                    word if word.is("DENY") => self.permissions.deny(user, access, &target),
                    _ => self.permissions.revoke(user, access, &target),
                }
            }
        }
        self.done(0xF9, None)
    }

    fn object(&self, tokens: &[Token]) -> Result<String, SqlError> {
        if tokens.is_empty() {
            return Err(SqlError::syntax("ON"));
        }
        let (names, _) = parts(tokens, 0);
        let name = self.translated(|translator| Ok(translator.table(&names)))?;
        Ok(name.as_name().unwrap_or_default().to_owned())
    }

    fn check_admin(&self) -> Result<(), SqlError> {
        // Whoever may alter everything may grant; SQL Server asks for CONTROL.
        self.permissions.check(&self.user, Access::Alter, "dbo.permissions").map_err(|_| {
            SqlError::new(15247, 16, "User does not have permission to perform this action.")
        })
    }

    /// `CREATE | ALTER | DROP LOGIN | USER | ROLE | DATABASE …`
    pub(crate) fn principal(&mut self, tokens: &[Token]) -> Result<(), SqlError> {
        self.check_admin()?;
        let name = tokens.get(2).and_then(Token::as_name).unwrap_or_default();
        let kind = tokens[1].as_name().unwrap_or_default().to_ascii_uppercase();
        if tokens[0].is("CREATE") {
            if kind == "USER" {
                self.permissions.restrict(name);
            }
            let insert = format!(
                "INSERT INTO \"~principals\" (name, kind) VALUES ({}, {})",
                text(name),
                text(&kind)
            );
            self.db.execute_batch(&insert)?;
        } else if tokens[0].is("DROP") {
            let delete = "DELETE FROM \"~principals\" WHERE name = ?1 AND kind = ?2";
            self.db.execute(delete, [name, &kind])?;
        } else if let [.., member, user] = tokens
            && kind == "ROLE"
            && member.is("MEMBER")
        {
            let user = user.as_name().unwrap_or_default();
            if name.eq_ignore_ascii_case("db_owner") {
                self.permissions.free(user);
            }
            let role = ROLES.iter().find(|(role, _)| role.eq_ignore_ascii_case(name));
            for access in role.map_or(&[][..], |(_, accesses)| accesses) {
                self.permissions.grant(user, *access, EVERYTHING);
            }
        }
        self.done(0xC6, None)
    }
}
