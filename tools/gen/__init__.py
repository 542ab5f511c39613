"""Man pages, completions and the command reference, all made from the commands' own signatures."""
