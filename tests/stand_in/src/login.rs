//! PRELOGIN and LOGIN7 (MS-TDS 2.2.6.5, 2.2.6.4). No TLS: the answer is that there is none.

use crate::{
    error::SqlError,
    wire::{Broken, Reader, utf16},
};

const PASSWORD: &str = "secret";
const DATABASES: &[&str] = &["kaizen", "master", "shop"];

/// Version, ENCRYPT_NOT_SUP, no instance, no thread, no MARS.
pub fn prelogin() -> Vec<u8> {
    let options: [(u8, &[u8]); 5] =
        [(0, &[16, 0, 0, 0, 0, 0]), (1, &[2]), (2, &[0]), (3, &[]), (4, &[0])];
    let mut offset = options.len() * 5 + 1;
    let (mut head, mut data) = (Vec::new(), Vec::<u8>::new());
    for (token, value) in options {
        head.push(token);
        head.extend(u16::try_from(offset).unwrap_or_default().to_be_bytes());
        head.extend(u16::try_from(value.len()).unwrap_or_default().to_be_bytes());
        data.extend(value);
        offset += value.len();
    }
    head.push(0xFF);
    head.extend(data);
    head
}

#[derive(Debug, PartialEq, Eq)]
pub struct Login {
    pub user: String,
    pub database: String,
    pub packet_size: u32,
    password: String,
}

impl Login {
    pub fn read(body: &[u8]) -> Result<Self, Broken> {
        let mut from = Reader::new(body);
        from.bytes(8)?;
        let packet_size = from.u32()?;
        // Offsets and lengths of the texts begin after 36 bytes: host, user, password, application,
        // server, extension, library, language, database.
        from.bytes(24)?;
        let mut texts = Vec::new();
        for _ in 0..9 {
            let (offset, units) = (usize::from(from.u16()?), usize::from(from.u16()?));
            let bytes = body.get(offset..offset + units * 2);
            texts.push(bytes.ok_or_else(|| Broken("LOGIN7 points outside itself".to_owned()))?);
        }
        // The password's bytes have their halves swapped and are turned over.
        let password: Vec<u8> = texts[2].iter().map(|byte| (byte ^ 0xA5).rotate_left(4)).collect();
        let database = utf16(texts[8]);
        Ok(Self {
            user: utf16(texts[1]),
            database: if database.is_empty() { "master".to_owned() } else { database },
            packet_size,
            password: utf16(&password),
        })
    }

    pub fn check(&self) -> Result<(), SqlError> {
        if self.password != PASSWORD || self.user.is_empty() {
            return Err(SqlError::new(
                18456,
                14,
                format!("Login failed for user '{}'.", self.user),
            ));
        }
        if !is_database(&self.database) {
            let message = format!(
                "Cannot open database \"{}\" requested by the login. The login failed.",
                self.database
            );
            return Err(SqlError::new(4060, 11, message));
        }
        Ok(())
    }

    /// The size of packets from here on, within what TDS allows.
    pub fn negotiated(&self) -> u32 {
        if self.packet_size == 0 { 4096 } else { self.packet_size.clamp(512, 32767) }
    }
}

pub fn is_database(name: &str) -> bool {
    DATABASES.iter().any(|known| known.eq_ignore_ascii_case(name))
}
