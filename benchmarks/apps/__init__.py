"""What the receiver is measured against: applications that do less, or do the same in the obvious way."""
