"""The connector to SageMaker Ground Truth: items go there as labeling jobs, consolidated answers come back."""
