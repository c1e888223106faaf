"""The steps of the road tied together: resumable, with one report at the end."""
