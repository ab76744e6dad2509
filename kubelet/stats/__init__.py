"""What this node and its pods use: measured, added up, and shown as upstream's Summary and as Prometheus text."""
