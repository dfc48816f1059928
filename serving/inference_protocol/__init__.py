"""The Open Inference Protocol, version 2, by HTTP: with tensors in JSON or in binary, for clients that speak it already.

https://github.com/kserve/open-inference-protocol: ``inference_rest.md``, and the binary tensor data extension.
"""
