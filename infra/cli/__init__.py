"""The command line. ``main`` has the table of commands, ``exits`` the exit codes; a family of commands is one file."""
