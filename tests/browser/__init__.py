"""What pages of a real browser can do to a service: Debian's Chromium, driven by Playwright."""
