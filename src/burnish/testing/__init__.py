"""Exams for plug-ins: an author subclasses one, gives it the fixture that it asks for, and runs pytest."""
