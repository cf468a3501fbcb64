"""The gRPC face of the service. A servicer's method is: convert, call, convert; all else is in the pipeline."""
