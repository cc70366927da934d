"""What `feedback demo` does: plays input through a running system, watches the loop close, and reports what it saw."""
