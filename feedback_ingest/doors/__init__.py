"""What the doors keep beside the log: metrics a project registered, links to answer by, and who is signed in."""
