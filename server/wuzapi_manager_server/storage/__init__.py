"""The service's own database: the one place that knows SQLite and Peewee.

Writes run within `Database.write`, one after another; reads are plain methods of the stores.
"""
