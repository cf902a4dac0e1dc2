"""The gallery's page: template, styles, script, and what joins them."""
