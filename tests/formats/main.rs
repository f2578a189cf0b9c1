//! Proofs of the dialects: what a call keeps on its way into each, what recorded answers keep on theirs back, and that
//! nothing changes in between.

mod fields;
mod metadata;
mod neutral;
mod recorded;
mod round_trips;
mod said;
mod schemas;
mod streams;
mod table;
