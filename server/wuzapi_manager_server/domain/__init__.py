"""The product's own words: what exists, and when it is valid. It knows neither gRPC, SQL nor HTTP."""
