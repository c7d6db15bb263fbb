"""The command `fastlr`."""
