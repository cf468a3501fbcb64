"""The demo: everything on scratch data, a tour of the API, nothing left behind."""
