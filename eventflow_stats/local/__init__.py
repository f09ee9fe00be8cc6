"""A local database: the embedded server, EventFlow's tables, and facts that are imported or made up."""
