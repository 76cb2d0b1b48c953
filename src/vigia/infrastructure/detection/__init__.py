"""Face detectors on ONNX Runtime: model registry, weights, pre- and post-processing."""
