"""What lets LocalStack run Vestnik without Docker: imported by LocalStack itself, in its own environment."""
