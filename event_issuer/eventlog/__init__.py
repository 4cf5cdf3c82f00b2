"""The backbone: append, read and trim on partitions; embedded in our database, or Kafka."""
