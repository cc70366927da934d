"""Files of logged inferences and feedback, brought into the log through the core behind every door."""
