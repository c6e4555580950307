"""Helpers of the tests: factories, generated videos and studies, servers, and browsers without a browser."""
