"""Where gRPC ends.

Messages to values and back (`codec`), errors to statuses and back (`status`), what every call goes through (`boundary`).
"""
