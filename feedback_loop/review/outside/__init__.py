"""What every connector shares: which items are out at which tool, and labels that come back."""
