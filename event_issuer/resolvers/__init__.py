"""What one can ask of the product: framework-free operations that authorise the caller first."""
