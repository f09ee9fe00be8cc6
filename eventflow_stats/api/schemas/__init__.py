"""The shape of each answer, for OpenAPI and for clients generated from it. The JSON itself comes from the database."""
