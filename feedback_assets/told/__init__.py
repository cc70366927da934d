"""What the UI is told of each asset, one module a group: counts, tables and plots; nothing that anything rests on."""
