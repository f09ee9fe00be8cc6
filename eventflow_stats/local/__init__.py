"""A database of one's own: the embedded server, EventFlow's tables, facts from files or made up."""
