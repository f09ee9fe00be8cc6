"""Reports of a proof, as files: HTML and Markdown for people, CSV for programs. Knows the engine, not its doors."""
