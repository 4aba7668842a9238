//! The index from outside: that every way means the same (`meaning`), and that nothing is lost, doubled or hidden while
//! it commits, merges, crashes, ages and is rebuilt (`life`); that what is told of a search is what it does (`explain`);
//! that tables count what there is (`tables`).

mod explain;
mod life;
mod meaning;
mod support;
mod tables;
