"""The connector to Label Studio: items go there as tasks, annotations come back as labels of the gateway."""
