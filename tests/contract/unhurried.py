"""The product's own program, but that it asks Airtable as often as it likes: the suite's Airtable has no limit."""

import runpy

from wuzapi_manager_server.sources import airtable_rate

if __name__ == "__main__":
    airtable_rate.PER_SECOND = 1_000_000
    runpy.run_module("wuzapi_manager_server", run_name="__main__", alter_sys=True)
