"""The conversation of `init`: one module a subject. Imported only when it takes place."""
