"""API groups that other servers answer: which there are, whether they can be reached, and the way there."""
