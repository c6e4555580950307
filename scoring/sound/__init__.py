"""The audio scorer: loudness, clipping, silence, and speech by the clip's transcript.

May import `scoring.scorer`, `scoring.video` and `scoring.settings`.
"""
