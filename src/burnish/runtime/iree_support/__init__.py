"""What the iree back end is made of: importing, compiling, and keeping what was compiled."""
