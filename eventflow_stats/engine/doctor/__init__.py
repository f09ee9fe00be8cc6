"""What can be wrong with a deployment, looked at one by one and without changing anything."""
