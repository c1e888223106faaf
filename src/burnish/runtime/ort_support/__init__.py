"""What the back end of ONNX Runtime is made of."""
