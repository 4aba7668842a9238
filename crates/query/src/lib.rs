//! The query language: text to AST, and its meaning.
