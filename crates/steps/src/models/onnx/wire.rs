//! The few messages of ONNX that a model of ours needs, in Protocol Buffers' wire format.
//!
//! Field numbers are those of `onnx.proto` (IR version 8). Deliberately not here: reading, and which
//! operators compute what (`onnx`).

/// Wire types: a varint, and bytes with their length.
const VARINT: u64 = 0;
const BYTES: u64 = 2;

/// `TensorProto.DataType`.
const DOUBLE: u64 = 11;

/// `AttributeProto.AttributeType`.
const INT: u64 = 2;
const STRING: u64 = 3;
const TENSOR: u64 = 4;
const INTS: u64 = 7;
const STRINGS: u64 = 8;

/// A message under construction.
#[derive(Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// An integer field.
    pub fn int(mut self, field: u64, value: u64) -> Message {
        self.varint((field << 3) | VARINT);
        self.varint(value);
        self
    }

    /// Bytes, text or a message within this one.
    pub fn bytes(mut self, field: u64, value: &[u8]) -> Message {
        self.varint((field << 3) | BYTES);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    pub fn text(self, field: u64, value: &str) -> Message {
        self.bytes(field, value.as_bytes())
    }

    pub fn message(self, field: u64, value: &Message) -> Message {
        self.bytes(field, &value.0)
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(((value & 0x7f) as u8) | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

/// A named constant of doubles; its shape is `dims`, row by row.
pub(super) fn tensor(name: &str, dims: &[usize], values: &[f64]) -> Message {
    let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let dims = dims.iter().fold(Message::default(), |tensor, dim| tensor.int(1, *dim as u64));
    dims.int(2, DOUBLE).text(8, name).bytes(9, &raw)
}

/// What an attribute holds.
pub(super) enum Value<'a> {
    Int(u64),
    Text(&'a str),
    Tensor(&'a [f64]),
    Ints(&'a [u64]),
    Texts(&'a [&'a str]),
}

/// An attribute of an operator.
pub(super) fn attribute(name: &str, value: &Value<'_>) -> Message {
    let named = Message::default().text(1, name);
    match value {
        Value::Int(value) => named.int(3, *value).int(20, INT),
        Value::Text(value) => named.text(4, value).int(20, STRING),
        Value::Tensor(values) => {
            named.message(5, &tensor(name, &[values.len()], values)).int(20, TENSOR)
        }
        Value::Ints(values) => {
            values.iter().fold(named, |all, value| all.int(8, *value)).int(20, INTS)
        }
        Value::Texts(values) => {
            values.iter().fold(named, |all, value| all.text(9, value)).int(20, STRINGS)
        }
    }
}

/// An operator: what it takes, and the one thing that it makes.
pub(super) fn node(operator: &str, inputs: &[&str], output: &str) -> Message {
    let taken = inputs.iter().fold(Message::default(), |node, input| node.text(1, input));
    taken.text(2, output).text(3, output).text(4, operator)
}

/// An input or output of the graph: doubles, any number of rows of `width`.
pub(super) fn rows_of(name: &str, width: usize) -> Message {
    let any = Message::default().text(2, "rows");
    let width = Message::default().int(1, width as u64);
    let shape = Message::default().message(1, &any).message(1, &width);
    let tensor = Message::default().int(1, DOUBLE).message(2, &shape);
    Message::default().text(1, name).message(2, &Message::default().message(1, &tensor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_those_of_the_format() {
        assert_eq!(Message::default().int(1, 150).into_bytes(), [0x08, 0x96, 0x01]);
        assert_eq!(Message::default().int(20, 0).into_bytes(), [0xa0, 0x01, 0x00]);
        let testing = [0x12, 0x07, b't', b'e', b's', b't', b'i', b'n', b'g'];
        assert_eq!(Message::default().text(2, "testing").into_bytes(), testing);
        let within = Message::default().message(3, &Message::default().int(1, 150));
        assert_eq!(within.into_bytes(), [0x1a, 0x03, 0x08, 0x96, 0x01]);
        let one = tensor("x", &[1], &[1.0]).into_bytes();
        assert_eq!(one, [8, 1, 16, 11, 66, 1, b'x', 74, 8, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]);
    }
}
