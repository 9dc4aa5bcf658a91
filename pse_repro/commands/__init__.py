"""One function for each command: arguments in, text out; the command line (cli/) only parses and prints."""
