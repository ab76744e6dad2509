"""Admission by others: which hooks a request concerns, what they are sent, and what their answers mean."""
