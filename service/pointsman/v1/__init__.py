"""Generated from protos/pointsman/v1 by `make gen`; never edited."""
