"""All steps of compression as one recipe: carried out, judged, measured, chosen from and reported."""
