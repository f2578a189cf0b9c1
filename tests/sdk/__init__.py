"""What needs more than Rust: the official openai package, and the README as people type it."""
