//! The index from outside: that every way means the same (`meaning`), and that nothing is lost, doubled or hidden while
//! it commits, merges, crashes, ages and is rebuilt (`life`); that tables count what there is (`tables`).

mod life;
mod meaning;
mod support;
mod tables;
