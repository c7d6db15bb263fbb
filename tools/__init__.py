"""Scripts for those who work on fastlr: python tools/NAME.py."""
