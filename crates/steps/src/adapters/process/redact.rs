//! Takes credentials out of URLs before a text is shown or stored. Other shapes of secrets are
//! looked for where change sets are checked, not here.

/// `text` with the userinfo of every URL in it removed: `https://me:pw@host/x` becomes
/// `https://host/x`.
pub fn redact(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        clean.push_str(before);
        let end = after.find(ends_authority).unwrap_or(after.len());
        let (authority, tail) = after.split_at(end);
        // The last `@`: an unescaped one inside a password must not leave half of it behind.
        clean.push_str(authority.rsplit_once('@').map_or(authority, |(_, host)| host));
        rest = tail;
    }
    clean.push_str(rest);
    clean
}

fn ends_authority(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, '/' | '?' | '#' | '\'' | '"' | '<' | '>' | '`')
}
