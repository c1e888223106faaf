"""What the tvm back end is made of: importing, choosing a target, compiling for shapes, running."""
