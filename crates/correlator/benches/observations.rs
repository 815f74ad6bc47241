//! How many observations a second one core takes.
fn main() {}
