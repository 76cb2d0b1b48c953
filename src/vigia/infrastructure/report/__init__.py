"""The report on one video: lines of JSON, a table, face crops, and a page that needs nothing beside itself."""
