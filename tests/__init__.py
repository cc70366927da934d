"""The tests: one directory a kind, each kind named in tests/architecture/test_test_directories.py."""
