"""The pages of the reference that follow from the code: one module a page, and `text` for the Markdown."""
