"""Reports of a verification as files: HTML and Markdown for people, CSV for programs."""
