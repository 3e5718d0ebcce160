//! Columns of text.

use super::style::{BOLD, paint};

/// How a column is aligned.
#[derive(Clone, Copy)]
pub enum Align {
    Left,
    Right,
}

/// A table with a head; every row has as many cells as the head.
pub fn table(head: &[(&str, Align)], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        widest.max(head[column].0.chars().count())
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let mut text = String::new();
        for ((cell, (_, align)), width) in cells.iter().zip(head).zip(&widths) {
            let gap = " ".repeat(width.saturating_sub(cell.chars().count()));
            match align {
                Align::Left => text += &format!("  {cell}{gap}"),
                Align::Right => text += &format!("  {gap}{cell}"),
            }
        }
        text.trim_end().to_owned()
    };
    let heading = line(head.iter().map(|(name, _)| *name).collect());
    let mut text = format!("{}\n", paint(BOLD, &heading));
    for row in rows {
        text += &line(row.iter().map(String::as_str).collect());
        text.push('\n');
    }
    text
}
