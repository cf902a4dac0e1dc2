"""The gallery's page in a real Chromium, driven by keyboard and mouse."""
