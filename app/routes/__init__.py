"""The addresses, one module per noun; handlers hold no SQL."""
