"""Pages for people, a module a page; the dashboard and the admin come beside these."""
