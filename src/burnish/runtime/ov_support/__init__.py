"""What the back end of OpenVINO is made of."""
