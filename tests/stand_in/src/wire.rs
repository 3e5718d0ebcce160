//! Packets and the reading of bytes (MS-TDS 2.2.3): messages come in packets of a negotiated size.
//! Not here: what a message means (`session`).

use std::{
    io::{self, BufReader, Read, Write},
    net::TcpStream,
};

pub const HEADER: usize = 8;

/// Types of message.
pub mod kind {
    pub const BATCH: u8 = 1;
    pub const RPC: u8 = 3;
    pub const RESULT: u8 = 4;
    pub const ATTENTION: u8 = 6;
    pub const BULK: u8 = 7;
    pub const TRANSACTION: u8 = 14;
    pub const LOGIN: u8 = 16;
    pub const PRELOGIN: u8 = 18;
}

const END: u8 = 1;
const IGNORE: u8 = 2;

/// Bytes that are no TDS; the connection cannot go on.
#[derive(Debug)]
pub struct Broken(pub String);

pub struct Message {
    pub kind: u8,
    pub body: Vec<u8>,
}

/// One client's stream of packets.
pub struct Wire {
    from: BufReader<TcpStream>,
    to: TcpStream,
    pub packet_size: usize,
}

impl Wire {
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let from = BufReader::with_capacity(1 << 16, stream.try_clone()?);
        Ok(Self { from, to: stream, packet_size: 4096 })
    }

    /// The next whole message; `None` at the end. Gives up in the middle after `cut` packets.
    pub fn read(&mut self, cut: Option<usize>) -> io::Result<Option<Message>> {
        let (mut kind, mut body, mut packets) = (0, Vec::new(), 0);
        loop {
            let mut header = [0; HEADER];
            match self.from.read_exact(&mut header) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                other => other?,
            }
            let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
            let Some(length) = length.checked_sub(HEADER) else {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a packet without header"));
            };
            if packets > 0 && header[0] != kind {
                // An attention in the middle: what came before is void.
                body.clear();
            }
            kind = header[0];
            let before = body.len();
            body.resize(before + length, 0);
            self.from.read_exact(&mut body[before..])?;
            packets += 1;
            if cut.is_some_and(|cut| packets >= cut || header[1] & END != 0) {
                return Ok(None);
            }
            if header[1] & IGNORE != 0 {
                (body, packets) = (Vec::new(), 0);
            } else if header[1] & END != 0 {
                return Ok(Some(Message { kind, body }));
            }
        }
    }

    pub fn write(&mut self, kind: u8, body: &[u8]) -> io::Result<()> {
        let room = self.packet_size - HEADER;
        let mut out = Vec::with_capacity(body.len() + HEADER * (body.len() / room + 1));
        let count = body.len().div_ceil(room).max(1);
        for number in 0..count {
            let part = &body[number * room..body.len().min((number + 1) * room)];
            let size = u16::try_from(part.len() + HEADER).unwrap_or(u16::MAX);
            out.extend([kind, u8::from(number + 1 == count)]);
            out.extend(size.to_be_bytes());
            out.extend([0, 51, u8::try_from(number % 256).unwrap_or_default(), 0]);
            out.extend(part);
        }
        self.to.write_all(&out)
    }

    pub fn close(&self) {
        // Already closed by the other side: nothing is left to do.
        self.to.shutdown(std::net::Shutdown::Both).ok();
    }
}

/// Reads a message's bytes; little-endian, as TDS is.
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], Broken> {
        if count > self.rest.len() {
            return Err(Broken(format!("{count} bytes wanted, {} left", self.rest.len())));
        }
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    pub fn u8(&mut self) -> Result<u8, Broken> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub fn u16(&mut self) -> Result<u16, Broken> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, Broken> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, Broken> {
        self.array().map(u64::from_le_bytes)
    }

    /// B_VARCHAR: a count of UTF-16 units in one byte, then the units.
    pub fn b_varchar(&mut self) -> Result<String, Broken> {
        let units = usize::from(self.u8()?);
        self.bytes(units * 2).map(utf16)
    }

    /// Skips ALL_HEADERS, whose length counts itself.
    pub fn skip_headers(&mut self) -> Result<(), Broken> {
        let length = self.u32()? as usize;
        self.bytes(length.saturating_sub(4)).map(|_| ())
    }
}

/// UTF-16LE to text; a surrogate on its own, which SQL Server would keep, becomes U+FFFD.
pub fn utf16(bytes: &[u8]) -> String {
    let pairs = bytes.chunks_exact(2);
    // Nearly all that is loaded is ASCII, and this is the hot path of a bulk load.
    if pairs.clone().all(|pair| pair[1] == 0 && pair[0] < 0x80) {
        return pairs.map(|pair| char::from(pair[0])).collect();
    }
    let units = pairs.map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

pub fn put_utf16(out: &mut Vec<u8>, text: &str) {
    out.reserve(text.len() * 2);
    if text.is_ascii() {
        for byte in text.bytes() {
            out.extend([byte, 0]);
        }
    } else {
        for unit in text.encode_utf16() {
            out.extend(unit.to_le_bytes());
        }
    }
}

pub fn put_b_varchar(out: &mut Vec<u8>, text: &str) {
    out.push(u8::try_from(text.encode_utf16().count()).unwrap_or(u8::MAX));
    put_utf16(out, text);
}

pub fn put_us_varchar(out: &mut Vec<u8>, text: &str) {
    out.extend(u16::try_from(text.encode_utf16().count()).unwrap_or(u16::MAX).to_le_bytes());
    put_utf16(out, text);
}
