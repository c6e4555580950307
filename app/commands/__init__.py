"""Commands of `clipjury` that need more than a few lines: each module holds one noun's."""
