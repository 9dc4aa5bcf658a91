"""One function per command: arguments in, text out. The command line (cli/) only parses and prints."""
