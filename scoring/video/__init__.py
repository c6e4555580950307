"""Video files: reading a clip frame by frame with its sound, what browsers can play, and where ffmpeg is.

May import `scoring.faces`, `scoring.images` and `scoring.locations`.
"""
