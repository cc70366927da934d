"""gRPC beside HTTP: `feedback.v1.FeedbackIngestion`, the same core behind another protocol."""
