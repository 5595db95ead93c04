//! The Engine trait and what every engine shares.
